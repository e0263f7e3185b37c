"""The published scores that ship with the project: a table for each family, and for each score its source."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

_TABLES = Path(__file__).parent / "tables"

Verification = Literal["recomputed", "rescored", "self-reported", "published"]
"""How far a score was verified, the furthest first: the model ran here; its answers or embeddings were scored here;
somebody sent the score; somebody published it."""

KINDS = {
    "published": "printed by its source",
    "published_figure": "read off a figure of its source",
    "rescored": "computed from answers that its source published",
}
"""How a published score was had."""


@dataclass(frozen=True)
class ReportedScore:
    """A score that was not made here, in our names where task and metric have one, on the word of its source."""

    task: str
    model: str
    metric: str
    value: float
    """A fraction where the metric is one; sources that print percent are converted."""
    digits: int
    """Decimals that its source gives."""
    source: str
    low: float | None = None
    """The ends of the 95 % interval, where the source gives one."""
    high: float | None = None
    note: str = ""
    """What a reader must know before comparing it, such as the size of the sample."""
    kind: str = "published"
    """One of `KINDS`; empty for a self-reported score."""
    verification: Verification = "published"
    digest: str = ""
    """sha256 of the file that a self-reported score comes from."""


@dataclass(frozen=True)
class Table:
    """The published scores of one family."""

    name: str
    digest: str
    scores: tuple[ReportedScore, ...]


@cache
def tables() -> dict[str, Table]:
    """The tables that ship, by name."""
    return {path.stem: _read(path) for path in _paths()}


def shipped(task: str, but: Collection[str] = ()) -> list[ReportedScore]:
    """The scores of one task in the tables that ship, but for those named in `but`; other lines are not parsed."""
    found: list[ReportedScore] = []
    for path in _paths():
        if path.stem not in but:
            head, *lines = path.read_text().splitlines()
            found += _scores([head, *(line for line in lines if line.startswith(f"{task},"))])
    return found


def decimals(number: str) -> int:
    """Digits behind the point of a number as it is written."""
    return len(number.partition(".")[2])


def _paths() -> list[Path]:
    return sorted(_TABLES.glob("*.csv"))


def _read(path: Path) -> Table:
    content = path.read_bytes()
    return Table(path.stem, hashlib.sha256(content).hexdigest(), tuple(_scores(content.decode().splitlines())))


def _scores(lines: Iterable[str]) -> Iterator[ReportedScore]:
    for row in csv.DictReader(lines):
        yield ReportedScore(
            task=row["task"],
            model=row["model"],
            metric=row["metric"],
            value=float(row["value"]),
            digits=decimals(row["value"]),
            source=row["source"],
            low=float(row["low"]) if row["low"] else None,
            high=float(row["high"]) if row["high"] else None,
            note=row["note"],
            kind=row["kind"],
        )
