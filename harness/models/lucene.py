"""Lucene through Pyserini: BM25, and impact search with learned sparse vectors.

With the default settings it is Pyserini's "flat" BM25, with fields title and text of weight 1 its "multifield": the
published SciFact figures of both come out to four digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from harness.config import LocalPath, ModelConfig
from harness.contract import Document, Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.search_work import candidate
from harness.efficiency.work import Stage, Work
from harness.errors import InputError, SubmissionError

if TYPE_CHECKING:
    from harness.retrieval.lucene_cache import Record
    from harness.retrieval.lucene_index import Kind, LuceneIndex

FieldName = Literal["title", "text"]
Weight = Annotated[float, Field(gt=0, le=1000)]

_BATCH_SIZE = 256
_DOCUMENTS_PER_REPORT = 1000
_BLANKS = "".join(map(chr, range(33)))
"""What Java's `String.trim` takes away."""
_LUCENE_NAMES: Mapping[FieldName, str] = {"text": "contents", "title": "title"}
"""Anserini's names of the fields."""


class LuceneConfig(ModelConfig):
    """BM25 by Lucene, over title and text in one field or apart; or, with vectors from files, impact search."""

    k1: float = Field(default=0.9, ge=0, le=100)
    """How slowly a repeated term stops adding to the score; 0 counts only whether it occurs."""
    b: float = Field(default=0.4, ge=0, le=1)
    """How much long documents are held back: 0 not at all, 1 in proportion to their length."""
    fields: Annotated[dict[FieldName, Weight], Field(min_length=1)] | None = None
    """Score `title` and `text` apart, each times its weight, and add up; without it they are joined to one text."""
    document_vectors: LocalPath | None = None
    """Learned sparse vectors, in place of BM25: file or folder of JSON lines, `{"id": …, "vector": {term: weight}}`."""
    query_vectors: LocalPath | None = None
    """The same for the queries, by their ids; those that the task does not ask are passed over."""
    vector_scale: float | None = Field(default=None, gt=0, le=1_000_000)
    """Document weights are multiplied by this and rounded, for Lucene keeps whole numbers; none: they are whole."""
    heap_megabytes: int = Field(default=1024, ge=64, le=1 << 20)
    """Java's heap. A quarter of it buffers documents while indexing; the index itself is mapped from disk."""

    @model_validator(mode="after")
    def _one_way_to_score(self) -> LuceneConfig:
        if (self.document_vectors is None) != (self.query_vectors is None):
            raise ValueError("expected document_vectors and query_vectors together")
        if self.document_vectors is None and self.vector_scale is not None:
            raise ValueError("expected vectors beside vector_scale")
        if self.document_vectors is not None and (self.k1, self.b, self.fields) != (0.9, 0.4, None):
            raise ValueError("expected no k1, b and fields beside vectors: they belong to BM25")
        return self

    def artifacts(self) -> dict[str, str]:
        """Content digests of the vectors. Raises `SubmissionError` if there are none in their place."""
        from harness.retrieval.lucene_vectors import vectors_digest

        paths = {"document_vectors": self.document_vectors, "query_vectors": self.query_vectors}
        return {name: vectors_digest(path) for name, path in paths.items() if path}


