"""Flows in a CSV file, read and checked: columns by name, missing numbers as None, and what was mended, counted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contract import Column
from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_MISSING = ("", "nan", "NaN", "NAN", "null", "NULL", "None")


@dataclass(frozen=True)
class Layout:
    """What the columns of a file are."""

    columns: tuple[Column, ...]
    """The features, in the order of the file."""
    kind: str
    """The column that names the type of attack."""
    benign: str
    """What that column says of benign flows."""
    benign_ending: str = ""
    """Types that end so are benign as well; empty where there are none."""
    names: tuple[str, ...] = ()
    """All columns in order, for files without a header; empty where the first line has the names."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Features that say more than they should: `identifier`, `address`, `port`, `time`, `ttl`."""
    time: str = ""
    """The column that flows can be ordered by; empty where order means nothing."""
    label: str = ""
    """A second column of 0 and 1 that must agree with `kind`; empty where there is none."""


@dataclass(frozen=True)
class Flows:
    """Flows of one file, or of a part of it."""

    features: pd.DataFrame
    """A column for each of the layout: float64 (NaN where missing) or text."""
    kinds: Sequence[str]
    """The type of attack of each flow; empty text for a benign one."""
    mended: Mapping[str, int]
    """How many values were missing or infinite."""

    def __len__(self) -> int:
        return len(self.kinds)


def read(path: Path, layout: Layout) -> Flows:
    """Read a file; UTF-8 with or without a byte order mark, any line ends.

    Raises `DataError` for a file that is missing or cannot be read, for a header where none should be, for columns
    that are missing, and for numbers that are none, with the line.
    """
    import pandas as pd

    first = _first_row(path)
    _check_header(path, layout, first)
    table = _parsed(path, layout)
    wanted = [column.name for column in layout.columns] + [layout.kind] + ([layout.label] if layout.label else [])
    if missing := [name for name in wanted if name not in table.columns]:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}", hint="Is it another version of the data set?")
    mended: dict[str, int] = {}
    features = {
        column.name: _finite(table[column.name], mended) if column.kind == "number" else table[column.name].str.strip()
        for column in layout.columns
    }
    kinds = table[layout.kind].str.strip()
    flows = Flows(pd.DataFrame(features), ["" if _is_benign(kind, layout) else kind for kind in kinds], mended)
    _check_labels(path, layout, table, flows)
    return flows


def _is_benign(kind: str, layout: Layout) -> bool:
    return kind == layout.benign or bool(layout.benign_ending and kind.endswith(layout.benign_ending))


def part(flows: Flows, rows: Any) -> Flows:
    """The flows at these places, in their order."""
    kinds = [flows.kinds[i] for i in rows]
    return Flows(flows.features.iloc[rows].reset_index(drop=True), kinds, flows.mended)


def without(columns: Iterable[Column], roles: Mapping[str, str], dropped: Iterable[str]) -> tuple[Column, ...]:
    """The columns that have none of the roles that are dropped."""
    gone = set(dropped)
    return tuple(column for column in columns if roles.get(column.name) not in gone)


def _first_row(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {_short(error)}") from error


def _check_header(path: Path, layout: Layout, first: Sequence[str]) -> None:
    if not first:
        raise DataError(f"{path} is empty")
    if layout.names and len(first) != len(layout.names):
        raise DataError(
            f"{path}:1: found {len(first)} columns, expected {len(layout.names)}",
            hint="Is it another data set, or another version?",
        )
    numeric = next(i for i, name in enumerate(layout.names) if name in _numeric(layout)) if layout.names else None
    if numeric is not None and not _is_number(first[numeric]):
        raise DataError(
            f"{path}:1: {first[numeric]!r} stands where a number should", hint="This file has no header; take it out."
        )


def _numeric(layout: Layout) -> set[str]:
    return {column.name for column in layout.columns if column.kind == "number"}


def _parsed(path: Path, layout: Layout) -> pd.DataFrame:
    """The file with numbers as float64 and all else as text."""
    import pandas as pd

    numeric = _numeric(layout)
    options: dict[str, Any] = {
        "header": None if layout.names else 0,
        "names": list(layout.names) or None,
        "encoding": "utf-8-sig",
        "skipinitialspace": True,
        "index_col": False,
    }
    try:
        names = list(pd.read_csv(path, nrows=0, **options).columns)
        types = {name: "float64" if str(name).strip() in numeric else "str" for name in names}
        absent = {name: _MISSING if types[name] == "float64" else [] for name in names}
        table = pd.read_csv(path, dtype=types, na_values=absent, keep_default_na=False, **options)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {_short(error)}", hint="The file is damaged, or no CSV.") from error
    except ValueError as error:
        raise _no_number(path, layout, options) from error
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table


def _no_number(path: Path, layout: Layout, options: Mapping[str, Any]) -> DataError:
    """The first value that should be a number and is none, with its line: found by reading all as text."""
    import pandas as pd

    table = pd.read_csv(path, dtype="str", keep_default_na=False, **options)
    for name in table.columns:
        if str(name).strip() in _numeric(layout):
            for place, text in enumerate(table[name]):
                if text.strip() not in _MISSING and not _is_number(text):
                    line = place + (1 if layout.names else 2)
                    return DataError(f"{path}:{line}: {str(name).strip()}: {text!r} is no number")
    return DataError(f"{path} cannot be read", hint="The file is damaged, or no CSV.")


def _finite(values: pd.Series, mended: dict[str, int]) -> pd.Series:
    """The numbers, NaN where they are missing or infinite, which is counted."""
    import numpy as np

    array = values.to_numpy()
    infinite, missing = int(np.isinf(array).sum()), int(np.isnan(array).sum())
    for what, count in (("infinite values, taken as missing", infinite), ("missing values", missing)):
        if count:
            mended[what] = mended.get(what, 0) + count
    return values.where(np.isfinite(array)) if infinite else values


def _check_labels(path: Path, layout: Layout, table: pd.DataFrame, flows: Flows) -> None:
    if not layout.label:
        return
    for place, (label, kind) in enumerate(zip(table[layout.label].str.strip(), flows.kinds, strict=True)):
        if label != ("1" if kind else "0"):
            raise DataError(
                f"{path}:{place + 2}: {layout.label} is {label!r} and {layout.kind} is {kind or layout.benign!r}",
                hint="The two columns must agree.",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
