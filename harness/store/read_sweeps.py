"""Reading the runs of sweeps: what each was set to, its seed, and its score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from harness.metrics.effects import Trial
from harness.store.database import Database
from harness.store.schema import RunRow, ScoreRow, SubmissionRow, TaskRow


def trials(database: Database, version: Mapping[str, Any], metric: str) -> dict[str, list[Trial]]:
    """By the name of the sweep, its finished runs over the whole of a version of a task (of `task_versions`).

    Of several runs with the same settings and seed, the latest counts.
    """
    sweep = SubmissionRow.config["sweep"]["name"].as_string()
    query = (
        select(sweep, SubmissionRow.digest, SubmissionRow.config["model"], RunRow.seed, ScoreRow.value)
        .join(RunRow, RunRow.submission_id == SubmissionRow.id)
        .join(TaskRow, TaskRow.id == RunRow.task_id)
        .join(ScoreRow, ScoreRow.run_id == RunRow.id)
        .where(TaskRow.name == version["name"], TaskRow.digest == version["digest"])
        .where(TaskRow.protocol == version["protocol"], ScoreRow.metric == metric, sweep.is_not(None))
        .where(RunRow.state == "done", RunRow.examples == TaskRow.examples)
        .order_by(RunRow.created, RunRow.id)
    )
    found: defaultdict[str, dict[tuple[str, int], Trial]] = defaultdict(dict)
    with database.reading() as session:
        for name, digest, model, seed, value in session.execute(query):
            found[name][digest, seed] = Trial(dict(_flat(model)), seed, value)
    return {name: list(latest.values()) for name, latest in found.items()}


def submissions(database: Database) -> set[str]:
    """The digests of those that are one of a sweep."""
    query = select(SubmissionRow.digest).where(SubmissionRow.config["sweep"]["name"].as_string().is_not(None))
    with database.reading() as session:
        return set(session.scalars(query))


def _flat(section: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Settings by their dotted names, as a sweep writes them."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
