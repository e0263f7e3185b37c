"""BM25 over an inverted index, with Lucene's analysis: the baseline of every retriever.

With the default settings it is Anserini's "flat" BM25, with fields title and text of weight 1 its "multifield": the
published SciFact figures of both come out to four digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Corpus, Example, Prediction, Prepared, Progress, Ranking, Resources, Usage
from harness.efficiency.search_work import indexing, posting, query, query_terms
from harness.efficiency.work import Stage, Tally, Work
from harness.errors import InputError
from harness.retrieval.analysis import Analyzer, StemmerName, StopListName, TokenizerName

if TYPE_CHECKING:
    from harness.retrieval.bm25_index import Bm25Index
    from harness.retrieval.corpus_postings import Ints
    from harness.retrieval.term_search import Hits

FieldName = Literal["title", "text"]
Weight = Annotated[float, Field(gt=0, le=1000)]

_BATCH_SIZE = 256
_DOCUMENTS_PER_REPORT = 1000
_BLANKS = "".join(map(chr, range(ord(" ") + 1)))
"""What Java's `trim` takes off."""


class Bm25Config(ModelConfig):
    """Okapi BM25 as Lucene computes it, over title and text in one field or apart."""

    k1: float = Field(default=0.9, ge=0, le=100)
    """How slowly a repeated term stops adding to the score; 0 counts only whether it occurs."""
    b: float = Field(default=0.4, ge=0, le=1)
    """How much long documents are held back: 0 not at all, 1 in proportion to their length."""
    tokenizer: TokenizerName = "lucene"
    """`lucene`: words by Unicode's rules (UAX 29), without possessive 's. `words`: runs of letters and digits.
    `identifiers`: names of program code in their parts, at underscores, digits and capitals."""
    stopwords: StopListName = "lucene"
    """`lucene`: its 33 English stop words. `none`: every word counts."""
    stemmer: StemmerName = "porter"
    """`porter` as Lucene has it, `english` (Snowball, also known as Porter 2), or `none`."""
    lucene_norms: bool = True
    """Round document lengths as Lucene's one-byte norms do; off, lengths are exact."""
    fields: Annotated[dict[FieldName, Weight], Field(min_length=1)] | None = None
    """Score `title` and `text` apart, each times its weight, and add up; as in Anserini, a document without text is
    then left out. Not given: they are one text."""

    def weights(self) -> dict[FieldName, float]:
        """Weight of each field that is scored apart, always in the same order; empty if there is only one text."""
        given = self.fields or {}
        return {name: given[name] for name in ("title", "text") if name in given}


class Bm25:
    """Indexes the corpus in memory and ranks by BM25; a query term that occurs twice counts twice."""

    kind: ClassVar[str] = "bm25"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = Bm25Config

    def __init__(self, config: Bm25Config, seed: int) -> None:
        self.offers: frozenset[str] = frozenset({"ranking"})
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._index: Bm25Index
        self._depth = 0
        self._positions: dict[str, int] | None = None

    def prepare(self, resources: Resources) -> Prepared:
        """Index title and text of every document."""
        from harness.retrieval.bm25_index import Bm25Index

        config, weights = self._config, self._config.weights()
        self._depth = resources.request.depth
        self._index = Bm25Index.build(
            _texts(resources.corpus, list(weights), resources.progress),
            Analyzer(config.tokenizer, config.stopwords, config.stemmer),
            k1=config.k1,
            b=config.b,
            lucene_norms=config.lucene_norms,
            weights=list(weights.values()) or [1.0],
        )
        return Prepared(
            index_ram_bytes=self._index.nbytes,
            facts={
                "documents": len(self._index.ids),
                "terms": self._index.term_count,
                "distinct_terms": len(self._index.vocabulary),
                "average_length": self._index.average_length,
                **{f"{name}_terms": field.term_count for name, field in zip(weights, self._index.fields, strict=False)},
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank documents for each query. Raises `InputError` for an example that is not text."""
        return [self._answer(example) for example in examples]

    again = predict  # nothing is remembered from query to query

    def phases(self) -> Work:
        """The terms of a query, the postings that it visits, and the choice of the best; before that, the index."""
        index = self._index
        search = Stage(
            "search",
            device="host",
            once=query(len(index.ids), self._depth),
            each={"postings": posting()},
            prompt=((1, query_terms(1)), (2, query_terms(2))),
            index_bytes=index.nbytes,
        )
        built = indexing(index.term_count, index.posting_count, index.analysed)
        return Work((search, Stage("index", device="host", once=built)), (Tally("index", 1),))

    def _answer(self, example: Example) -> Prediction:
        if not isinstance(example.input, str):
            raise InputError(
                f"bm25 searches for text, but example {example.id!r} is a {type(example.input).__name__}",
                hint="Run bm25 on tasks whose queries are strings.",
            )
        terms = self._index.analyzer.terms(example.input)
        hits = self._search(terms, example.candidates)
        ids = self._index.ids
        ranking = Ranking([ids[position] for position in hits.documents.tolist()], hits.scores.tolist())
        usage = Usage(stage="search", prompt_tokens=len(terms), postings=hits.postings, documents=hits.scored)
        return Prediction(example.id, ranking, (usage,))

    def _search(self, terms: Sequence[str], candidates: tuple[str, ...] | None) -> Hits:
        among = None if candidates is None else self._places_of(candidates)
        return self._index.search(terms, self._depth, among)

    def _places_of(self, candidates: tuple[str, ...]) -> Ints:
        """Positions of the candidates that are in the corpus, each once."""
        import numpy as np

        if self._positions is None:
            self._positions = {document_id: place for place, document_id in enumerate(self._index.ids)}
        places = {self._positions[candidate] for candidate in candidates if candidate in self._positions}
        return np.array(sorted(places), dtype=np.int32)


def _texts(corpus: Corpus, fields: Sequence[FieldName], progress: Progress) -> Iterator[tuple[str, ...]]:
    """Each document's id, and its fields, or title and text as one string; reports progress on the way."""
    for done, document in enumerate(corpus):
        if done % _DOCUMENTS_PER_REPORT == 0:
            progress(done, corpus.count, "documents")
        if not fields:
            yield document.id, f"{document.title} {document.text}"
        elif document.text.strip(_BLANKS):
            yield document.id, *[getattr(document, field) for field in fields]
    progress(corpus.count, corpus.count, "documents")
