"""Rows of features by column: numbers with NaN where they are missing, categories as codes of their distinct texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """Rows in two arrays, so that a million of them are no million lists, and of each text there is one."""

    numbers: FloatArray
    """[rows, columns that are numbers]; NaN for what is missing or infinite."""
    codes: Any
    """[rows, columns that are categories], int32: places in the column's `texts`, -1 where there is none."""
    texts: tuple[tuple[str, ...], ...]
    """Of each category."""

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, stop: int) -> Table:
        """The rows from `start` up to `stop`; nothing is copied."""
        return Table(self.numbers[start:stop], self.codes[start:stop], self.texts)


def of_rows(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """Rows as a task gives them. Raises `RunFailed` if one has another number of values, or text for a number."""
    if any(len(row) != len(columns) for row in rows):
        raise RunFailed(f"a row has another number of values than the {len(columns)} columns of the task")
    import pandas as pd

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    numbers = np.empty((len(rows), sum(column.kind == "number" for column in columns)))
    codes = np.empty((len(rows), len(columns) - numbers.shape[1]), dtype=np.int32)
    texts: list[tuple[str, ...]] = []
    number = 0
    for column, found in zip(columns, values, strict=True):
        if column.kind == "category":
            codes[:, len(texts)], distinct = pd.factorize(np.array(found, dtype=object))
            texts.append(tuple(distinct))
            continue
        try:
            numbers[:, number] = np.array(found, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RunFailed(f"column {column.name} should hold numbers: {error}") from error
        number += 1
    numbers[~np.isfinite(numbers)] = np.nan
    return Table(numbers, codes, tuple(texts))


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all, in order; at least one table."""
    texts = tuple(
        tuple(dict.fromkeys(chain.from_iterable(same))) for same in zip(*(t.texts for t in tables), strict=True)
    )
    codes = np.concatenate([t.codes for t in tables])
    for column, common in enumerate(texts):
        places = {text: place for place, text in enumerate(common)}
        codes[:, column] = np.concatenate([recoded(t, column, places, -1) for t in tables])
    return Table(np.concatenate([t.numbers for t in tables]), codes, texts)


def recoded(table: Table, column: int, codes: Mapping[str, int], other: int) -> Any:
    """The codes that texts of a category have elsewhere, `other` for those without one: [rows]."""
    elsewhere = [codes.get(text, other) for text in table.texts[column]]
    return np.array([*elsewhere, other])[table.codes[:, column]]  # the code of what is missing, -1, is the last place


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
