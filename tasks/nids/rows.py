"""Flows as rows of values: for training one by one, for the test in windows that end with the flow to label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from harness.contract import Column
from tasks.nids.table import Flows

Value: TypeAlias = float | str | None


def rows(flows: Flows, columns: Sequence[Column]) -> Iterator[list[Value]]:
    """The values of each flow in the order of the columns; None where a number is missing."""
    values = []
    for column in columns:
        series = flows.features[column.name]
        found = series.tolist()
        values.append([None if value != value else value for value in found] if series.hasnans else found)
    for row in zip(*values, strict=True):
        yield list(row)


def windows(flows: Flows, columns: Sequence[Column], size: int) -> Iterator[list[Value]]:
    """For each flow the values of it and of its predecessors, the oldest first; None before the first flow."""
    nothing: list[Value] = [None] * len(columns)
    last = [nothing] * size
    for row in rows(flows, columns):
        last = [*last[1:], row]
        yield [value for one in last for value in one]
