"""A CSV file of flows read piece by piece, so that it may be larger than memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract import Column
from harness.errors import DataError
from harness.flows.table import Table

PIECE_BYTES = 1 << 20
"""Of the file that are read at once; some ten thousand flows."""
_MISSING = ["", "nan", "NaN", "NAN", "null", "NULL", "None"]


def pieces(path: Path, columns: Sequence[Column], *, header: bool = True) -> Iterator[Table]:
    """The flows in order; columns are found by name, or stand first and in order where there is no header.

    Missing and infinite numbers become NaN. Raises `DataError` for a file that cannot be read, columns that are
    missing (named), a header where none should be, and text where a number should stand.
    """
    import pyarrow
    from pyarrow import csv as arrow

    names = _names(path, columns, header)
    types = {"number": pyarrow.float64(), "category": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}
    convert = arrow.ConvertOptions(
        include_columns=[column.name for column in columns],
        column_types={column.name: types[column.kind] for column in columns},
        null_values=_MISSING,
        strings_can_be_null=False,
    )
    read = arrow.ReadOptions(block_size=PIECE_BYTES, column_names=names, skip_rows=1 if header else 0)
    with _explained(path), arrow.open_csv(path, read_options=read, convert_options=convert) as file:
        for batch in file:
            yield _table(batch, columns)


def _names(path: Path, columns: Sequence[Column], header: bool) -> list[str]:
    wanted = [column.name for column in columns]
    with _explained(path), path.open(encoding="utf-8-sig", newline="") as file:
        first = [name.strip() for name in next(csv.reader(file), [])]
    if not first:
        raise DataError(f"{path} is empty")
    if header:
        if missing := [name for name in wanted if name not in first]:
            raise DataError(
                f"{path} lacks the columns {', '.join(missing)}",
                hint="They are those of the task. Where the file has no line of names, add --no-header.",
            )
        if twice := [name for name in wanted if first.count(name) > 1]:
            raise DataError(f"{path} has the columns {', '.join(twice)} more than once", hint="Rename or drop one.")
        return first
    if first[: len(wanted)] == wanted or len(first) < len(wanted):
        found = "a line of names" if first[: len(wanted)] == wanted else f"{len(first)} columns"
        raise DataError(f"{path}:1: found {found}, expected the values of {len(wanted)} columns")
    return wanted + [f"unread {place}" for place in range(len(wanted), len(first))]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:  # Arrow's errors are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"cannot read {path}: {reason}", hint="Numbers must be numbers, and all lines as long."
        ) from error


def _table(batch: Any, columns: Sequence[Column]) -> Table:
    numbers = [batch.column(column.name) for column in columns if column.kind == "number"]
    categories = [batch.column(column.name) for column in columns if column.kind == "category"]
    features = np.empty((batch.num_rows, len(numbers)))
    for place, values in enumerate(numbers):
        features[:, place] = values.to_numpy(zero_copy_only=False)
    features[~np.isfinite(features)] = np.nan
    codes = np.empty((batch.num_rows, len(categories)), dtype=np.int32)
    for place, values in enumerate(categories):
        codes[:, place] = values.indices
    texts = (tuple(text.strip() for text in values.dictionary.to_pylist()) for values in categories)
    return Table(features, codes, tuple(texts))