class Lucene:
    """Lucene's own search over an index on disk: BM25 over one field or two, or impacts."""

    kind: ClassVar[str] = "lucene"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = LuceneConfig

    def __init__(self, config: LuceneConfig, seed: int) -> None:
        self.offers: frozenset[str] = frozenset({"ranking"})
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._way: _Way = _Vectors(config) if config.document_vectors else _Texts(config)
        self._depth = 0
        self._index: LuceneIndex
        self._record: Record

    def prepare(self, resources: Resources) -> Prepared:
        """Find the index in the cache or build it, and open it. Starts Java in this process.

        Raises `InputError` if Pyserini or a suitable Java is missing, `SubmissionError` for vectors that do not fit
        the task, and `RunFailed` for what Lucene cannot do.
        """
        from harness.retrieval.lucene_cache import find_or_build
        from harness.retrieval.lucene_index import LuceneIndex, write_index
        from harness.retrieval.lucene_java import versions

        way, heap, corpus = self._way, self._config.heap_megabytes, resources.corpus
        packages = versions()
        identity = {"corpus": corpus.digest, "indexing": self.version, **way.identity(), **packages}

        def build(folder: Path) -> None:
            write_index(folder, way.documents(resources), way.indexed_fields, way.index_kind, heap)
            resources.progress(len(corpus), len(corpus), "documents")

        way.prepare(resources)
        stored = find_or_build(resources.cache, resources.scratch, identity, build)
        if stored.reused:
            resources.charge(stored.record.cost)
        self._depth = resources.request.depth
        self._index = LuceneIndex(stored.folder, way.fields, way.similarity, heap)
        self._record = stored.record
        held = self._index.statistics(way.indexed_fields)
        return Prepared(
            index_ram_bytes=self._index.ram_bytes,
            index_disk_bytes=stored.record.disk_bytes,
            facts={
                "documents": held.documents,
                "documents_left_out": len(corpus) - held.documents,
                "terms": held.terms,
                "average_length": held.terms / held.documents if held.documents else 0.0,
                **packages,
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank documents for each query, one after the other; a query without a vector is left out.

        Raises `InputError` for an example that is not text.
        """
        asked = ((example, self._way.terms(example, self._index)) for example in examples)
        return [self._answer(example, terms) for example, terms in asked if terms is not None]

    again = predict  # nothing is remembered from query to query

    def phases(self) -> Work:
        """The documents that a query scores, each by one posting at least: Lucene does not say how many it reads."""
        entry = self._record.bytes_of(".doc") / max(1, self._index.statistics(self._way.indexed_fields).postings)
        reading = Operation("posting", "scan", "float32", 1.0, 1.0, entry, 0.0)
        each = {"documents": Phase("documents", (reading, *candidate().operations))}
        return Work(
            (Stage("search", device="host", each=each, index_bytes=self._record.disk_bytes),),
            uncounted="indexing by Lucene",
        )

    def _answer(self, example: Example, terms: Mapping[str, float]) -> Prediction:
        found = self._index.search(terms, self._depth, example.candidates)
        usage = Usage(stage="search", documents=found.scored)
        return Prediction(example.id, Ranking(found.ids, found.scores), (usage,))


class _Way(Protocol):
    """What is indexed and how it is scored."""

    @property
    def index_kind(self) -> Kind: ...

    @property
    def indexed_fields(self) -> Sequence[str]: ...

    @property
    def fields(self) -> Mapping[str, float]:
        """Those that are searched, and their weights."""
        ...

    def identity(self) -> dict[str, str]:
        """What the index depends on beside corpus and versions."""
        ...

    def prepare(self, resources: Resources) -> None: ...

    def documents(self, resources: Resources) -> Iterator[tuple[str, Sequence[str]]]:
        """Each document's id and the texts of its fields."""
        ...

    def similarity(self) -> Any: ...

    def terms(self, example: Example, index: LuceneIndex) -> Mapping[str, float] | None: ...


class _Texts:
    """BM25 over what the documents say."""

    index_kind: Kind = "text"

    def __init__(self, config: LuceneConfig) -> None:
        self._config = config
        self._apart = config.fields is not None
        self.indexed_fields = ["contents", "title"] if self._apart else ["contents"]
        given = config.fields or {"text": 1.0}
        self.fields = {_LUCENE_NAMES[name]: given[name] for name in _LUCENE_NAMES if name in given}

    def identity(self) -> dict[str, str]:
        return {"fields": " ".join(self.indexed_fields)}

    def prepare(self, resources: Resources) -> None:
        return None

    def documents(self, resources: Resources) -> Iterator[tuple[str, Sequence[str]]]:
        """As Anserini has it: a document whose contents are blank is left out, even if it has a title of its own."""
        for document in _reported(resources):
            joined = f"{document.title}\n{document.text}"
            texts = [document.text, document.title] if self._apart else [joined]
            if texts[0].strip(_BLANKS):
                yield document.id, texts

    def similarity(self) -> Any:
        from harness.retrieval.lucene_index import bm25

        return bm25(self._config.k1, self._config.b)

    def terms(self, example: Example, index: LuceneIndex) -> Mapping[str, float]:
        if not isinstance(example.input, str):
            raise InputError(
                f"lucene searches for text, but example {example.id!r} is a {type(example.input).__name__}",
                hint="Run lucene on tasks whose queries are strings.",
            )
        return index.terms(example.input)


class _Vectors:
    """Impacts: the inner product of sparse vectors that are read from files."""

    index_kind: Kind = "impacts"

    def __init__(self, config: LuceneConfig) -> None:
        assert config.document_vectors and config.query_vectors
        self._documents, self._asked, self._scale = config.document_vectors, config.query_vectors, config.vector_scale
        self.indexed_fields, self.fields = ["contents"], {"contents": 1.0}
        self._queries: dict[str, Mapping[str, float]] = {}

    def identity(self) -> dict[str, str]:
        from harness.retrieval.lucene_vectors import vectors_digest

        return {"vectors": vectors_digest(self._documents), "scale": str(self._scale)}

    def prepare(self, resources: Resources) -> None:
        """Read the query vectors. Raises `SubmissionError` if they are of no query of the task."""
        from harness.retrieval.lucene_vectors import read_vectors

        asked = frozenset(resources.example_ids)
        for _, query in read_vectors(self._asked):
            if query.id in asked:
                self._queries[query.id] = {term: weight for term, weight in query.vector.items() if weight}
        if not self._queries:
            raise SubmissionError(
                f"{self._asked} has a vector for none of the task's {len(asked)} queries",
                hint="It may belong to another task or split.",
            )

    def documents(self, resources: Resources) -> Iterator[tuple[str, Sequence[str]]]:
        """In the order of the files; a document without a vector, or whose weights are all 0, is left out."""
        from harness.retrieval.lucene_index import impact_text
        from harness.retrieval.lucene_vectors import document_vectors

        ids = {document.id for document in _reported(resources)}
        for id, weights in document_vectors(self._documents, ids, self._scale):
            if weights:
                yield id, (impact_text(weights),)

    def similarity(self) -> Any:
        from harness.retrieval.lucene_index import impact

        return impact()

    def terms(self, example: Example, index: LuceneIndex) -> Mapping[str, float] | None:
        return self._queries.get(example.id)


def _reported(resources: Resources) -> Iterator[Document]:
    """The corpus, with progress told on the way."""
    for done, document in enumerate(resources.corpus):
        if done % _DOCUMENTS_PER_REPORT == 0:
            resources.progress(done, len(resources.corpus), "documents")
        yield document
