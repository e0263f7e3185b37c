"""Reading the examples of a run: what was asked, the gold answers, what the model said and how it scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from harness.contract import Prediction
from harness.errors import UnknownName
from harness.store.database import Database
from harness.store.payload import unpack, unpack_floats, unpack_predictions
from harness.store.read import run_id
from harness.store.schema import BlockRow, DocumentTitleRow, ExampleBlockRow, RunRow, ScoreColumnRow

if TYPE_CHECKING:
    from harness.contract import FloatArray

_NAMES_PER_QUERY = 1000  # SQLite may refuse more than 32,766 values in a statement


@dataclass(frozen=True)
class ExampleView:
    """One example of a run: what was asked, the gold answer and what the model said."""

    id: str
    text: str
    gold: Any
    prediction: Prediction | None


def example_scores(database: Database, key: str) -> tuple[list[str], dict[str, FloatArray]]:
    """The ids of a run's examples, and each statistic as an array aligned with them. Empty if the run is not done."""
    with database.reading() as session:
        run = run_id(session, key)
        columns = session.execute(
            select(ScoreColumnRow.name, ScoreColumnRow.payload)
            .where(ScoreColumnRow.run_id == run)
            .order_by(ScoreColumnRow.name)
        )
        unpacked = {name: unpack_floats(payload) for name, payload in columns}
        task_id, count = session.execute(select(RunRow.task_id, RunRow.examples).where(RunRow.id == run)).one()
        ids = [id for id, _, _ in islice(_previews(session, task_id), count)]
    return (ids, unpacked) if unpacked else ([], {})


def example_texts(database: Database, key: str) -> list[str]:
    """What a run was asked, shortened for display, aligned with the ids of `example_scores`."""
    with database.reading() as session:
        run = run_id(session, key)
        task_id, count = session.execute(select(RunRow.task_id, RunRow.examples).where(RunRow.id == run)).one()
        return [text for _, text, _ in islice(_previews(session, task_id), count)]


def example_gold(database: Database, key: str) -> list[Any]:
    """The answer keys of a run's examples, aligned with the ids of `example_scores`."""
    with database.reading() as session:
        run = run_id(session, key)
        task_id, count = session.execute(select(RunRow.task_id, RunRow.examples).where(RunRow.id == run)).one()
        return [gold for _, _, gold in islice(_previews(session, task_id), count)]


def example(database: Database, key: str, example_id: str) -> ExampleView:
    """One example of a run. Raises `UnknownName` if the task has no such example."""
    with database.reading() as session:
        run = run_id(session, key)
        task_id = session.scalar(select(RunRow.task_id).where(RunRow.id == run))
        known = []
        for index, (id, text, gold) in enumerate(_previews(session, task_id)):
            if id == example_id:
                return ExampleView(id, text, gold, _prediction(session, run, index, id))
            known.append(id)
        raise UnknownName("example", example_id, known)


def titles(database: Database, key: str, documents: Sequence[str]) -> dict[str, str]:
    """Those titles of the documents that are known: of documents that some run on this run's task ranked high."""
    query = (
        select(DocumentTitleRow.document, DocumentTitleRow.title)
        .join(RunRow, RunRow.task_id == DocumentTitleRow.task_id)
        .where(RunRow.key == key)
    )
    found: dict[str, str] = {}
    with database.reading() as session:
        for first in range(0, len(documents), _NAMES_PER_QUERY):
            wanted = DocumentTitleRow.document.in_(documents[first : first + _NAMES_PER_QUERY])
            found |= {row.document: row.title for row in session.execute(query.where(wanted))}
    return found


def _previews(session: Any, task_id: int | None) -> Iterator[Any]:
    """[id, text, gold] of each example of the task; a block is loaded when the one before it is used up."""
    query = select(ExampleBlockRow.payload).where(ExampleBlockRow.task_id == task_id).order_by(ExampleBlockRow.first)
    for payload in session.scalars(query.execution_options(yield_per=1)):
        yield from unpack(payload)


def _prediction(session: Any, run_id: int, index: int, example_id: str) -> Prediction | None:
    query = select(BlockRow.payload, BlockRow.sha256).where(
        BlockRow.run_id == run_id, BlockRow.first <= index, BlockRow.first + BlockRow.count > index
    )
    row = session.execute(query).first()
    if row is None:
        return None
    return next((p for p in unpack_predictions(row.payload, row.sha256) if p.id == example_id), None)
