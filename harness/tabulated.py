"""Rows as a file for other programs: CSV or Parquet, one flat row each; what is nested becomes JSON text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import InputError
from harness.plain import no_formula

Format = Literal["csv", "parquet"]


def write(rows: Sequence[Mapping[str, Any]], form: Format, output: Path | None) -> None:
    """Write the rows to a file, or to standard output. Raises `InputError` for a folder that is missing, or a terminal.

    In CSV, text that a spreadsheet would take for a formula gets a leading apostrophe; Parquet is exact.
    """
    import pandas as pd

    if output is None and form == "parquet" and sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal", hint="Name a file: --output results.parquet")
    table = pd.DataFrame([{name: _flat(value) for name, value in row.items()} for row in rows])
    content = table.map(no_formula).to_csv(index=False).encode() if form == "csv" else table.to_parquet(index=False)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}", hint="Name another file.") from error
    print(f"{len(rows):,} rows in {output}", file=sys.stderr)


def _flat(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float) or hasattr(value, "isoformat"):
        return value
    return msgspec.json.encode(value).decode()
