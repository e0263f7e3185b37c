"""The runs of a version of a task as the pages show them, read and ranked once while the database stays as it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.efficiency.serving import Reference
from harness.reference.published import ReportedScore
from harness.reference.reproduction import with_reproductions
from harness.store import Database, read
from leaderboard import costs
from leaderboard.kept import once, revision
from leaderboard.rows import Entry, entries


@dataclass(frozen=True)
class Ranked:
    """The runs of a version; shared by all who look at the board, so to be read only."""

    key: Hashable
    """The same for the same content."""
    rows: Mapping[str, Mapping[str, Any]]
    """All runs by key, newest first, as in `harness.store.read.runs`."""
    entries: Sequence[Entry]
    """Those to be shown, best first."""
    metrics: Mapping[str, str]
    """The metrics that there are, with their descriptions."""


NO_RUNS = Ranked(None, {}, [], {})


def ranked(
    database: Database, version: Mapping[str, Any], scores: Iterable[ReportedScore], *, all_runs: bool = False
) -> Ranked:
    """The runs of a version (of `harness.store.read.task_versions`), beside the reported scores of its task."""
    same = (version["digest"], version["protocol"])
    key = (revision(database), version["name"], *same, all_runs)

    def read_anew() -> Ranked:
        rows = [row for row in read.runs(database, version["name"]) if (row["task_digest"], row["protocol"]) == same]
        found = entries(with_reproductions(rows, scores), all_runs=all_runs)
        return Ranked(key, {row["run"]: row for row in rows}, found, read.metrics(database, version))

    return once(key, read_anew)


def priced(database: Database, found: Ranked, on: Reference) -> Mapping[str, Mapping[str, Any]]:
    """What an example takes (`leaderboard.costs.prices`), by run."""
    return once(
        (found.key, str(on), on.accelerators),
        lambda: costs.prices(database, [found.rows[entry.run] for entry in found.entries], on),
    )
