"""Scores that were made elsewhere: storing published tables and results files, and reading them for whoever shows them.

A database in which a table was not loaded shows the one that ships, so that nothing has to be loaded to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.orm import Session

from harness.errors import InputError
from harness.reference.published import ReportedScore, Table, shipped, tables
from harness.store.database import Database
from harness.store.schema import ReportedScoreRow, ReportRow

Loaded = Literal["loaded", "replaced", "unchanged"]
_FIELDS = ("task", "model", "metric", "value", "digits", "low", "high", "kind", "note", "source")


def load(database: Database, published: Iterable[Table]) -> dict[str, Loaded]:
    """Store published tables. One that is stored as it is stays; a changed one takes the place of its own scores."""
    done: dict[str, Loaded] = {}
    with database.writing() as session:
        for table in published:
            stored = session.scalars(
                select(ReportRow).where(ReportRow.name == table.name, ReportRow.verification == "published")
            ).all()
            if [report.digest for report in stored] == [table.digest]:
                done[table.name] = "unchanged"
                continue
            _remove(session, stored)
            _add(session, table.name, table.digest, table.scores)
            done[table.name] = "replaced" if stored else "loaded"
    return done


def add(database: Database, file: str, scores: Sequence[ReportedScore], *, replace: bool) -> None:
    """Store the self-reported scores of one file: of one model on one task.

    Raises `InputError` if this file, or another one of this model on this task, is stored already; with `replace`
    the new scores take its place.
    """
    first = scores[0]
    with database.writing() as session:
        same_file = select(ReportRow).where(ReportRow.digest == first.digest)
        of_model = select(ReportedScoreRow.report_id).where(
            ReportedScoreRow.model == first.model, ReportedScoreRow.task == first.task
        )
        same_model = select(ReportRow).where(ReportRow.id.in_(of_model), ReportRow.verification == "self-reported")
        stored = [*session.scalars(same_file), *session.scalars(same_model)]
        if stored and not replace:
            scored = session.scalars(select(ReportedScoreRow).where(ReportedScoreRow.report_id == stored[0].id)).first()
            of = f" as {scored.model!r} on {scored.task}" if scored else ""
            raise InputError(
                f"{stored[0].name} was imported already{of}, on {stored[0].created:%Y-%m-%d}",
                hint="--replace puts this file in its place.",
            )
        _remove(session, stored)
        _add(session, file, first.digest, scores)


def reported(database: Database, task: str | None = None) -> list[ReportedScore]:
    """Published and self-reported scores, of one task if `task` names it, in the order of their sources."""
    columns = (getattr(ReportedScoreRow, name) for name in _FIELDS)
    query = (
        select(ReportRow.digest, ReportRow.verification, *columns)
        .join(ReportedScoreRow, ReportedScoreRow.report_id == ReportRow.id)
        .order_by(ReportRow.verification, ReportRow.name, ReportRow.id, ReportedScoreRow.position)
    )
    if task is not None:
        query = query.where(ReportedScoreRow.task == task)
    with database.reading() as session:
        loaded = set(session.scalars(select(ReportRow.name).where(ReportRow.verification == "published")))
        stored = [_score(row) for row in session.execute(query).mappings()]
    if task is not None:
        return [*shipped(task, but=loaded), *stored]
    return [*(s for table in tables().values() if table.name not in loaded for s in table.scores), *stored]


def _score(row: RowMapping) -> ReportedScore:
    score = dict(row)
    if score["verification"] == "published":
        score["digest"] = ""  # of a table, not of a file that somebody sent
    return ReportedScore(**score)


def self_reported_tasks(database: Database) -> list[str]:
    """The tasks that somebody sent scores of."""
    query = select(ReportedScoreRow.task).join(ReportRow).where(ReportRow.verification == "self-reported").distinct()
    with database.reading() as session:
        return sorted(session.scalars(query))


def _remove(session: Session, reports: Iterable[ReportRow]) -> None:
    ids = {report.id for report in reports}
    session.execute(delete(ReportedScoreRow).where(ReportedScoreRow.report_id.in_(ids)))
    session.execute(delete(ReportRow).where(ReportRow.id.in_(ids)))


def _add(session: Session, name: str, digest: str, scores: Sequence[ReportedScore]) -> None:
    report = ReportRow(name=name, verification=scores[0].verification, digest=digest)
    session.add(report)
    session.flush()
    session.execute(
        insert(ReportedScoreRow),
        [
            {"report_id": report.id, "position": position, **{name: getattr(score, name) for name in _FIELDS}}
            for position, score in enumerate(scores)
        ],
    )
