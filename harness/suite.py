"""Averages over suites, worked out of stored scores when they are asked for, each with its coverage and interval.

The interval is a stratified bootstrap: the examples of each task are drawn again by themselves, the metric of each
task is averaged draw by draw, and the percentiles are those of the averages (Davison and Hinkley 1997, section 3.2).
It says how far the average would move with other examples of the same tasks, not with other tasks.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from harness.contract import Metric, Suite
from harness.metrics.bootstrap import draws, percentiles
from harness.store import Database
from harness.store.read_latest import LatestScore, latest_scores, statistics

if TYPE_CHECKING:
    from harness.contract import FloatArray

DIGITS = 4
"""Averages that are equal to so many decimals share a rank."""

Drawn = MutableMapping[tuple[str, str], "FloatArray"]
"""Draws by run and metric; they never change, so whoever asks again may keep them."""


@dataclass(frozen=True)
class Score:
    """What a submission scores on one task."""

    value: float
    ci_low: float | None
    ci_high: float | None
    run: str
    version: tuple[str, str]
    """Protocol and data digest of the task."""
    draws: FloatArray | None = None
    """The score on each resample, [resamples]; None where it cannot be resampled."""


@dataclass(frozen=True)
class Entry:
    """A submission with its scores by one metric, by task."""

    submission: str
    submission_digest: str
    kind: str
    runs_code: bool
    scores: Mapping[str, Score]
    verification: str = "recomputed"
    """How far the scores are verified, which a submission's kind decides."""


@dataclass(frozen=True)
class MemberScore:
    """A member that counts in an average: a task, or a suite with the average over all its tasks."""

    member: str
    value: float
    ci_low: float | None
    ci_high: float | None
    runs: tuple[str, ...]


@dataclass(frozen=True)
class SuiteRow:
    """The average of a submission over those members of a suite that it has a score on."""

    suite: str
    metric: str
    higher_is_better: bool
    submission: str
    submission_digest: str
    kind: str
    runs_code: bool
    value: float
    ci_low: float | None
    ci_high: float | None
    covered: int
    members: int
    scores: Sequence[MemberScore]
    """Of the members that are covered, in the order of the suite."""
    missing: Sequence[str]
    """Tasks without a score."""
    verification: str
    rank: int = 0
    """Among the averages over the same members in the same versions; equal ones share a rank."""
    rivals: int = 0
    """How many averages there are over the same members, this one included."""
    group: str = ""
    """The same text for averages that can be compared, and no others."""


def suite_rows(database: Database, suite: Suite, metric: Metric, drawn: Drawn | None = None) -> list[SuiteRow]:
    """The averages of all submissions that have run, the widest coverage first, and best first within it."""
    return averages(suite, metric, entries(database, suite, [metric], drawn)[metric.name])


def entries(
    database: Database, suite: Suite, metrics: Sequence[Metric], drawn: Drawn | None = None
) -> dict[str, list[Entry]]:
    """By metric, what each submission scores on the tasks of the suite: its latest run over the whole task.

    With `drawn`, draws that are there are used, and new ones are put there.
    """
    drawn = {} if drawn is None else drawn
    found = latest_scores(database, list(suite.tasks()), [metric.name for metric in metrics])
    by_task: defaultdict[str, dict[str, LatestScore]] = defaultdict(dict)
    for score in found:
        by_task[score.task][score.run] = score
    for task, runs in by_task.items():
        _draw(database, task, list(runs.values()), metrics, drawn)
    return {metric.name: _entries([s for s in found if s.metric == metric.name], drawn) for metric in metrics}


