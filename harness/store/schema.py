"""The tables of the results database (SQLAlchemy 2, typed).

submission ─┐
            ├─< run ─< attempt ─< block (predictions, one row per acknowledged batch)
task ───────┘     ├──< score, score_column, cost
                  └─── work >─ ledger   (what it does, counted: to be priced on any hardware)
 └──< example_block, document_title   (previews, so that the board can show what was asked)

report ──< reported_score   (scores that were made elsewhere: published tables, results files)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import DateTime, TypeDecorator

REVISION = "0004"
"""The Alembic revision that these tables are at."""

STATES = ("running", "done", "failed", "interrupted", "expired")


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its offset from UTC, also on SQLite, which drops it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
        int: BigInteger().with_variant(Integer(), "sqlite"),
    }


class SubmissionRow(Base):
    """A submission file, as it was when it ran."""

    __tablename__ = "submission"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    kind: Mapped[str] = mapped_column(String(100))
    config: Mapped[dict[str, Any]]
    description: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str] = mapped_column(Text, default="")
    licence: Mapped[str] = mapped_column(Text, default="")
    runs_code: Mapped[bool] = mapped_column(default=False)
    floor: Mapped[bool] = mapped_column(server_default=false())
    """True if it is said to solve nothing: gains are counted from the best such score."""
    created: Mapped[datetime] = mapped_column(default=now)


class TaskRow(Base):
    """A task with its data: the same name with other data or another protocol is another row."""

    __tablename__ = "task"
    __table_args__ = (UniqueConstraint("name", "protocol", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    family: Mapped[str] = mapped_column(String(100))
    protocol: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    primary_metric: Mapped[str] = mapped_column(String(100))
    generated: Mapped[bool] = mapped_column(default=False)
    description: Mapped[str] = mapped_column(Text, default="")
    licence: Mapped[str] = mapped_column(Text, default="")
    citation: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str] = mapped_column(Text, default="")
    facts: Mapped[dict[str, Any]]
    marks: Mapped[list[Any]] = mapped_column(server_default="[]")
    lines: Mapped[list[Any]] = mapped_column(server_default="[]")
    """Floors and rungs: `harness.contract.Line` as JSON."""
    audit: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Tables of what is odd about the data, by title."""
    examples: Mapped[int]
    created: Mapped[datetime] = mapped_column(default=now)


class ExampleBlockRow(Base):
    """What a task asks, shortened for display, with its gold answers: zlib of msgpack `[[id, text, gold], …]`."""

    __tablename__ = "example_block"

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    payload: Mapped[bytes]


class DocumentTitleRow(Base):
    """The title of a document that some run ranked high."""

    __tablename__ = "document_title"

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    document: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)


