"""Rows of features by column: numbers with NaN where they are missing, categories as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from harness.contract import Column, Labelled
from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.contract import FloatArray

Row: TypeAlias = Sequence["float | str | None"]
_BLOCK = 4096
"""Rows that are Python objects at one time."""


@dataclass(frozen=True)
class Table:
    """Rows in two arrays, so that a million of them are no million lists."""

    numbers: FloatArray
    """[rows, columns that are numbers]; NaN for what is missing or infinite."""
    categories: Any
    """[rows, columns that are categories], text; None where there is none."""

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, stop: int) -> Table:
        """The rows from `start` up to `stop`; nothing is copied."""
        return Table(self.numbers[start:stop], self.categories[start:stop])


def of_rows(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """Rows as a task gives them. Raises `RunFailed` if one has another number of values, or text for a number."""
    if any(len(row) != len(columns) for row in rows):
        raise RunFailed(f"a row has another number of values than the {len(columns)} columns of the task")
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    numbers = np.empty((len(rows), sum(column.kind == "number" for column in columns)))
    categories = np.empty((len(rows), len(columns) - numbers.shape[1]), dtype=object)
    number = category = 0
    for column, found in zip(columns, values, strict=True):
        if column.kind == "category":
            categories[:, category] = found
            category += 1
            continue
        try:
            numbers[:, number] = np.array(found, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RunFailed(f"column {column.name} should hold numbers: {error}") from error
        number += 1
    numbers[~np.isfinite(numbers)] = np.nan
    return Table(numbers, categories)


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all, in order; at least one table."""
    return Table(np.concatenate([t.numbers for t in tables]), np.concatenate([t.categories for t in tables]))


def read(sets: Iterable[Iterable[Labelled]], columns: Sequence[Column]) -> tuple[Table, list[str]]:
    """All rows of some labelled sets, one after the other, and their labels."""
    tables, labels = [], []
    rows = iter(chain.from_iterable(sets))
    while block := list(islice(rows, _BLOCK)):
        tables.append(of_rows([values(row.input) for row in block], columns))
        labels += [row.label for row in block]
    if not tables:
        raise RunFailed("the training split has no rows")
    return joined(tables), labels


def values(given: Any) -> Row:
    """The input of an example, which must be a row. Raises `RunFailed` if it is something else."""
    if not isinstance(given, list):
        raise RunFailed("this kind reads rows of features, and this task has none")
    return given
