"""A Lucene index: written from Python document by document, searched query by query.

Analysis, queries and impact scoring are Anserini's, field types are those that Anserini gives its count indexes, so
scores are Pyserini's. What Pyserini keeps beside the postings (raw texts, ids for sorting) is left out, and hits
cross from Java as numbers in one call for a query, not as objects: that is where its memory goes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from harness.retrieval.lucene_java import explained, java_class, start

Kind: TypeAlias = Literal["text", "impacts"]
"""`text`: analysed as English. `impacts`: terms with whole-number weights, as `impact_text` writes them."""

CONTENTS, TITLE = "contents", "title"
_PLACE = "place"
_TERM_END, _WEIGHT_START = "\x1e", "\x1f"
RESERVED = (_TERM_END, _WEIGHT_START)
"""Characters that no term of an impact index can have."""
_WRITE_BUFFER_SHARE = 4
_ALL_CLAUSES = 2**31 - 1
_SPARE_SHARE = 8
"""Hits asked beyond the depth, as its part: at 1000 of SciFact, half of the queries have a tie at the cut."""


def impact_text(weights: Mapping[str, int]) -> str:
    """A document vector as the text that an impact index reads."""
    return "".join([f"{term}{_WEIGHT_START}{weight}{_TERM_END}" for term, weight in weights.items()])


def write_index(
    folder: Path,
    documents: Iterable[tuple[str, Sequence[str]]],
    fields: Sequence[str],
    kind: Kind,
    heap_megabytes: int,
) -> None:
    """Index documents, each an id and the texts of `fields`, into an empty folder.

    One thread, and only neighbouring segments are merged: Lucene numbers documents in the order in which they come,
    which is how ids are found again. Starts Java. Raises `RunFailed` for what Lucene cannot do.
    """
    start(heap_megabytes)
    ids: list[str] = []
    with explained("write its index"):
        writer = _writer(folder, kind, heap_megabytes / _WRITE_BUFFER_SHARE)
        try:
            document, texts, place = _reused_document(fields, kind)
            for id, contents in documents:
                for field, text in zip(texts, contents, strict=True):
                    field.setStringValue(text)
                place.setIntValue(len(ids))
                writer.addDocument(document)
                ids.append(id)
            writer.commit()
        finally:
            writer.rollback()  # after a commit there is nothing left to roll back; this closes it
    (folder / "ids.json").write_bytes(msgspec.json.encode(ids))


@dataclass(frozen=True)
class Found:
    """The answer to a query, best first, and the work that it took."""

    ids: list[str]
    scores: list[float]
    scored: int
    """Documents that Lucene scored; how many postings it read for that, and how many it skipped, it does not say."""


class Statistics(NamedTuple):
    """What an index holds."""

    documents: int
    terms: int
    """Occurrences; the sum of all weights in an index of impacts."""
    postings: int


class LuceneIndex:
    """An index on disk, opened for search; `fields` and their weights are what is searched."""

    def __init__(
        self, folder: Path, fields: Mapping[str, float], similarity: Callable[[], Any], heap_megabytes: int
    ) -> None:
        start(heap_megabytes)
        self.ids: list[str] = msgspec.json.decode((folder / "ids.json").read_bytes(), type=list[str])
        self._fields = fields
        with explained("open its index"):
            self._reader = java_class("org.apache.lucene.index.DirectoryReader").open(_directory(folder))
            searcher = java_class("org.apache.lucene.search.IndexSearcher")
            searcher.setMaxClauseCount(_ALL_CLAUSES)  # a long query is a query
            self._searcher = searcher(self._reader, signature="(Lorg/apache/lucene/index/IndexReader;)V")
            self._searcher.setSimilarity(similarity())
            self._searcher.setQueryCache(None)  # every query costs what it would cost first
            self._queries = java_class("io.anserini.search.query.BagOfWordsQueryGenerator")()
            self._json = java_class("com.fasterxml.jackson.databind.ObjectMapper")()
            self._weights = self._json.readerForMapOf(_class_object("java.lang.Float"))
            self._analyse, self._english = java_class("io.anserini.analysis.AnalyzerUtils").analyze, _english()
        self._places: dict[str, int] = {}

    @property
    def ram_bytes(self) -> int:
        """What Python holds; Lucene maps the rest from disk."""
        return sys.getsizeof(self.ids) + sum(map(sys.getsizeof, self.ids))

    def statistics(self, fields: Iterable[str]) -> Statistics:
        """Lucene's own counts, over these fields together."""
        found = [one for field in fields if (one := self._searcher.collectionStatistics(field))]
        return Statistics(
            documents=len(self.ids),
            terms=sum(one.sumTotalTermFreq() for one in found),
            postings=sum(one.sumDocFreq() for one in found),
        )

    def terms(self, text: str) -> Counter[str]:
        """The terms of a query and how often each occurs."""
        with explained("analyse a query"):
            return Counter(msgspec.json.decode(self._json.writeValueAsString(self._analyse(self._english, text))))

    def search(self, terms: Mapping[str, float], depth: int, among: Sequence[str] | None = None) -> Found:
        """The best `depth` documents: by score (float32), then by id, both descending.

        Lucene itself settles ties by the order of indexing. So more are asked for than wanted, and more again as long
        as the last one has the score of the one at the cut: ids decide between all that tie there.
        """
        with explained("search"):
            query, asked, scored = self._query(terms, among), depth + depth // _SPARE_SHARE + 1, 0
            while True:
                top = msgspec.json.decode(
                    self._json.writeValueAsString(self._searcher.search(query, asked)), type=_TopDocs
                )
                scored += top.totalHits.value
                hits = [(hit.score, self.ids[hit.doc]) for hit in top.scoreDocs]
                if len(hits) < asked or hits[-1][0] < hits[depth - 1][0]:
                    break
                asked *= 2
        hits = sorted(hits, reverse=True)[:depth]
        return Found([id for _, id in hits], [score for score, _ in hits], scored)

    def _query(self, terms: Mapping[str, float], among: Sequence[str] | None) -> Any:
        fields, weights = (
            self._weights.readValue(msgspec.json.encode(values).decode()) for values in (self._fields, terms)
        )
        query = self._queries.buildQuery(fields, weights)
        if among is None:
            return query
        builder, occur = java_class("org.apache.lucene.search.BooleanQuery$Builder")(), _occurrences()
        return builder.add(query, occur.MUST).add(self._only(among), occur.FILTER).build()

    def _only(self, among: Sequence[str]) -> Any:
        if not self._places:
            self._places = {id: place for place, id in enumerate(self.ids)}
        places = sorted({self._places[id] for id in among if id in self._places})
        return java_class("org.apache.lucene.document.IntPoint").newSetQuery(_PLACE, *places)


