"""What the frontier ranks: over a task its runs, over a suite the averages, each with what it spends and needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any

from harness.contract import Line, Suite
from harness.efficiency.serving import Reference
from harness.plain import plain
from harness.store import Database, read, reports
from harness.suite import SuiteRow, averages
from harness.suite import entries as suite_entries
from leaderboard import costs, lines
from leaderboard.kept import once, revision
from leaderboard.ranked import priced, ranked
from leaderboard.reported import Reported, gathered
from leaderboard.rows import Entry

_NAMES_PER_QUERY = 1000


@dataclass(frozen=True)
class View:
    """A row for each submission, best first."""

    metric: str
    found: Sequence[Entry]
    spent: Mapping[str, Mapping[str, float]]
    """Basis → run → milliseconds of one example (CPU seconds of the run for `cpu`)."""
    others: Sequence[Reported]
    held_against: Sequence[Line]
    runs: Mapping[str, Sequence[str]]
    """Run → the runs that its row stands for: several for a suite."""
    note: str


def view(database: Database, over: Suite | str, on: Reference) -> View:
    """The latest runs over a whole task, or their averages over a suite, priced on a reference."""
    return _of_suite(database, over, on) if isinstance(over, Suite) else _of_task(database, over, on)


def _of_task(database: Database, task: str, on: Reference) -> View:
    version = read.task_versions(database, task)[0]
    scores, metric = reports.reported(database, task), version["primary_metric"]
    whole = ranked(database, version, scores)
    found = [entry for entry in whole.entries if entry.rank is not None]
    prices = priced(database, whole, on)
    held_against = lines.gathered(version, found)
    note = f"{metric} on {task}, the latest run of each submission over the whole task."
    runs = {entry.run: [entry.run] for entry in found}
    return View(metric, found, costs.by_basis(found, prices), gathered(scores), held_against, runs, note)


def _of_suite(database: Database, suite: Suite, on: Reference) -> View:
    key = revision(database), suite.name
    averaged = once(key, lambda: _averaged(database, suite))
    return once((key, str(on), on.accelerators), lambda: _priced(database, averaged, on))


@dataclass(frozen=True)
class _Averaged:
    """The averages over a suite with the widest coverage."""

    suite: Suite
    metric: str
    rows: Sequence[SuiteRow]
    runs: Mapping[str, Mapping[str, Any]]
    """Of all that is averaged: key → row of `harness.store.read.runs`."""

    @property
    def behind(self) -> dict[str, list[str]]:
        """The first run of each row → all its runs."""
        return {row.scores[0].runs[0]: [run for score in row.scores for run in score.runs] for row in self.rows}


def _averaged(database: Database, suite: Suite) -> _Averaged:
    metric = suite.metrics[0]
    rows = averages(suite, metric, suite_entries(database, suite, [metric])[metric.name])
    widest = [row for row in rows if row.group == rows[0].group] if rows else []
    found = _Averaged(suite, metric.name, widest, {})
    keys = [run for runs in found.behind.values() for run in runs]
    pieces = (keys[first : first + _NAMES_PER_QUERY] for first in range(0, len(keys), _NAMES_PER_QUERY))
    return replace(found, runs={row["run"]: row for piece in pieces for row in read.runs(database, keys=piece)})


def _priced(database: Database, averaged: _Averaged, on: Reference) -> View:
    prices = costs.prices(database, list(averaged.runs.values()), on)
    widest, behind = averaged.rows, averaged.behind
    spent: dict[str, dict[str, float]] = {}
    for basis in costs.BASES:
        spent[basis] = {}
        for first, runs in behind.items():
            each = [_spent(basis, averaged.runs[run], prices[run]) for run in runs]
            known = [value for value in each if value is not None]
            if len(known) == len(each):
                spent[basis][first] = sum(known) if basis == "cpu" else fmean(known)
    found = [_as_entry(row, [averaged.runs[run] for run in behind[row.scores[0].runs[0]]]) for row in widest]
    members = ", ".join(plain(score.member) for score in widest[0].scores) if widest else ""
    covered = f"{widest[0].covered} of {widest[0].members}" if widest else "none"
    note = f"Mean {averaged.metric} over {covered} members of {averaged.suite.name}: {members}."
    note += " Milliseconds are their mean."
    return View(averaged.metric, found, spent, [], lines.gathered(None, found), behind, note)


def _spent(basis: str, run: Mapping[str, Any], price: Mapping[str, Any]) -> float | None:
    if basis != "cpu":
        return costs.milliseconds(price[f"{basis}_seconds"])
    parts = (run["prepare_cpu_seconds"], run["predict_cpu_seconds"])
    return None if None in parts else sum(parts)


def _as_entry(row: SuiteRow, runs: Sequence[Mapping[str, Any]]) -> Entry:
    """The average as if it were a run: under the key of its first, with the most memory of any, as old as the last."""
    peaks = [run["peak_rss_bytes"] for run in runs]
    sizes = [run["parameters"] for run in runs]
    newest: datetime = max(run["created"] for run in runs)
    return Entry(
        run=row.scores[0].runs[0],
        label=plain(row.submission),
        rank=row.rank,
        value=row.value,
        low=row.value if row.ci_low is None else row.ci_low,
        high=row.value if row.ci_high is None else row.ci_high,
        higher_is_better=row.higher_is_better,
        prepare_cpu_seconds=None,
        predict_cpu_seconds=None,
        peak_rss_bytes=None if None in peaks else max(peaks),
        index_bytes=None,
        parameters=None if None in sizes else int(max(sizes)),
        n=row.covered,
        seed=0,
        kind=plain(row.kind),
        settings="",
        licence=plain(runs[0]["licence"]),
        marks=("own code",) if row.runs_code else (),
        created=newest,
        is_partial=False,
        is_floor=bool(runs[0]["floor"]),
        verification=row.verification,
        reproduced=None,
    )
