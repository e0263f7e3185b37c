"""Embeddings made elsewhere, searched and scored here: a matrix for the documents and one for the queries.

The files may have been made by anyone: nothing is unpickled, and every complaint names the file and the id or line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.config import LocalPath, ModelConfig
from harness.contract import Corpus, Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.errors import SubmissionError

if TYPE_CHECKING:
    from harness.retrieval.order import Float32
    from harness.retrieval.vector_file import VectorFile

_BATCH_SIZE = 1024


class EmbeddingsConfig(ModelConfig):
    """Two matrices of embeddings, and the ids of their rows."""

    documents: LocalPath
    """Vectors of the documents [documents, dimensions]: `.npy`, or safetensors (the only tensor, or one called
    `documents`). float16, float32 or float64."""
    document_ids: LocalPath
    """Text file: the n-th line is the id of the n-th row. All documents of the corpus, in any order."""
    queries: LocalPath
    """Vectors of the queries [queries, dimensions], likewise (`queries`)."""
    query_ids: LocalPath
    """Text file: the n-th line is the id of the n-th row."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """What ranks the documents."""
    ignore_unknown_queries: bool = False
    """Pass over queries that the task does not ask, for files that cover other splits too."""

    def artifacts(self) -> dict[str, str]:
        """The files' sha256."""
        return {name: _digest(getattr(self, name)) for name in ("documents", "document_ids", "queries", "query_ids")}


class Embeddings:
    """Exact search over embeddings from a file; a query without a vector is left out, so it lowers coverage."""

    kind: ClassVar[str] = "embeddings"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    observes_cost: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = EmbeddingsConfig
    offers = frozenset({"ranking"})
    uncounted: ClassVar[str] = "the vectors were made elsewhere, and searching them is the least of what they cost"

    def __init__(self, config: EmbeddingsConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config

    def prepare(self, resources: Resources) -> Prepared:
        """Read the ids, map the matrices, and look at every vector once.

        Raises `SubmissionError`, with file and id or line, for what is malformed, repeated, unknown to the task or
        not finite, for matrices that do not fit each other, and for a corpus that is not covered.
        """
        from harness.retrieval.encoded_corpus import Places
        from harness.retrieval.order import TieOrder

        self._documents = self._vectors("documents", self._config.documents, self._config.document_ids)
        self._queries = self._vectors("queries", self._config.queries, self._config.query_ids)
        if self._documents.dimensions != self._queries.dimensions:
            raise SubmissionError(
                f"{self._documents.path} has {self._documents.dimensions} dimensions, and {self._queries.path} "
                f"{self._queries.dimensions}",
                hint="Documents and queries need vectors of the same space.",
            )
        self._check_covers(resources.corpus)
        ignored = self._find_queries(frozenset(resources.example_ids))
        zeros = self._count_zeros(resources)
        self._order, self._places = TieOrder.of(self._documents.ids), Places(self._documents.ids)
        self._depth = resources.request.depth
        facts = {"dimensions": self._documents.dimensions, "zero_vectors": zeros, "ignored_queries": ignored}
        return Prepared(facts={**facts, "answers": len(self._rows)})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank the documents, or an example's candidates, for those examples that have a vector."""
        answerable = [example for example in examples if example.id in self._rows]
        everywhere = [example.id for example in answerable if example.candidates is None]
        among = [self._among(e.id, e.candidates) for e in answerable if e.candidates is not None]
        return [*self._searched(everywhere), *among]

    def _searched(self, asked: Sequence[str]) -> list[Prediction]:
        """Rankings of all documents, in one pass over the corpus."""
        import numpy as np

        from harness.retrieval.exact_search import search

        if not asked:
            return []
        queries = np.concatenate([self._query(id) for id in asked])
        hits = search(queries, self._documents.chunks(), self._depth, self._order)
        found = zip(asked, hits.documents.tolist(), hits.scores.tolist(), strict=True)
        return [self._answer(id, places, scores, len(self._documents.ids)) for id, places, scores in found]

    def _among(self, id: str, candidates: Sequence[str]) -> Prediction:
        """A ranking of the candidates that the corpus has."""
        import numpy as np

        from harness.retrieval.exact_search import search_among

        places = self._places.of(candidates)
        found = [self._documents.rows(place, place + 1) for place in places]
        vectors = np.concatenate(found) if found else np.empty((0, self._documents.dimensions), np.float32)
        hits = search_among(self._query(id)[0], vectors, places, self._depth, self._order)
        return self._answer(id, hits.documents.tolist(), hits.scores.tolist(), len(places))

    def _query(self, id: str) -> Float32:
        row = self._rows[id]
        return self._queries.rows(row, row + 1)

    def _answer(self, id: str, places: Sequence[int], scores: Sequence[float], scored: int) -> Prediction:
        ranking = Ranking([self._documents.ids[place] for place in places], list(scores))
        return Prediction(id, ranking, (Usage(stage="search", documents=scored),))

    def _vectors(self, tensor: str, path: Path, ids_path: Path) -> VectorFile:
        from harness.retrieval.vector_file import open_vectors, read_ids

        return open_vectors(path, tensor, read_ids(ids_path), ids_path, unit=self._config.similarity == "cosine")

    def _check_covers(self, corpus: Corpus) -> None:
        """A corpus without its hard documents would be an easier one."""
        path = self._config.document_ids
        missing = dict.fromkeys(document.id for document in corpus)
        for line, id in enumerate(self._documents.ids, start=1):
            if id not in missing:
                raise SubmissionError(
                    f"{path}, line {line}: document {id!r} is not in the task's corpus",
                    hint="The vectors may be of another data set, or of another version of this one.",
                )
            del missing[id]
        if missing:
            raise SubmissionError(
                f"{path}: {len(missing):,} of the corpus's {len(corpus):,} documents have no vector, the first of them "
                f"{next(iter(missing))!r}",
                hint="Every document needs one.",
            )

    def _find_queries(self, asked: frozenset[str]) -> int:
        """Note the rows of the queries that the task asks; returns how many others there are."""
        path = self._config.query_ids
        self._rows = {id: row for row, id in enumerate(self._queries.ids) if id in asked}
        unknown = len(self._queries.ids) - len(self._rows)
        if not self._rows:
            raise SubmissionError(
                f"{path} has none of the task's {len(asked):,} queries",
                hint="It may belong to another task or split.",
            )
        if unknown and not self._config.ignore_unknown_queries:
            line, id = next((line, id) for line, id in enumerate(self._queries.ids, start=1) if id not in asked)
            raise SubmissionError(
                f"{path}, line {line}: the task does not ask query {id!r}",
                hint="Set `ignore_unknown_queries: true` if the file covers more than this split or --limit.",
            )
        return unknown

    def _count_zeros(self, resources: Resources) -> int:
        """Read every vector, so that a bad one is found before the first answer; returns the documents' zeros."""
        for _ in self._queries.chunks():
            pass
        done = zeros = 0
        for chunk in self._documents.chunks():
            done, zeros = done + len(chunk), zeros + int((~chunk.any(axis=1)).sum())
            resources.progress(done, len(self._documents.ids), "documents")
        return zeros


def _digest(path: Path) -> str:
    if not path.is_file():
        raise SubmissionError(
            f"there is no file {path}", hint="Paths are relative to the folder of the submission file."
        )
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SubmissionError(f"cannot read {path}: {error.strerror}") from error
