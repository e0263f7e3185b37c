"""Reading what each submission scores on each of several tasks: its latest run over the whole task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from harness.store.database import Database
from harness.store.payload import unpack_floats
from harness.store.schema import RunRow, ScoreColumnRow, ScoreRow, SubmissionRow, TaskRow

if TYPE_CHECKING:
    from harness.contract import FloatArray

_NAMES_PER_QUERY = 1000  # SQLite may refuse more than 32,766 values in a statement


@dataclass(frozen=True)
class LatestScore:
    """A metric of the latest run of a submission over a whole task."""

    submission: str
    submission_digest: str
    kind: str
    runs_code: bool
    task: str
    protocol: str
    task_digest: str
    run: str
    n: int
    verification: str
    metric: str
    value: float
    ci_low: float
    ci_high: float


def latest_scores(database: Database, tasks: Sequence[str], metrics: Sequence[str]) -> list[LatestScore]:
    """The scores, by submission and task.

    What is not over the whole task does not count: a run with `--limit`, or a file that answers a part of it.
    """
    query = (
        select(
            SubmissionRow.name,
            SubmissionRow.digest,
            SubmissionRow.kind,
            SubmissionRow.runs_code,
            TaskRow.name,
            TaskRow.protocol,
            TaskRow.digest,
            RunRow.key,
            RunRow.examples,
            RunRow.verification,
            ScoreRow.metric,
            ScoreRow.value,
            ScoreRow.ci_low,
            ScoreRow.ci_high,
        )
        .join(RunRow, RunRow.submission_id == SubmissionRow.id)
        .join(TaskRow, TaskRow.id == RunRow.task_id)
        .join(ScoreRow, ScoreRow.run_id == RunRow.id)
        .where(RunRow.state == "done", RunRow.examples == TaskRow.examples, ScoreRow.metric.in_(metrics))
        .where((RunRow.verification != "rescored") | (RunRow.coverage == 1))
        .order_by(RunRow.created.desc(), RunRow.id.desc(), ScoreRow.position)
    )
    newest: dict[tuple[str, str], str] = {}
    found = []
    with database.reading() as session:
        for first in range(0, len(tasks), _NAMES_PER_QUERY):
            some = query.where(TaskRow.name.in_(tasks[first : first + _NAMES_PER_QUERY]))
            for row in session.execute(some):
                score = LatestScore(*tuple(row))
                if newest.setdefault((score.submission_digest, score.task), score.run) == score.run:
                    found.append(score)
    return found


def statistics(database: Database, runs: Sequence[str]) -> dict[str, Mapping[str, FloatArray]]:
    """The per-example statistics of each run by name, in example order; unpacked when they are looked at."""
    query = select(RunRow.key, ScoreColumnRow.name, ScoreColumnRow.payload).join(
        ScoreColumnRow, ScoreColumnRow.run_id == RunRow.id
    )
    packed: dict[str, dict[str, bytes]] = {run: {} for run in runs}
    with database.reading() as session:
        for first in range(0, len(runs), _NAMES_PER_QUERY):
            some = query.where(RunRow.key.in_(runs[first : first + _NAMES_PER_QUERY]))
            for key, name, payload in session.execute(some):
                packed[key][name] = payload
    return {run: _Columns(columns) for run, columns in packed.items()}


class _Columns(Mapping[str, "FloatArray"]):
    """Columns that are unpacked at first sight: a metric looks at few of them."""

    def __init__(self, packed: Mapping[str, bytes]) -> None:
        self._packed = packed
        self._unpacked: dict[str, FloatArray] = {}

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._unpacked:
            self._unpacked[name] = unpack_floats(self._packed[name])
        return self._unpacked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
