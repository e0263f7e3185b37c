"""An inverted index that scores documents by BM25, exactly as Lucene computes it.

Scores are computed when the index is built (as bm25s does, Lù 2024, arXiv:2407.03618), so that a query only
adds numbers up. With N documents that have any term, df of them holding the term, tf its count in a document
of L terms, and A the mean of L:

    idf   = ln(1 + (N - df + 0.5) / (df + 0.5))
    score = idf · tf / (tf + k1 · (1 - b + b · L / A))

summed over the query's terms, a repeated one counting every time (Robertson and Zaragoza 2009, without the
constant factor k1 + 1; Lucene's `BM25Similarity`). With several fields N, df, tf, L and A are those of the field,
a field's weight multiplies idf, and a document's score is the sum over its fields: what Lucene makes of a
disjunction of boosted clauses, and Anserini of its "multifield" runs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from harness.retrieval.analysis import Analyzer
from harness.retrieval.corpus_postings import BLOCK_TERMS, FieldCounts, Floats, Ints, TermNumbers
from harness.retrieval.order import TieOrder
from harness.retrieval.term_search import Hits, TermSearch, WeightedList

_EXACT_LENGTHS = 24
"""Lucene stores lengths below this one exactly."""


@dataclass(frozen=True)
class Field:
    """A field's postings with their scores, in CSC layout: term t owns entries starts[t] to starts[t + 1]."""

    starts: npt.NDArray[np.int64]
    documents: Ints
    impacts: Floats
    term_count: int
    """Term occurrences in this field of the corpus."""

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.starts.nbytes + self.documents.nbytes + self.impacts.nbytes


@dataclass(frozen=True)
class Bm25Index:
    """What there is to search in: the fields' postings, and what their numbers stand for."""

    ids: list[str]
    analyzer: Analyzer
    vocabulary: dict[str, int]
    fields: tuple[Field, ...]
    order: TieOrder
    analysed: int = 0
    """Chunks of text (words, most of them) that were analysed: each once, as far as memory goes."""

    @classmethod
    def build(
        cls,
        documents: Iterable[tuple[str, ...]],
        analyzer: Analyzer,
        *,
        k1: float,
        b: float,
        lucene_norms: bool,
        weights: Sequence[float] = (1.0,),
    ) -> Bm25Index:
        """Index documents as they come: an id, then the text of each field, of which there are as many as `weights`.

        With `lucene_norms`, lengths are rounded down to the 256 values that Lucene's one-byte norms can hold.
        Memory is 16 bytes for each posting at the peak and 8 after it, beside ids and vocabulary.
        """
        ids: list[str] = []
        known = TermNumbers(analyzer)
        counts = [FieldCounts() for _ in weights]
        for document_id, *texts in documents:
            ids.append(document_id)
            for count, text in zip(counts, texts, strict=True):
                count.add(known.of(text))
        known.clear()
        fields = [
            _score(counts.pop(0), len(known.vocabulary), weight, k1=k1, b=b, lucene_norms=lucene_norms)
            for weight in weights
        ]
        return cls(ids, analyzer, known.vocabulary, tuple(fields), TieOrder.of(ids), known.analysed)

    @property
    def term_count(self) -> int:
        """Term occurrences in the corpus."""
        return sum(field.term_count for field in self.fields)

    @property
    def posting_count(self) -> int:
        """Entries of all lists."""
        return sum(len(field.documents) for field in self.fields)

    @property
    def average_length(self) -> float:
        """Mean number of terms in a document."""
        return self.term_count / len(self.ids) if self.ids else 0.0

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, the vocabulary and the ids."""
        numbers = sys.getsizeof(1 << 20) * len(self.vocabulary)
        strings = sum(map(sys.getsizeof, chain(self.vocabulary, self.ids)))
        tables = sys.getsizeof(self.vocabulary) + sys.getsizeof(self.ids)
        return sum(field.nbytes for field in self.fields) + self.order.nbytes + numbers + strings + tables

    def search(self, terms: Sequence[str], depth: int, among: Ints | None = None) -> Hits:
        """The best `depth` documents with a score above 0: by score (float32), then by id, both descending.

        `among`, if given, holds distinct positions of documents, and only those are ranked. The hits at one
        depth are a prefix of those at a greater one. Raises `ValueError` for a depth below 1.
        """
        return self._search.best(list(self._lists(terms)), depth, among)

    def _lists(self, terms: Sequence[str]) -> Iterator[WeightedList]:
        numbers = [(self.vocabulary.get(term), count) for term, count in Counter(terms).items()]
        for field in self.fields:
            for number, count in numbers:
                if number is not None:
                    entries = slice(field.starts.item(number), field.starts.item(number + 1))
                    yield field.documents[entries], field.impacts[entries], count

    @cached_property
    def _search(self) -> TermSearch:
        return TermSearch(self.order)


# --- Scores -------------------------------------------------------------------------------------------------


def _score(counts: FieldCounts, terms: int, weight: float, *, k1: float, b: float, lucene_norms: bool) -> Field:
    lengths = counts.lengths()
    starts, documents, frequencies = counts.postings(terms)
    with np.errstate(divide="ignore", over="ignore"):
        # A k1 of 0 makes inverse norms infinite and every score the idf, as it should be.
        norms = _inverse_norms(lengths, k1, b, lucene_norms)
        _score_in_place(frequencies, starts, documents, norms, int(np.count_nonzero(lengths)), weight)
    return Field(starts, documents, frequencies, int(lengths.sum(dtype=np.int64)))


def lucene_length(lengths: Ints) -> Ints:
    """Lengths as Lucene's one-byte norms hold them: exact below 40, then coarser (four significant bits).

    Lucene's `SmallFloat.byte4ToInt(intToByte4(length))`.
    """
    above = np.maximum(lengths - _EXACT_LENGTHS, 0)
    dropped_bits = np.maximum(np.frexp(above)[1] - 4, 0)
    kept: Ints = np.minimum(lengths, _EXACT_LENGTHS) + (above >> dropped_bits << dropped_bits)
    return kept


def _inverse_norms(lengths: Ints, k1: float, b: float, lucene_norms: bool) -> Floats:
    """1 / (k1 · (1 - b + b · L / A)) for each document, shape [documents]; A is the mean of exact lengths."""
    occupied = lengths[lengths > 0]
    average = np.float32(occupied.mean(dtype=np.float64)) if len(occupied) else np.float32(1)
    counted = lucene_length(lengths) if lucene_norms else lengths
    fixed, sloped = np.float32(1) - np.float32(b), np.float32(b)
    norms: Floats = np.float32(k1) * (fixed + sloped * counted.astype(np.float32) / average)
    inverse: Floats = np.reciprocal(norms)
    return inverse


def _score_in_place(
    frequencies: Floats, starts: npt.NDArray[np.int64], documents: Ints, norms: Floats, occupied: int, boost: float
) -> None:
    """Turn frequencies into scores, in float32 and in Lucene's order of operations."""
    holding = np.diff(starts)
    idf = np.log1p((occupied - holding + 0.5) / (holding + 0.5)).astype(np.float32) * np.float32(boost)
    for first, last in _term_ranges(starts):
        entries = slice(starts[first], starts[last])
        weight = np.repeat(idf[first:last], holding[first:last])
        frequencies[entries] = weight - weight / (1 + frequencies[entries] * norms[documents[entries]])


def _term_ranges(starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of terms that own about a block of postings each."""
    first, terms = 0, len(starts) - 1
    while first < terms:
        last = int(np.searchsorted(starts, starts[first] + BLOCK_TERMS))
        last = min(max(last, first + 1), terms)
        yield first, last
        first = last