def bm25(k1: float, b: float) -> Any:
    """Lucene's BM25, once Java runs."""
    return java_class("org.apache.lucene.search.similarities.BM25Similarity")(k1, b)


def impact() -> Any:
    """The sum over terms of a document's weight times the query's, once Java runs."""
    return java_class("io.anserini.search.similarity.ImpactSimilarity")()


class _ScoreDoc(msgspec.Struct):
    doc: int
    score: float


class _TotalHits(msgspec.Struct):
    value: int


class _TopDocs(msgspec.Struct):
    """Lucene's class of this name, as Jackson writes it."""

    totalHits: _TotalHits
    scoreDocs: list[_ScoreDoc]


def _writer(folder: Path, kind: Kind, buffer_megabytes: float) -> Any:
    config = java_class("org.apache.lucene.index.IndexWriterConfig")(_english() if kind == "text" else _weighted())
    config.setRAMBufferSizeMB(buffer_megabytes)
    config.setUseCompoundFile(False)
    neighbours = java_class("org.apache.lucene.index.LogByteSizeMergePolicy")()
    neighbours.setNoCFSRatio(0.0)
    config.setMergePolicy(neighbours)
    config.setMergeScheduler(java_class("org.apache.lucene.index.SerialMergeScheduler")())
    return java_class("org.apache.lucene.index.IndexWriter")(_directory(folder), config)


def _reused_document(fields: Sequence[str], kind: Kind) -> tuple[Any, list[Any], Any]:
    """A document, its fields of text and its field of place, to be filled again for every document."""
    document = java_class("org.apache.lucene.document.Document")()
    field_type = java_class("org.apache.lucene.document.FieldType")()
    field_type.setIndexOptions(java_class("org.apache.lucene.index.IndexOptions").DOCS_AND_FREQS)
    field_type.setOmitNorms(kind == "impacts")
    field_type.freeze()
    field, empty = java_class("org.apache.lucene.document.Field"), java_class("java.lang.String")("")
    signature = "(Ljava/lang/String;Ljava/lang/CharSequence;Lorg/apache/lucene/index/IndexableFieldType;)V"
    texts = [field(name, empty, field_type, signature=signature) for name in fields]
    place = java_class("org.apache.lucene.document.IntPoint")(_PLACE, 0)
    for part in (*texts, place):
        document.add(part)
    return document, texts, place


def _english() -> Any:
    return java_class("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()


def _weighted() -> Any:
    """An analyzer that takes `impact_text` apart; a weight becomes the term's frequency.

    Anserini repeats a term so often instead, which gives the same postings and takes far longer to read.
    """
    arguments = java_class("java.util.HashMap")
    split, weigh = arguments(), arguments()
    split.put("pattern", _TERM_END)
    weigh.put("delimiter", _WEIGHT_START)
    builder = java_class("org.apache.lucene.analysis.custom.CustomAnalyzer").builder()
    return builder.withTokenizer("simplePatternSplit", split).addTokenFilter("delimitedTermFrequency", weigh).build()


def _directory(folder: Path) -> Any:
    path = java_class("java.io.File")(str(folder)).toPath()
    return java_class("org.apache.lucene.store.FSDirectory").open(path)


def _occurrences() -> Any:
    return java_class("org.apache.lucene.search.BooleanClause$Occur")


def _class_object(name: str) -> Any:
    from jnius import find_javaclass

    return find_javaclass(name)