class RunRow(Base):
    """One submission on one task with one seed."""

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("submission_id", "task_id", "seed", "example_limit", "repeat"),
        Index("ix_run_task_state", "task_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    """The run's public name."""
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    seed: Mapped[int]
    example_limit: Mapped[int]
    """0 for all examples."""
    repeat: Mapped[int] = mapped_column(default=0)
    """Counts runs that were asked for again (`--rerun`)."""
    verification: Mapped[str] = mapped_column(String(20), server_default="recomputed")
    """How far the score is verified: `recomputed` (the model ran here) or `rescored` (its answers were scored here)."""
    examples: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    next_step: Mapped[str] = mapped_column(Text, default="")
    owner: Mapped[str] = mapped_column(String(200), default="")
    heartbeat: Mapped[datetime | None]
    created: Mapped[datetime] = mapped_column(default=now)
    finished: Mapped[datetime | None]
    code_version: Mapped[str] = mapped_column(String(200), default="")
    environment: Mapped[dict[str, Any]]
    prepared: Mapped[dict[str, Any]]
    """Facts that the model reported of its index or training."""
    coverage: Mapped[float | None]
    index_ram_bytes: Mapped[int | None]
    index_disk_bytes: Mapped[int | None]
    peak_rss_bytes: Mapped[int | None]

    submission: Mapped[SubmissionRow] = relationship()
    task: Mapped[TaskRow] = relationship()


class AttemptRow(Base):
    """One worker process of a run; a run that was killed and resumed has several."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("run_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    number: Mapped[int]
    owner: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), default="running")
    reason: Mapped[str] = mapped_column(Text, default="")
    started: Mapped[datetime] = mapped_column(default=now)
    ended: Mapped[datetime | None]
    prepare_cpu_seconds: Mapped[float | None]
    prepare_wall_seconds: Mapped[float | None]
    prepare_peak_rss_bytes: Mapped[int | None]
    prepare_cached: Mapped[bool] = mapped_column(default=False)
    code_version: Mapped[str] = mapped_column(String(200), default="")
    environment: Mapped[dict[str, Any]]
    prepared: Mapped[bytes | None]
    """msgpack of `harness.contract.Prepared`."""
    log: Mapped[str] = mapped_column(Text, default="")


class BlockRow(Base):
    """A batch of predictions, durable when it was acknowledged: zlib of msgpack `[Prediction, …]`."""

    __tablename__ = "block"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    payload: Mapped[bytes]
    sha256: Mapped[str] = mapped_column(String(64))
    cpu_seconds: Mapped[float]
    wall_seconds: Mapped[float]
    peak_rss_bytes: Mapped[int]
    cached: Mapped[bool] = mapped_column(default=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))


class ScoreRow(Base):
    """A metric of a finished run with its 95 % interval."""

    __tablename__ = "score"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(100), primary_key=True)
    position: Mapped[int]
    value: Mapped[float]
    ci_low: Mapped[float]
    ci_high: Mapped[float]
    n: Mapped[int]
    higher_is_better: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str] = mapped_column(Text, default="")


class ScoreColumnRow(Base):
    """A statistic of every example of a run, in example order: zlib of little-endian float64."""

    __tablename__ = "score_column"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    payload: Mapped[bytes]


class CostRow(Base):
    """What a phase of a run takes, and on what basis the figure stands (observed here, or computed)."""

    __tablename__ = "cost"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    phase: Mapped[str] = mapped_column(String(50), primary_key=True)
    basis: Mapped[str] = mapped_column(String(20), primary_key=True)
    hardware: Mapped[str] = mapped_column(String(200), primary_key=True)
    cpu_seconds: Mapped[float]
    wall_seconds: Mapped[float]
    cached: Mapped[bool] = mapped_column(default=False)
    """True if part of the work was found in a cache and is charged at its first cost."""


class LedgerRow(Base):
    """The stages of some model in operations: zlib of msgpack `[Stage, …]`, under its digest."""

    __tablename__ = "ledger"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    payload: Mapped[bytes]


class WorkRow(Base):
    """What a run did of each stage of its ledger, and what an example took when it was timed."""

    __tablename__ = "work"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    ledger_digest: Mapped[str | None] = mapped_column(ForeignKey("ledger.digest"))
    """None if the model does not say what its stages are."""
    served: Mapped[bytes | None]
    """zlib of msgpack `[Tally, …]` over the predictions; None until the run is done."""
    preparing: Mapped[bytes]
    """The same, of `prepare`."""
    observed_n: Mapped[int] = mapped_column(default=0)
    """Repeats that were timed; 0 if none could be."""
    observed_examples: Mapped[int] = mapped_column(default=0)
    observed_clock: Mapped[str] = mapped_column(String(20), default="")
    observed_min_seconds: Mapped[float | None]
    """Of an example, as are median and maximum."""
    observed_median_seconds: Mapped[float | None]
    observed_max_seconds: Mapped[float | None]
    note: Mapped[str] = mapped_column(Text, default="")
    """Why something is missing."""


class ReportRow(Base):
    """Where scores that were made elsewhere come from: a table that ships, or a results file."""

    __tablename__ = "report"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    """Of the table (`beir`), or of the file."""
    verification: Mapped[str] = mapped_column(String(20))
    """`published` or `self-reported`."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """sha256 of the table or file."""
    created: Mapped[datetime] = mapped_column(default=now)


class ReportedScoreRow(Base):
    """A score that was made elsewhere, see `harness.reference.published.ReportedScore`."""

    __tablename__ = "reported_score"
    __table_args__ = (Index("ix_reported_score_task", "task"),)

    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(String(200))
    model: Mapped[str] = mapped_column(String(200))
    metric: Mapped[str] = mapped_column(String(100))
    value: Mapped[float]
    digits: Mapped[int]
    low: Mapped[float | None]
    high: Mapped[float | None]
    kind: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
