"""Comparing runs, and explaining why two of them differ: all from the store, without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import registry
from harness.contract import Metric
from harness.errors import InputError, UnknownName
from harness.metrics.aggregate import mean
from harness.metrics.significance import Difference, difference, holm
from harness.store import Database, read, read_examples

if TYPE_CHECKING:
    from harness.contract import FloatArray


@dataclass(frozen=True)
class Comparison:
    """The first of several runs against another one."""

    run: str
    """The other run."""
    submission: str
    difference: Difference
    """The first run's score less this one's."""
    corrected_p: float
    """After Holm, over all comparisons of the call."""

    higher_is_better: bool = True

    @property
    def verdict(self) -> str:
        """What can be said of the first run: `better`, `worse` or `no difference found`."""
        if not self.is_significant:
            return "no difference found"
        return "better" if (self.difference.value > 0) == self.higher_is_better else "worse"

    @property
    def is_significant(self) -> bool:
        """At 5 %, all comparisons considered."""
        return self.corrected_p < 0.05


@dataclass(frozen=True)
class Changed:
    """One thing that two runs do not share; None where a run does not have it."""

    part: str
    """`submission`, `task`, `run`, `environment`, `outcome`."""
    what: str
    first: Any
    second: Any


@dataclass(frozen=True)
class ExampleChange:
    """An example on which two runs score differently."""

    id: str
    first: float
    second: float


def resolve(database: Database, name: str, task: str | None) -> str:
    """The key of a run that is named by its key, or by its submission: its latest over the whole of the task.

    Raises `UnknownName`, and `InputError` if a submission ran on several tasks and none is said.
    """
    runs = read.runs(database, task)
    if any(row["run"] == name for row in runs):
        return name
    found = [r for r in runs if r["submission"] == name and r["state"] == "done" and r["n"] == r["task_examples"]]
    if not found:
        raise UnknownName("run", name, [*(r["submission"] for r in runs), *(r["run"] for r in runs)])
    tasks = sorted({row["task"] for row in found})
    if len(tasks) > 1:
        raise InputError(
            f"{name!r} has run on {len(tasks)} tasks", hint=f"Say which with --task: {', '.join(tasks[:5])}"
        )
    return str(found[0]["run"])


def compare(database: Database, keys: Sequence[str], metric: str | None = None) -> list[Comparison]:
    """The first run against each of the others, by the task's primary metric or another, corrected for their number.

    Where one run answered only the first examples, the others are compared on these. Raises `InputError` for runs
    that are not done or not over the same data and protocol, `UnknownName` for a metric that they do not share.
    """
    details = [read.run(database, key) for key in keys]
    _check_comparable([detail.summary for detail in details])
    summary = details[0].summary
    names = [score["metric"] for score in details[0].scores]
    chosen = metric or summary["metric"]
    if chosen not in names:
        raise UnknownName("metric", chosen, names)
    higher = next(score["higher_is_better"] for score in details[0].scores if score["metric"] == chosen)
    measured = known_metric(summary["task"], chosen, higher_is_better=higher)
    n = min(detail.summary["n"] for detail in details)
    columns = [_columns(database, key, n) for key in keys]
    found = [difference(measured, columns[0], other, n) for other in columns[1:]]
    return [
        Comparison(detail.summary["run"], detail.summary["submission"], one, corrected, higher)
        for detail, one, corrected in zip(details[1:], found, holm([one.p for one in found]), strict=True)
    ]


def known_metric(task: str, name: str, *, higher_is_better: bool = True) -> Metric:
    """How the metric comes of the statistics of examples: as a suite of the task has it, else as the mean of its
    column."""
    for suite in registry.suites():
        if task in suite.tasks():
            for metric in suite.metrics:
                if metric.name == name:
                    return metric
    return Metric(name, mean(name), higher_is_better=higher_is_better)


def explain(database: Database, first: str, second: str) -> list[Changed]:
    """What two runs do not share, what decides the score first: settings, data, seed, code, machine."""
    one, other = read.run(database, first), read.run(database, second)
    return [
        *changes("submission", one.config, other.config),
        *changes("task", _picked(one.summary, _TASK), _picked(other.summary, _TASK)),
        *changes("run", _picked(one.summary, _RUN), _picked(other.summary, _RUN)),
        *changes("environment", one.environment, other.environment),
        *changes("outcome", one.prepared, other.prepared),
    ]


def changed_examples(database: Database, first: str, second: str, statistic: str) -> tuple[int, list[ExampleChange]]:
    """How many examples both answered, and those with another value of the statistic, the largest change first.

    Raises `InputError` if the runs are not over the same data, `UnknownName` for an unknown statistic.
    """
    _check_comparable([read.run(database, key).summary for key in (first, second)])
    ids, one = read_examples.example_scores(database, first)
    _, other = read_examples.example_scores(database, second)
    for columns in (one, other):
        if statistic not in columns:
            raise UnknownName("statistic", statistic, list(columns))
    n = min(len(one[statistic]), len(other[statistic]))
    change = one[statistic][:n] - other[statistic][:n]
    order = np.argsort(-np.abs(change), kind="stable")
    differing = [int(i) for i in order if change[i] != 0]
    return n, [ExampleChange(ids[i], float(one[statistic][i]), float(other[statistic][i])) for i in differing]


_TASK = ("task", "protocol", "task_digest")
_RUN = ("seed", "example_limit", "coverage", "verification", "code_version")


def _check_comparable(summaries: Sequence[Mapping[str, Any]]) -> None:
    if len(summaries) < 2:
        raise InputError("one run alone cannot be compared", hint="Name two or more.")
    for summary in summaries:
        if summary["state"] != "done":
            raise InputError(f"run {summary['run']} is {summary['state']}", hint="Only finished runs can be compared.")
        if _picked(summary, _TASK) != _picked(summaries[0], _TASK):
            differing = changes("task", _picked(summaries[0], _TASK), _picked(summary, _TASK))
            what = ", ".join(change.what for change in differing)
            raise InputError(
                f"runs {summaries[0]['run']} and {summary['run']} are not over the same examples (other {what})",
                hint="Scores over other data or under another protocol are not comparable; see `harness explain`.",
            )


def _columns(database: Database, key: str, n: int) -> dict[str, FloatArray]:
    return {name: values[:n] for name, values in read_examples.example_scores(database, key)[1].items()}


def _picked(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def changes(part: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Changed]:
    """What two nested mappings do not share, such as the settings of two submissions."""
    one, other = dict(_flat(first)), dict(_flat(second))
    for what in dict.fromkeys([*one, *other]):
        before, after = one.get(what), other.get(what)
        if before != after:
            yield Changed(part, what, before, after)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Names such as `model.k1` or `stages.0.kind`, with their values."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{place}")
    else:
        yield path, value
