"""The record of a run that is under way: every batch as it comes, then its end. Only the loop writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session, defer

from harness.contract import Cost, Prediction, Prepared
from harness.efficiency.work import Observed, Tally, Work
from harness.errors import RunFailed
from harness.store.database import Database
from harness.store.payload import pack, pack_floats, sha256, unpack_predictions
from harness.store.schema import (
    AttemptRow,
    BlockRow,
    CostRow,
    DocumentTitleRow,
    LedgerRow,
    RunRow,
    ScoreColumnRow,
    ScoreRow,
    WorkRow,
    now,
)

if TYPE_CHECKING:
    from harness.contract import FloatArray


class RunIsBusy(RunFailed):
    """Another live process owns the run."""


@dataclass(frozen=True)
class StoredScore:
    """A metric's value and interval over n examples."""

    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    higher_is_better: bool
    description: str = ""


class Recorder:
    """The open record of one run that this process owns."""

    def __init__(self, database: Database, run_id: int, key: str, owner: str) -> None:
        self._database, self._run_id, self._owner = database, run_id, owner
        self.key = key
        self._attempt_id: int | None = None

    # --- progress -------------------------------------------------------------------------------------------------

    def stored(self) -> int:
        """Examples whose predictions are stored; batches are stored in order, so it is where to resume."""
        with self._database.reading() as session:
            count = session.scalar(select(func.sum(BlockRow.count)).where(BlockRow.run_id == self._run_id))
        return int(count or 0)

    def start_attempt(self, code_version: str, environment: dict[str, Any]) -> None:
        """Note that a worker starts, and with what."""
        with self._owned() as session:
            last = select(func.max(AttemptRow.number)).where(AttemptRow.run_id == self._run_id)
            number = (session.scalar(last) or 0) + 1
            attempt = AttemptRow(
                run_id=self._run_id,
                number=number,
                owner=self._owner,
                code_version=code_version,
                environment=environment,
            )
            session.add(attempt)
            session.flush()
            self._attempt_id = attempt.id

    def prepared(self, prepared: Prepared, cost: Cost) -> None:
        """Keep what `prepare` took and left."""
        with self._owned() as session:
            session.execute(
                update(AttemptRow)
                .where(AttemptRow.id == self._attempt_id)
                .values(
                    prepare_cpu_seconds=cost.cpu_seconds,
                    prepare_wall_seconds=cost.wall_seconds,
                    prepare_peak_rss_bytes=cost.peak_rss_bytes,
                    prepare_cached=cost.cached,
                    prepared=msgspec.msgpack.encode(prepared),
                )
            )

    def add_block(self, first: int, predictions: Sequence[Prediction], cost: Cost) -> None:
        """Store a batch; when this returns, no crash can lose it."""
        payload = pack(list(predictions))
        with self._owned() as session:
            session.add(
                BlockRow(
                    run_id=self._run_id,
                    first=first,
                    count=len(predictions),
                    payload=payload,
                    sha256=sha256(payload),
                    cpu_seconds=cost.cpu_seconds,
                    wall_seconds=cost.wall_seconds,
                    peak_rss_bytes=cost.peak_rss_bytes,
                    cached=cost.cached,
                    attempt_id=self._attempt_id,
                )
            )

    def beat(self) -> None:
        """Renew the lease. Raises `RunIsBusy` if another process took the run over."""
        with self._owned():
            pass

    def account(
        self,
        work: Work | None,
        observed: Observed | None,
        note: str,
        findings: Mapping[str, str | int | float] | None = None,
    ) -> None:
        """Keep what the model's work is, how long an example took, and what it found out, as far as they are known."""
        with self._owned() as session:
            _add_facts(session.get(AttemptRow, self._attempt_id), findings or {})
            row = session.get(WorkRow, self._run_id) or WorkRow(run_id=self._run_id)
            row.ledger_digest = _kept_ledger(session, work) if work else None
            row.preparing = pack(work.preparing if work else ())
            row.note = note
            if observed is not None:
                row.observed_n, row.observed_examples = len(observed.seconds), observed.examples
                row.observed_clock = observed.clock
                row.observed_min_seconds = min(observed.seconds)
                row.observed_median_seconds = median(observed.seconds)
                row.observed_max_seconds = max(observed.seconds)
            session.add(row)

    def predictions(self) -> dict[str, Prediction]:
        """All stored predictions by example id. Raises `StoreError` if a batch is damaged."""
        query = (
            select(BlockRow.payload, BlockRow.sha256).where(BlockRow.run_id == self._run_id).order_by(BlockRow.first)
        )
        with self._database.reading() as session:
            blocks = session.execute(query).all()
        return {p.id: p for payload, digest in blocks for p in unpack_predictions(payload, digest)}

    # --- ends -----------------------------------------------------------------------------------------------------

    def end_attempt(self, state: str, log: str, reason: str = "") -> None:
        """Close the worker's record with its log."""
        if self._attempt_id is None:
            return
        with self._owned() as session:
            session.execute(
                update(AttemptRow)
                .where(AttemptRow.id == self._attempt_id)
                .values(state=state, reason=reason, ended=now(), log=log.replace("\x00", ""))
            )
        self._attempt_id = None

    def stop(self, state: str, reason: str, next_step: str) -> None:
        """Leave the run unfinished (failed or interrupted); the same command resumes it."""
        with self._owned() as session:
            session.execute(
                update(RunRow)
                .where(RunRow.id == self._run_id)
                .values(state=state, reason=reason, next_step=next_step, owner="")
            )

    def finish(
        self,
        scores: Sequence[StoredScore],
        columns: Mapping[str, FloatArray],
        coverage: float,
        titles: Mapping[str, str],
        served: Sequence[Tally] = (),
        facts: Mapping[str, float] | None = None,
        observes_cost: bool = True,
    ) -> None:
        """Store the scores and what the run took, and call it done, all at once.

        `facts` are kept beside those that `prepare` reported.
        `observes_cost` is False for answers that were made elsewhere: what reading them took is not their cost.
        """
        with self._owned() as session:
            run = session.get_one(RunRow, self._run_id)
            for position, score in enumerate(scores):
                session.add(ScoreRow(run_id=run.id, position=position, **vars(score)))
            for name, values in columns.items():
                session.add(ScoreColumnRow(run_id=run.id, name=name, payload=pack_floats(values)))
            _add_titles(session, run.task_id, titles)
            attempt = _last_prepared(session, run.id)
            _add_index(run, attempt)
            run.prepared = {**(run.prepared or {}), **(facts or {})}
            if observes_cost:
                _add_costs(session, run, attempt)
            if (work := session.get(WorkRow, run.id)) is not None:
                work.served = pack(served)
            run.coverage, run.state, run.finished = coverage, "done", now()
            run.reason = run.next_step = run.owner = ""

    @contextmanager
    def _owned(self) -> Iterator[Session]:
        """A writing transaction that renews our lease. Raises `RunIsBusy` if the run is no longer ours."""
        renew = (
            update(RunRow)
            .where(RunRow.id == self._run_id, RunRow.owner == self._owner)
            .values(heartbeat=now(), state="running")
            .returning(RunRow.id)
        )
        with self._database.writing() as session:
            if session.scalar(renew) is None:
                raise RunIsBusy("another process took this run over", hint="`harness results` shows how it ends.")
            yield session


