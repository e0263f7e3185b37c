"""Which flows train and which test: an official pair of files, a cut in time, or, badged, a draw at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.errors import DataError
from tasks.nids.table import Flows, part

Split = Literal["official", "chronological", "random"]

TEST_SHARE = 0.3
"""Of a set that comes in one file: the last in time, or drawn (Sarhan et al. 2022 draw 30 %)."""
_SEED = 20_230_414


@dataclass(frozen=True)
class Parts:
    """The flows of both splits."""

    train: Flows
    test: Flows
    removed: int = 0
    """Flows with the features of an earlier one, which were taken out before a draw."""


def chronological(flows: Flows, times: Any) -> Parts:
    """Train on the earlier flows, test on the later ones: [n] times; flows of one moment keep their order."""
    order = np.argsort(times, kind="stable")
    cut = round((1 - TEST_SHARE) * len(order))
    return Parts(part(flows, order[:cut]), part(flows, order[cut:]))


def random(flows: Flows, *, without_duplicates: bool) -> Parts:
    """Draw the test flows at random: neighbours of one attack fall on both sides, which is the trap."""
    places = np.arange(len(flows))
    if without_duplicates:
        places = np.flatnonzero(~flows.features.duplicated().to_numpy())
    drawn = np.random.Generator(np.random.PCG64(_SEED)).permutation(places)
    tested = round(TEST_SHARE * len(drawn))
    return Parts(
        part(flows, np.sort(drawn[tested:])), part(flows, np.sort(drawn[:tested])), removed=len(flows) - len(places)
    )


def check_both_classes(parts: Parts, name: str) -> None:
    """Raises `DataError` if a split has flows of one class alone."""
    for split, flows in (("training", parts.train), ("test", parts.test)):
        attacks = sum(bool(kind) for kind in flows.kinds)
        if attacks in (0, len(flows)):
            what = "no attack" if attacks == 0 else "nothing but attacks"
            raise DataError(f"{name}: the {split} split has {what}", hint="It cannot show how well attacks are found.")
