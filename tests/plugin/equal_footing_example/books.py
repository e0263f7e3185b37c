"""Retrieval: find the book from a phrase, by counting shared words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.config import ModelConfig
from harness.contract import (
    Corpus,
    DataStatus,
    Document,
    Example,
    Inputs,
    Places,
    Prediction,
    Ranking,
    Request,
    Resources,
    TaskCard,
    Usage,
    Workload,
)
from harness.errors import InputError
from harness.metrics.ranking import RankingScorer

_BOOKS = {
    "emma": ("Emma", "a young woman makes matches and mistakes in a village"),
    "moby": ("Moby-Dick", "a captain hunts a white whale over the seas"),
    "walden": ("Walden", "a man lives alone in the woods beside a pond"),
    "dracula": ("Dracula", "letters about a count who drinks blood in a castle"),
    "alice": ("Alice", "a girl follows a rabbit into a land of wonders"),
}
_QUERIES = {"q1": ("the white whale", "moby"), "q2": ("alone in the woods", "walden"), "q3": ("a count", "dracula")}


class Books:
    """Five books, three questions."""

    card = TaskCard(
        name="books/five",
        family="books",
        protocol="books-1",
        primary_metric="nDCG@10",
        needs=frozenset({"ranking"}),
        description="Find the book from a phrase.",
        generated=True,
    )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "in the plug-in")

    def load(self, places: Places) -> Workload:
        path = places.cache / "books.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        documents = [Document(id, text, title) for id, (title, text) in _BOOKS.items()]
        path.write_bytes(b"".join(msgspec.json.encode(document) + b"\n" for document in documents))
        qrels = {query: {book: 1} for query, (_, book) in _QUERIES.items()}
        return Workload(
            inputs=Inputs(request=Request(depth=6), corpus=Corpus(str(path), len(documents), "books-v1")),
            examples=[Example(query, text) for query, (text, _) in _QUERIES.items()],
            scorer=RankingScorer(qrels, frozenset(_BOOKS), depth=5),
            digest="books-v1",
            document_titles=lambda ids: {id: _BOOKS[id][0] for id in ids},
        )


class BooksFamily:
    name = "books"

    def tasks(self) -> Sequence[Books]:
        return [Books()]

    def open(self, path: Path) -> Books:
        raise InputError("books come with the plug-in; there is nothing to open")


FAMILY = BooksFamily()


class Overlap:
    """Ranks by the share of the query's words that a document has."""

    kind, version, runs_code, Config = "overlap", "1", False, ModelConfig
    offers = frozenset({"ranking"})

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 1

    def prepare(self, resources: Resources) -> None:
        self._words = {d.id: set(f"{d.title} {d.text}".lower().split()) for d in resources.corpus}

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(e.id, self._rank(str(e.input)), (Usage(documents=len(self._words)),)) for e in examples]

    def _rank(self, query: str) -> Ranking:
        asked = set(query.lower().split())
        scores = {id: len(asked & words) / len(asked) for id, words in self._words.items()}
        best = sorted(scores, key=lambda id: (scores[id], id), reverse=True)
        return Ranking(best, [scores[id] for id in best])
