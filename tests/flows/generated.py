"""Rows with a rule that every learner can find: an attack is a large flow of one protocol, or a quick one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.contract import Classes, Column, Example, Inputs, Labelled, LabelledSet, Prediction, Request

COLUMNS = (Column("bytes", "number"), Column("seconds", "number"), Column("protocol", "category"))
LABELS = ("benign", "attack")
_PROTOCOLS = ("tcp", "udp", "icmp")


def rows(count: int, seed: int) -> list[list[float | str | None]]:
    random = np.random.default_rng(seed)
    numbers = random.uniform(0, 100, (count, 2)).tolist()
    return [[*row, _PROTOCOLS[code]] for row, code in zip(numbers, random.integers(0, 3, count), strict=True)]


def label(row: Sequence[float | str | None]) -> str:
    return LABELS[float(row[0] or 0) + 60 * (row[2] == "udp") > 85]


def inputs(folder: Path, **request: object) -> tuple[Inputs, list[Example]]:
    """A training split of 900 rows, a validation split of 100, and 400 test examples named by their label."""

    def written(split: str, seed: int, count: int) -> LabelledSet:
        labelled = [Labelled(str(place), row, label(row)) for place, row in enumerate(rows(count, seed))]
        return LabelledSet.write(folder / split, labelled)

    asked = Request(labels=LABELS, columns=COLUMNS, **request)  # type: ignore[arg-type]
    given = Inputs(asked, train=written("train", 1, 900), validation=written("validation", 2, 100))
    return given, [Example(f"{place} {label(row)}", row) for place, row in enumerate(rows(400, 3))]


def accuracy(answers: Sequence[Prediction]) -> float:
    """Of answers to the test examples, whose ids end with their label."""
    right = [isinstance(a.output, Classes) and a.output.label == a.id.split()[1] for a in answers]
    return sum(right) / len(right)