def averages(suite: Suite, metric: Metric, found: Iterable[Entry]) -> list[SuiteRow]:
    """A row for each entry that covers a member at all, ranked among those that cover the same."""
    rows = [row for entry in found if (row := _row(suite, metric, entry))]
    groups: defaultdict[str, list[SuiteRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    order = sorted(groups.values(), key=lambda group: (-group[0].covered, -len(group), group[0].group))
    return [row for group in order for row in _ranked(group)]


def _entries(found: Sequence[LatestScore], drawn: Drawn) -> list[Entry]:
    by_submission: defaultdict[str, list[LatestScore]] = defaultdict(list)
    for score in found:
        by_submission[score.submission_digest].append(score)
    return [
        Entry(
            submission=scores[0].submission,
            submission_digest=digest,
            kind=scores[0].kind,
            runs_code=scores[0].runs_code,
            scores={
                s.task: Score(
                    value=s.value,
                    ci_low=s.ci_low,
                    ci_high=s.ci_high,
                    run=s.run,
                    version=(s.protocol, s.task_digest),
                    draws=drawn.get((s.run, s.metric)),
                )
                for s in scores
            },
            verification=scores[0].verification,
        )
        for digest, scores in by_submission.items()
    ]


def _draw(database: Database, task: str, runs: Sequence[LatestScore], metrics: Sequence[Metric], drawn: Drawn) -> None:
    """Resample the runs of a task that have not been yet; runs over as many examples share their resamples."""
    new = [run for run in runs if any((run.run, metric.name) not in drawn for metric in metrics)]
    columns = statistics(database, [run.run for run in new])
    by_count: defaultdict[int, list[str]] = defaultdict(list)
    for run in new:
        if _can_resample(metrics, columns[run.run], run.n):
            by_count[run.n].append(run.run)
    for n, keys in by_count.items():
        found = draws(metrics, [columns[key] for key in keys], n, to_the_last_bit=False)
        for key, values in zip(keys, found, strict=True):
            drawn.update({(key, name): _shuffled(value, task) for name, value in values.items()})


def _can_resample(metrics: Sequence[Metric], columns: Mapping[str, FloatArray], n: int) -> bool:
    """False for a run that was stored with other statistics than the suite's metrics look at."""
    try:
        return all(np.isfinite(metric.aggregate(columns, np.ones((1, n)))).all() for metric in metrics)
    except (KeyError, ValueError):
        return False


def _shuffled(values: FloatArray, task: str) -> FloatArray:
    """The same draws in an order of the task's own.

    The draws are those behind the interval of the run itself, so an average over one task has that interval. In
    their first order, tasks of as many examples would be drawn in step, and their average would seem less certain.
    """
    seed = int.from_bytes(hashlib.sha256(task.encode()).digest()[:8], "big")
    shuffled: FloatArray = np.random.Generator(np.random.PCG64(seed)).permutation(values)
    return shuffled


@dataclass(frozen=True)
class _Average:
    value: float
    draws: FloatArray | None
    scores: Sequence[MemberScore]
    versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of each task in it."""

    @property
    def interval(self) -> tuple[float | None, float | None]:
        return (None, None) if self.draws is None else percentiles(self.draws)


def _average(suite: Suite, scores: Mapping[str, Score]) -> _Average | None:
    """Over the members that have a score; None if there is none."""
    parts: list[tuple[float, FloatArray | None]] = []
    shown: list[MemberScore] = []
    versions: dict[str, tuple[str, str]] = {}
    for member in suite.members:
        if isinstance(member, Suite):
            inner = _average(member, scores)
            if inner is None or any(task not in scores for task in member.tasks()):
                continue
            runs = tuple(scores[task].run for task in member.tasks())
            shown.append(MemberScore(member.name, inner.value, *inner.interval, runs))
            parts.append((inner.value, inner.draws))
            versions |= inner.versions
        elif score := scores.get(member):
            shown.append(MemberScore(member, score.value, score.ci_low, score.ci_high, (score.run,)))
            parts.append((score.value, score.draws))
            versions[member] = score.version
    if not parts:
        return None
    drawn = [values for _, values in parts if values is not None]
    both = np.mean(drawn, axis=0) if len(drawn) == len(parts) else None
    return _Average(fmean(value for value, _ in parts), both, shown, versions)


def _row(suite: Suite, metric: Metric, entry: Entry) -> SuiteRow | None:
    average = _average(suite, entry.scores)
    if average is None:
        return None
    low, high = average.interval
    compared = "\n".join(f"{task} {' '.join(version)}" for task, version in sorted(average.versions.items()))
    return SuiteRow(
        suite=suite.name,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        submission=entry.submission,
        submission_digest=entry.submission_digest,
        kind=entry.kind,
        runs_code=entry.runs_code,
        value=average.value,
        ci_low=low,
        ci_high=high,
        covered=len(average.scores),
        members=len(suite.members),
        scores=average.scores,
        missing=[task for task in suite.tasks() if task not in entry.scores],
        verification=entry.verification,
        group=hashlib.sha256(compared.encode()).hexdigest()[:12],
    )


def _ranked(group: Sequence[SuiteRow]) -> list[SuiteRow]:
    sign = 1 if group[0].higher_is_better else -1
    goodness = [round(sign * row.value, DIGITS) for row in group]
    ranked = [
        replace(row, rank=1 + sum(other > own for other in goodness), rivals=len(group))
        for row, own in zip(group, goodness, strict=True)
    ]
    return sorted(ranked, key=lambda row: (row.rank, -sign * row.value, row.submission))
