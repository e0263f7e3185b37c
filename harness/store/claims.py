"""Claiming a run: one live owner at a time, and a dead owner's work is taken over at once."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import psutil
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from harness.contract import ByteSequence, Example, Prompt, TaskCard, Workload
from harness.errors import InputError, UnknownName
from harness.store.database import Database
from harness.store.payload import pack
from harness.store.recorder import Recorder, RunIsBusy
from harness.store.schema import AttemptRow, BlockRow, ExampleBlockRow, RunRow, SubmissionRow, TaskRow, WorkRow, now
from harness.submission import Submission

LEASE = timedelta(seconds=60)
"""A run of another machine whose heartbeat is older than this has lost its owner."""
_PREVIEW_CHARACTERS = 500
_PREVIEWS_PER_BLOCK = 1000


@dataclass(frozen=True)
class Claim:
    """A run to work on, or one that is done already."""

    recorder: Recorder
    done: bool


def claim(
    database: Database,
    submission: Submission,
    card: TaskCard,
    workload: Workload,
    *,
    seed: int,
    limit: int,
    rerun: bool,
    provenance: tuple[str, dict[str, Any]],
) -> Claim:
    """Find or make the run of (submission, task, seed, limit) and own it. `limit` 0 is all examples.

    Raises `RunIsBusy` if another live process owns it.
    """
    owner = _our_name()
    limit = limit if limit < len(workload.examples) else 0  # all of them is no limit
    with database.writing() as session:
        submission_id = _submission_id(session, submission)
        task_id = _task_id(session, card, workload)
        same = (
            RunRow.submission_id == submission_id,
            RunRow.task_id == task_id,
            RunRow.seed == seed,
            RunRow.example_limit == limit,
        )
        run = session.scalars(select(RunRow).where(*same).order_by(RunRow.repeat.desc())).first()
        if run is not None and run.state == "done" and not rerun:
            return Claim(Recorder(database, run.id, run.key, owner), done=True)
        if run is None or run.state == "done":
            run = RunRow(
                key=uuid.uuid4().hex[:12],
                submission_id=submission_id,
                task_id=task_id,
                seed=seed,
                example_limit=limit,
                repeat=0 if run is None else run.repeat + 1,
                examples=limit or len(workload.examples),
                prepared={},
            )
            session.add(run)
        elif run.owner and _is_alive(run):
            raise RunIsBusy(
                f"process {run.owner.split('/')[1]} on {run.owner.split('/')[0]} is at work on it",
                hint="Wait for it, or end it and run the same command: it resumes.",
            )
        run.code_version, run.environment = provenance
        run.verification = "recomputed" if submission.observes_cost else "rescored"
        run.state, run.owner, run.heartbeat = "running", owner, now()
        run.reason = run.next_step = ""
        session.flush()
        _bury_dead_attempts(session, run.id)
        return Claim(Recorder(database, run.id, run.key, owner), done=False)


def forget(database: Database, key: str) -> None:
    """Remove a run that is not done, with its attempts and predictions.

    Raises `UnknownName` if there is none, `InputError` if it is done or a live process owns it.
    """
    with database.writing() as session:
        run = session.scalars(select(RunRow).where(RunRow.key == key)).first()
        if run is None:
            raise UnknownName("run", key, session.scalars(select(RunRow.key)))
        if run.state == "done":
            raise InputError(f"run {key} is done; finished work is never removed")
        if _is_alive(run):
            raise InputError(f"run {key} is at work", hint="Stop it first.")
        for table in (BlockRow, AttemptRow, WorkRow):
            session.execute(delete(table).where(table.run_id == run.id))
        session.delete(run)


def expire_lost_runs(database: Database) -> None:
    """Mark runs whose owner is gone as expired, so that nothing looks like running for ever."""
    with database.reading() as session:
        running = session.scalars(select(RunRow).where(RunRow.state == "running"))
        lost = [run.owner for run in running if not _is_alive(run)]
    if not lost:
        return
    with database.writing() as session:
        session.execute(
            update(RunRow)
            .where(RunRow.owner.in_(lost), RunRow.state == "running")  # not one that was claimed meanwhile
            .values(
                state="expired",
                reason="its process ended without a word (killed, or the machine went down)",
                next_step="Run the same command: it resumes.",
                owner="",
            )
        )


def _submission_id(session: Session, submission: Submission) -> int:
    row = session.scalars(select(SubmissionRow).where(SubmissionRow.digest == submission.digest)).first()
    if row is None:
        row = SubmissionRow(digest=submission.digest, name=submission.name, kind=submission.kind)
        session.add(row)
    row.config = dict(submission.normalised)
    row.runs_code, row.floor = submission.runs_code, submission.floor
    row.description, row.url, row.licence = submission.description, submission.url, submission.licence
    session.flush()
    return row.id


def _task_id(session: Session, card: TaskCard, workload: Workload) -> int:
    same = TaskRow.name == card.name, TaskRow.protocol == card.protocol, TaskRow.digest == workload.digest
    row = session.scalars(select(TaskRow).where(*same)).first()
    if row is not None:
        return row.id
    row = TaskRow(
        name=card.name,
        family=card.family,
        protocol=card.protocol,
        digest=workload.digest,
        primary_metric=card.primary_metric,
        generated=card.generated,
        description=card.description,
        licence=card.licence,
        citation=card.citation,
        url=card.url,
        facts=dict(workload.facts),
        marks=list(card.marks),
        lines=[asdict(line) for line in workload.lines],
        audit={title: [dict(row) for row in rows] for title, rows in workload.audit.items()},
        examples=len(workload.examples),
    )
    session.add(row)
    session.flush()
    for first in range(0, len(workload.examples), _PREVIEWS_PER_BLOCK):
        block = workload.examples[first : first + _PREVIEWS_PER_BLOCK]
        previews = [[example.id, _preview(example), workload.scorer.gold(example.id)] for example in block]
        session.add(ExampleBlockRow(task_id=row.id, first=first, count=len(block), payload=pack(previews)))
    return row.id


def _preview(example: Example) -> str:
    match example.input:
        case str(text):
            return text[:_PREVIEW_CHARACTERS]
        case Prompt(text, images):
            return _ends(text) + "".join(f"\n[image {image.sha256[:12]}]" for image in images)
        case ByteSequence(data):
            return _symbols(data)
        case values:
            return ", ".join(map(str, values))[:_PREVIEW_CHARACTERS]


def _symbols(data: bytes) -> str:
    """A sequence as text if it is one, else the numbers of its first symbols: grey levels, say."""
    text = data[:_PREVIEW_CHARACTERS].decode("utf-8", "replace")
    if all(character.isprintable() or character.isspace() for character in text):
        return text
    return " ".join(map(str, data[:_PREVIEW_CHARACTERS]))[:_PREVIEW_CHARACTERS]


def _ends(text: str) -> str:
    """A long prompt without its middle: the question stands at the end of a context."""
    cut = len(text) - _PREVIEW_CHARACTERS
    half = _PREVIEW_CHARACTERS // 2
    return text if cut <= 0 else f"{text[:half]}\n[… {cut:,} more characters …]\n{text[-half:]}"


def _bury_dead_attempts(session: Session, run_id: int) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.run_id == run_id, AttemptRow.state == "running")
        .values(state="killed", reason="its process ended without a word", ended=now())
    )


def _our_name() -> str:
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}/{os.getpid()}/{started:.2f}/{uuid.uuid4().hex[:8]}"


def _is_alive(run: RunRow) -> bool:
    """Whether the run's owner can still write to it: asked of this machine's processes, else by its heartbeat."""
    if not run.owner:
        return False
    host, pid, started, _ = run.owner.split("/")
    if host == socket.gethostname():
        try:
            process = psutil.Process(int(pid))
            # A zombie is dead, but stays until its parent asks, which in a container may be never.
            return abs(process.create_time() - float(started)) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
    return run.heartbeat is not None and now() - run.heartbeat < LEASE
