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
from harness.store.payload import unpack, unpack_floats, unpack_predictions, unpacked_bytes
from harness.store.read import run_id
from harness.store.schema import BlockRow, DocumentTitleRow, ExampleBlockRow, RunRow, ScoreColumnRow

if TYPE_CHECKING:
    from harness.contract import FloatArray

_NAMES_PER_QUERY = 1000  # SQLite may refuse more than 32,766 values in a statement
_MOST_NAMED = 10_000


@dataclass(frozen=True)
class ExampleView:
    """One example of a run: what was asked, the gold answer and what the model said."""

    id: str
    text: str
    gold: Any
    prediction: Prediction | None


def example_scores(database: Database, key: str) -> tuple[list[str], dict[str, FloatArray]]:
    """The ids of a run's examples, and each statistic as an array aligned with them. Empty if the run is not done."""
    unpacked = example_columns(database, key)
    with database.reading() as session:
        task_id, count = _asked(session, key)
        ids = [id for id, _, _ in islice(_previews(session, task_id), count)]
    return (ids, unpacked) if unpacked else ([], {})


def example_columns(database: Database, key: str) -> dict[str, FloatArray]:
    """Each statistic of a run's examples, by name, in the order of the task. Empty if the run is not done."""
    with database.reading() as session:
        columns = session.execute(
            select(ScoreColumnRow.name, ScoreColumnRow.payload)
            .where(ScoreColumnRow.run_id == run_id(session, key))
            .order_by(ScoreColumnRow.name)
        )
        return {name: unpack_floats(payload) for name, payload in columns}


def example_questions(database: Database, key: str, places: Sequence[int]) -> list[tuple[str, str]]:
    """The id of the examples at these places and what they ask, shortened; reads the blocks that they are in alone."""
    found: dict[int, tuple[str, str]] = {}
    wanted = set(places)
    with database.reading() as session:
        task_id, _ = _asked(session, key)
        starts = session.execute(
            select(ExampleBlockRow.first, ExampleBlockRow.count).where(ExampleBlockRow.task_id == task_id)
        )
        needed = [first for first, count in starts if not wanted.isdisjoint(range(first, first + count))]
        for first, payload in _blocks(session, task_id, needed):
            for place, (id, text, _) in enumerate(unpack(payload), start=first):
                if place in wanted:
                    found[place] = id, text
    return [found[place] for place in places]


def examples_with(database: Database, key: str, words: str) -> list[int]:
    """The places of a run's examples whose id or question has these words in it, in capitals or not."""
    sought = words.lower()
    with database.reading() as session:
        task_id, count = _asked(session, key)
        return [
            place
            for first, previews in _blocks_with(session, task_id, words)
            for place, (id, text, _) in enumerate(previews, start=first)
            if place < count and (sought in id.lower() or sought in text.lower())
        ]


def example_texts(database: Database, key: str) -> list[str]:
    """What a run was asked, shortened for display, aligned with the ids of `example_scores`."""
    with database.reading() as session:
        task_id, count = _asked(session, key)
        return [text for _, text, _ in islice(_previews(session, task_id), count)]


def example_gold(database: Database, key: str) -> list[Any]:
    """The answer keys of a run's examples, aligned with the ids of `example_scores`."""
    with database.reading() as session:
        task_id, count = _asked(session, key)
        return [gold for _, _, gold in islice(_previews(session, task_id), count)]


def example(database: Database, key: str, example_id: str) -> ExampleView:
    """One example of a run. Raises `UnknownName` if the task has no such example."""
    with database.reading() as session:
        run = run_id(session, key)
        task_id = session.scalar(select(RunRow.task_id).where(RunRow.id == run))
        for first, previews in _blocks_with(session, task_id, example_id):
            for index, (id, text, gold) in enumerate(previews, start=first):
                if id == example_id:
                    return ExampleView(id, text, gold, _prediction(session, run, index, id))
        raise UnknownName("example", example_id, [id for id, _, _ in islice(_previews(session, task_id), _MOST_NAMED)])


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


def _asked(session: Any, key: str) -> tuple[int, int]:
    """The task's row, and how many of its examples a run was asked. Raises `UnknownName` for an unknown run."""
    run = select(RunRow.task_id, RunRow.examples).where(RunRow.id == run_id(session, key))
    task_id, count = session.execute(run).one()
    return task_id, count


def _previews(session: Any, task_id: int | None) -> Iterator[Any]:
    """[id, text, gold] of each example of the task; a block is loaded when the one before it is used up."""
    for _, payload in _blocks(session, task_id):
        yield from unpack(payload)


def _blocks(session: Any, task_id: int | None, starts: Sequence[int] | None = None) -> Iterator[tuple[int, bytes]]:
    """First place and packed previews of each block, or of those that start at these places."""
    query = select(ExampleBlockRow.first, ExampleBlockRow.payload).where(ExampleBlockRow.task_id == task_id)
    query = query.order_by(ExampleBlockRow.first).execution_options(yield_per=1)
    if starts is None:
        yield from session.execute(query)
        return
    for at in range(0, len(starts), _NAMES_PER_QUERY):
        yield from session.execute(query.where(ExampleBlockRow.first.in_(starts[at : at + _NAMES_PER_QUERY])))


def _blocks_with(session: Any, task_id: int | None, words: str) -> Iterator[tuple[int, Any]]:
    """First place and previews of the blocks that may have these words in them.

    Looking for bytes is many times as fast as unpacking a million examples; what is not ASCII has other cases.
    """
    sought = words.lower().encode() if words.isascii() else b""
    for first, payload in _blocks(session, task_id):
        raw = unpacked_bytes(payload)
        if sought in raw.lower():
            yield first, unpack(payload)


def _prediction(session: Any, run_id: int, index: int, example_id: str) -> Prediction | None:
    query = select(BlockRow.payload, BlockRow.sha256).where(
        BlockRow.run_id == run_id, BlockRow.first <= index, BlockRow.first + BlockRow.count > index
    )
    row = session.execute(query).first()
    if row is None:
        return None
    return next((p for p in unpack_predictions(row.payload, row.sha256) if p.id == example_id), None)
