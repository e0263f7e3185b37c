"""The runs of a version of a task as the pages show them, read and ranked once while the database stays as it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar, cast

from harness.efficiency.serving import Reference
from harness.reference.published import ReportedScore
from harness.reference.reproduction import with_reproductions
from harness.store import Database, read
from leaderboard import costs
from leaderboard.rows import Entry, entries

T = TypeVar("T")

_MOST_KEPT = 6
_lock = Lock()
_kept: OrderedDict[object, Any] = OrderedDict()


@dataclass(frozen=True)
class Ranked:
    """The runs of a version; shared by all who look at the board, so to be read only."""

    key: object
    """The same for the same content; None if that is not known."""
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
    stamp = database.stamp()
    key = stamp and (stamp, version["name"], *same, all_runs)

    def read_anew() -> Ranked:
        rows = [row for row in read.runs(database, version["name"]) if (row["task_digest"], row["protocol"]) == same]
        found = entries(with_reproductions(rows, scores), all_runs=all_runs)
        return Ranked(key, {row["run"]: row for row in rows}, found, read.metrics(database, version))

    return _once(key, read_anew)


def priced(database: Database, found: Ranked, on: Reference) -> Mapping[str, Mapping[str, Any]]:
    """What an example takes (`leaderboard.costs.prices`), by run."""
    key = found.key and (found.key, str(on), on.accelerators)
    return _once(key, lambda: costs.prices(database, [found.rows[entry.run] for entry in found.entries], on))


def _once(key: object, make: Callable[[], T]) -> T:
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return cast(T, _kept[key])
    made = make()
    if key is not None:
        with _lock:
            _kept[key] = made
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    return made
