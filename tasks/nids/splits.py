"""Which flows train and which test: an official pair of files, a cut in time, or, badged, a draw at random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Column
from harness.errors import DataError
from tasks.nids.table import Flows, Layout, part

if TYPE_CHECKING:
    import pandas as pd

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


def with_time(layout: Layout) -> Layout:
    """The layout with its time as one more column, unless it is a feature already."""
    if layout.time in {column.name for column in layout.columns}:
        return layout
    return replace(layout, columns=(*layout.columns, Column(layout.time, "category")))


def in_time(flows: Flows, layout: Layout, where: str) -> Parts:
    """Cut flows that were read `with_time`, which is taken out again; times are numbers or ISO 8601.

    Raises `DataError` for a flow without a time.
    """
    times = _moments(flows.features[layout.time])
    if times.isna().any():
        place = int(times.isna().to_numpy().argmax())
        found = flows.features[layout.time].iloc[place]
        raise DataError(
            f"{where}: {layout.time} of flow {place + 1} is {found!r}, which is no time",
            hint="Times are numbers, or text such as 2017-07-03 09:00:01.",
        )
    kept = [column.name for column in layout.columns]
    return chronological(Flows(flows.features[kept], flows.kinds, flows.mended), times.to_numpy())


def _moments(column: pd.Series) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    # A day and a month that could change places would cut somewhere else, unseen: so no other forms of dates.
    return numbers if numbers.notna().any() else pd.to_datetime(column, errors="coerce", format="ISO8601")


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
