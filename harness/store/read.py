"""Reading results: rows for the command line and the board, and everything about one run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import case, func, select

from harness.contract import Prepared
from harness.errors import UnknownName
from harness.metrics.hubness import HUBNESS
from harness.store.database import Database
from harness.store.schema import (
    AttemptRow,
    BlockRow,
    CostRow,
    ReportRow,
    RunRow,
    ScoreRow,
    SubmissionRow,
    TaskRow,
    WorkRow,
)

_index_bytes = case(
    (RunRow.index_ram_bytes.is_(None) & RunRow.index_disk_bytes.is_(None), None),
    else_=func.coalesce(RunRow.index_ram_bytes, 0) + func.coalesce(RunRow.index_disk_bytes, 0),
)


@dataclass(frozen=True)
class Attempt:
    """One worker process of a run."""

    number: int
    state: str
    reason: str
    started: datetime
    ended: datetime | None
    prepare_cpu_seconds: float | None
    predict_cpu_seconds: float
    log: str


@dataclass(frozen=True)
class RunDetail:
    """Everything about a run but its examples."""

    summary: dict[str, Any]
    """As in `runs`."""
    scores: Sequence[dict[str, Any]]
    config: dict[str, Any]
    description: str
    environment: dict[str, Any]
    prepared: dict[str, Any]
    facts: dict[str, Any]
    attempts: Sequence[Attempt]


def runs(
    database: Database,
    task: str | None = None,
    key: str | None = None,
    submission: str | None = None,
    keys: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One flat row for each run: submission, task, state, primary score with interval, costs. Newest first.

    Of one task if `task` names it; of one run, or of a thousand at most, if `key` or `keys` name them; of every version
    of a submission if that is named.
    """
    prepare, predict = _cost("prepare"), _cost("predict")
    query = (
        select(
            SubmissionRow.name.label("submission"),
            SubmissionRow.digest.label("submission_digest"),
            SubmissionRow.kind,
            SubmissionRow.config.label("settings"),
            SubmissionRow.runs_code,
            SubmissionRow.floor,
            SubmissionRow.licence,
            TaskRow.name.label("task"),
            TaskRow.family,
            TaskRow.protocol,
            TaskRow.digest.label("task_digest"),
            TaskRow.generated,
            TaskRow.primary_metric.label("metric"),
            TaskRow.facts,
            RunRow.key.label("run"),
            RunRow.state,
            RunRow.reason,
            RunRow.next_step,
            RunRow.verification,
            ScoreRow.value,
            ScoreRow.ci_low,
            ScoreRow.ci_high,
            ScoreRow.higher_is_better,
            RunRow.examples.label("n"),
            TaskRow.examples.label("task_examples"),
            RunRow.coverage,
            RunRow.prepared[HUBNESS].as_float().label("hubness"),
            RunRow.prepared["parameters"].as_float().label("parameters"),
            RunRow.prepared["size_matched"].as_string().label("size_matched"),
            RunRow.seed,
            RunRow.example_limit,
            prepare.c.cpu_seconds.label("prepare_cpu_seconds"),
            prepare.c.wall_seconds.label("prepare_wall_seconds"),
            prepare.c.cached.label("prepare_cached"),
            predict.c.cpu_seconds.label("predict_cpu_seconds"),
            predict.c.wall_seconds.label("predict_wall_seconds"),
            predict.c.cached.label("predict_cached"),
            RunRow.peak_rss_bytes,
            RunRow.index_ram_bytes,
            RunRow.index_disk_bytes,
            _index_bytes.label("index_bytes"),
            WorkRow.ledger_digest,
            WorkRow.observed_n,
            WorkRow.observed_examples,
            WorkRow.observed_clock,
            WorkRow.observed_min_seconds,
            WorkRow.observed_median_seconds,
            WorkRow.observed_max_seconds,
            WorkRow.note.label("work_note"),
            RunRow.code_version,
            RunRow.created,
            RunRow.finished,
        )
        .join(RunRow.submission)
        .join(RunRow.task)
        .outerjoin(ScoreRow, (ScoreRow.run_id == RunRow.id) & (ScoreRow.metric == TaskRow.primary_metric))
        .outerjoin(prepare, prepare.c.run_id == RunRow.id)
        .outerjoin(predict, predict.c.run_id == RunRow.id)
        .outerjoin(WorkRow, WorkRow.run_id == RunRow.id)
        .order_by(RunRow.created.desc(), RunRow.id.desc())
    )
    if task is not None:
        query = query.where(TaskRow.name == task)
    if key is not None:
        query = query.where(RunRow.key == key)
    if keys is not None:
        query = query.where(RunRow.key.in_(keys))
    if submission is not None:
        query = query.where(SubmissionRow.name == submission)
    with database.reading() as session:
        return [
            {**row, "settings": _settings(row["settings"]), "trials": _trials(row["settings"])}
            for row in session.execute(query).mappings()
        ]


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a submission that decides its answers: `model`, or the list of its stages."""
    return config["model"] if "model" in config else {"stages": config["stages"]}


def _trials(config: dict[str, Any]) -> int:
    """How many submissions the sweep made that this one comes from; 1 without a sweep."""
    return int(config.get("sweep", {}).get("trials", 1))


def results(database: Database, task: str | None = None) -> list[dict[str, Any]]:
    """A row for each metric of each run; a run that is not done has one row, with its state and no value."""
    scores = _scores(database, task=task)
    rows = []
    for run in runs(database, task):
        found = scores.get(run["run"], [])
        rows += [run | score for score in found] or [run | {"description": ""}]
    return rows


def metrics(database: Database, version: Mapping[str, Any]) -> dict[str, str]:
    """The metrics of the finished runs of a version of a task (of `task_versions`), each with its description."""
    of_version = (TaskRow.name == version["name"]) & (TaskRow.digest == version["digest"])
    query = (
        select(ScoreRow.metric, func.max(ScoreRow.description))
        .join(RunRow, RunRow.id == ScoreRow.run_id)
        .join(RunRow.task)
        .where(of_version, TaskRow.protocol == version["protocol"])
        .group_by(ScoreRow.metric)
        .order_by(func.min(ScoreRow.position), ScoreRow.metric)
    )
    with database.reading() as session:
        return {metric: description for metric, description in session.execute(query)}


def values(database: Database, task: str, metric: str) -> dict[str, float]:
    """What each finished run of a task has of one metric."""
    query = (
        select(RunRow.key, ScoreRow.value)
        .join(RunRow, RunRow.id == ScoreRow.run_id)
        .join(RunRow.task)
        .where(TaskRow.name == task, ScoreRow.metric == metric)
    )
    with database.reading() as session:
        return {run: value for run, value in session.execute(query)}


def results_of(database: Database, key: str) -> list[dict[str, Any]]:
    """The rows of `results` of one run, scores only; empty if it is not done."""
    return [summary | score for summary in runs(database, key=key) for score in _scores(database, key=key).get(key, [])]


def settings(database: Database, submissions: Collection[str]) -> dict[str, dict[str, Any]]:
    """The `model:` section of each submission that is named by its digest."""
    query = select(SubmissionRow.digest, SubmissionRow.config["model"]).where(SubmissionRow.digest.in_(submissions))
    with database.reading() as session:
        return {digest: found for digest, found in session.execute(query)}


def submissions(database: Database) -> list[str]:
    """The names of submissions that have runs, in alphabetical order; several versions may share one."""
    query = select(SubmissionRow.name).where(SubmissionRow.id.in_(select(RunRow.submission_id))).distinct()
    with database.reading() as session:
        return sorted(session.scalars(query))


def revision(database: Database) -> tuple[object, ...]:
    """Another one when a run began, ended or was removed, or a submission, a task or reported scores changed.

    Batches and heartbeats of runs under way leave it as it is, so what was read of finished runs can be kept.
    """
    sizes = func.sum(func.length(SubmissionRow.licence))
    marks = [func.sum(case((mark, 1), else_=0)) for mark in (SubmissionRow.floor, SubmissionRow.runs_code)]
    queries = [
        select(RunRow.state, func.count()).group_by(RunRow.state).order_by(RunRow.state),
        select(func.max(RunRow.id)),
        select(func.max(AttemptRow.id)),
        select(func.count(), sizes, *marks).select_from(SubmissionRow),
        select(func.count()).select_from(TaskRow),
        select(func.count(), func.max(ReportRow.id)).select_from(ReportRow),
    ]
    with database.reading() as session:
        return tuple(tuple(row) for query in queries for row in session.execute(query))


def tasks(database: Database) -> list[dict[str, Any]]:
    """The tasks that have runs, with how many are done; the most used first."""
    done = func.sum(case((RunRow.state == "done", 1), else_=0)).label("done")
    query = (
        select(TaskRow.name, TaskRow.family, TaskRow.primary_metric, TaskRow.generated, done)
        .join(RunRow, RunRow.task_id == TaskRow.id)
        .group_by(TaskRow.name, TaskRow.family, TaskRow.primary_metric, TaskRow.generated)
        .order_by(done.desc(), TaskRow.name)
    )
    with database.reading() as session:
        return [dict(row) for row in session.execute(query).mappings()]


def task_versions(database: Database, name: str) -> list[dict[str, Any]]:
    """The versions of a task, newest first: its card, facts and digest; other data or protocol is another version.

    Scores of different versions cannot be compared.
    """
    columns = [column for column in TaskRow.__table__.columns if column.name != "id"]
    query = select(*columns).where(TaskRow.name == name).order_by(TaskRow.created.desc(), TaskRow.id.desc())
    with database.reading() as session:
        return [dict(row) for row in session.execute(query).mappings()]


def run(database: Database, key: str) -> RunDetail:
    """Raises `UnknownName` if there is no such run."""
    with database.reading() as session:
        row = session.get_one(RunRow, run_id(session, key))
        attempts = session.scalars(select(AttemptRow).where(AttemptRow.run_id == row.id).order_by(AttemptRow.number))
        seconds = _predict_seconds(session, row.id)
        return RunDetail(
            summary=runs(database, key=key)[0],
            scores=_scores(database, key=key).get(key, []),
            config=row.submission.config,
            description=row.submission.description,
            environment=row.environment,
            prepared=row.prepared,
            facts=row.task.facts,
            attempts=[
                Attempt(
                    number=attempt.number,
                    state=attempt.state,
                    reason=attempt.reason,
                    started=attempt.started,
                    ended=attempt.ended,
                    prepare_cpu_seconds=attempt.prepare_cpu_seconds,
                    predict_cpu_seconds=seconds.get(attempt.id, 0.0),
                    log=attempt.log,
                )
                for attempt in attempts
            ],
        )


def facts(database: Database, runs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What preparing found out about each of the runs, and what was found of the model in the end."""
    query = select(RunRow.key, RunRow.prepared).where(RunRow.key.in_(runs))
    with database.reading() as session:
        return {key: found for key, found in session.execute(query)}