def _kept_ledger(session: Session, work: Work) -> str:
    """The digest under which the stages are stored."""
    digest = work.digest
    if session.get(LedgerRow, digest) is None:
        session.add(LedgerRow(digest=digest, payload=pack(work.stages)))
        session.flush()
    return digest


def _add_titles(session: Session, task_id: int, titles: Mapping[str, str]) -> None:
    known = set(session.scalars(select(DocumentTitleRow.document).where(DocumentTitleRow.task_id == task_id)))
    new = [
        {"task_id": task_id, "document": document, "title": title}
        for document, title in titles.items()
        if document not in known
    ]
    if new:  # a statement of its own: thousands of objects in the session would be slow
        session.execute(insert(DocumentTitleRow), new)


def _last_prepared(session: Session, run_id: int) -> AttemptRow | None:
    finished = AttemptRow.run_id == run_id, AttemptRow.prepared.is_not(None)
    return session.scalars(select(AttemptRow).where(*finished).order_by(AttemptRow.number.desc())).first()


def _add_facts(attempt: AttemptRow | None, findings: Mapping[str, str | int | float]) -> None:
    if findings and attempt is not None and attempt.prepared is not None:
        prepared = msgspec.msgpack.decode(attempt.prepared, type=Prepared)
        shown = msgspec.structs.replace(prepared, facts={**prepared.facts, **findings})
        attempt.prepared = msgspec.msgpack.encode(shown)


def _add_index(run: RunRow, attempt: AttemptRow | None) -> None:
    if attempt is not None and attempt.prepared is not None:
        prepared = msgspec.msgpack.decode(attempt.prepared, type=Prepared)
        run.prepared = dict(prepared.facts)
        run.index_ram_bytes, run.index_disk_bytes = prepared.index_ram_bytes, prepared.index_disk_bytes


def _add_costs(session: Session, run: RunRow, attempt: AttemptRow | None) -> None:
    """Charge the run for the work behind its stored predictions; attempts that were killed stay apart."""
    blocks = session.scalars(select(BlockRow).where(BlockRow.run_id == run.id).options(defer(BlockRow.payload))).all()
    phases = {
        "predict": Cost(
            cpu_seconds=sum(block.cpu_seconds for block in blocks),
            wall_seconds=sum(block.wall_seconds for block in blocks),
            peak_rss_bytes=max((block.peak_rss_bytes for block in blocks), default=0),
            cached=any(block.cached for block in blocks),
        )
    }
    if attempt is not None:
        phases["prepare"] = Cost(
            cpu_seconds=attempt.prepare_cpu_seconds or 0.0,
            wall_seconds=attempt.prepare_wall_seconds or 0.0,
            peak_rss_bytes=attempt.prepare_peak_rss_bytes or 0,
            cached=attempt.prepare_cached,
        )
    for phase, cost in phases.items():
        session.add(
            CostRow(
                run_id=run.id,
                phase=phase,
                basis="observed",
                hardware=run.environment["processor"],
                cpu_seconds=cost.cpu_seconds,
                wall_seconds=cost.wall_seconds,
                cached=cost.cached,
            )
        )
    run.peak_rss_bytes = max(cost.peak_rss_bytes for cost in phases.values())