def curves(database: Database, key: str) -> dict[str, list[tuple[float, float]]]:
    """The learning curves of the run's last training, by name: points of (step, value). Empty if it kept none."""
    query = (
        select(AttemptRow.prepared)
        .join(RunRow, RunRow.id == AttemptRow.run_id)
        .where(RunRow.key == key, AttemptRow.prepared.is_not(None))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
    with database.reading() as session:
        packed = session.scalar(query)
    return msgspec.msgpack.decode(packed, type=Prepared).curves if packed else {}


def _cost(phase: str) -> Any:
    chosen = CostRow.phase == phase, CostRow.basis == "observed"
    return select(CostRow).where(*chosen).subquery(f"{phase}_cost")


def _scores(database: Database, task: str | None = None, key: str | None = None) -> dict[str, list[dict[str, Any]]]:
    query = (
        select(
            RunRow.key,
            ScoreRow.metric,
            ScoreRow.value,
            ScoreRow.ci_low,
            ScoreRow.ci_high,
            ScoreRow.n,
            ScoreRow.higher_is_better,
            ScoreRow.description,
        )
        .join(RunRow, RunRow.id == ScoreRow.run_id)
        .order_by(ScoreRow.run_id, ScoreRow.position)
    )
    if task is not None:
        query = query.join(RunRow.task).where(TaskRow.name == task)
    if key is not None:
        query = query.where(RunRow.key == key)
    found: dict[str, list[dict[str, Any]]] = {}
    with database.reading() as session:
        for row in session.execute(query).mappings():
            score = dict(row)
            found.setdefault(score.pop("key"), []).append(score)
    return found


def run_id(session: Any, key: str) -> int:
    """The row of a run's key. Raises `UnknownName` if there is none."""
    found = session.scalar(select(RunRow.id).where(RunRow.key == key))
    if found is None:
        raise UnknownName("run", key, session.scalars(select(RunRow.key)))
    return int(found)


def _predict_seconds(session: Any, run_id: int) -> dict[int, float]:
    query = (
        select(BlockRow.attempt_id, func.sum(BlockRow.cpu_seconds))
        .where(BlockRow.run_id == run_id)
        .group_by(BlockRow.attempt_id)
    )
    return {attempt: float(total) for attempt, total in session.execute(query)}
