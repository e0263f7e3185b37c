"""An inverted index that scores documents by BM25, exactly as Lucene computes it.

Scores are computed when the index is built (as bm25s does, Lù 2024, arXiv:2407.03618), so that a query only
adds numbers up. With N documents that have any term, df of them holding the term, tf its count in a document
of L terms, and A the mean of L:

    idf   = ln(1 + (N - df + 0.5) / (df + 0.5))
    score = idf · tf / (tf + k1 · (1 - b + b · L / A))

summed over the query's terms, a repeated one counting every time (Robertson and Zaragoza 2009, without the
constant factor k1 + 1; Lucene's `BM25Similarity`).
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from harness.retrieval.analysis import Analyzer

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

_BLOCK_TERMS = 1 << 21
"""Term occurrences collected before they are sorted into postings: bounds the memory of a build."""
_REMEMBERED_CHUNKS = 1 << 20
"""Chunks of text whose terms are kept while a corpus is read: about 200 bytes each."""
_EXACT_LENGTHS = 24
"""Lucene stores lengths below this one exactly."""


@dataclass(frozen=True)
class Hits:
    """What a search found, best first, and the work that it took."""

    documents: Ints
    """Positions of documents in the order of indexing, shape [hits]."""
    scores: Floats
    """Shape [hits], descending, above zero."""
    postings: int
    """Inverted-list entries visited."""
    scored: int
    """Documents that hold a term of the query."""


@dataclass(frozen=True)
class Bm25Index:
    """Postings with their scores, in CSC layout: term t owns entries starts[t] to starts[t + 1]."""

    ids: list[str]
    analyzer: Analyzer
    vocabulary: dict[str, int]
    starts: npt.NDArray[np.int64]
    documents: Ints
    impacts: Floats
    order: Ints
    """The place of each document in descending order of ids (utf-8 bytes): decides between equal scores."""
    term_count: int
    """Term occurrences in the corpus."""

    @classmethod
    def build(
        cls,
        documents: Iterable[tuple[str, str]],
        analyzer: Analyzer,
        *,
        k1: float,
        b: float,
        lucene_norms: bool,
    ) -> Bm25Index:
        """Index (id, text) pairs as they come.

        With `lucene_norms`, lengths are rounded down to the 256 values that Lucene's one-byte norms can hold.
        Memory is 16 bytes for each posting at the peak and 8 after it, beside ids and vocabulary.
        """
        collected = _Collected.read(documents, analyzer)
        lengths = np.frombuffer(collected.lengths, dtype=np.int32)
        starts, where, frequencies = collected.postings()
        with np.errstate(divide="ignore", over="ignore"):
            # A k1 of 0 makes inverse norms infinite and every score the idf, as it should be.
            norms = _inverse_norms(lengths, k1, b, lucene_norms)
            _score_in_place(frequencies, starts, where, norms, int(np.count_nonzero(lengths)))
        return cls(
            ids=collected.ids,
            analyzer=analyzer,
            vocabulary=collected.vocabulary,
            starts=starts,
            documents=where,
            impacts=frequencies,
            order=_places(collected.ids),
            term_count=int(lengths.sum(dtype=np.int64)),
        )

    @property
    def average_length(self) -> float:
        """Mean number of terms in a document."""
        return self.term_count / len(self.ids) if self.ids else 0.0

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, the vocabulary and the ids."""
        arrays = (self.starts, self.documents, self.impacts, self.order)
        numbers = sys.getsizeof(1 << 20) * len(self.vocabulary)
        strings = sum(map(sys.getsizeof, chain(self.vocabulary, self.ids)))
        tables = sys.getsizeof(self.vocabulary) + sys.getsizeof(self.ids)
        return sum(part.nbytes for part in arrays) + numbers + strings + tables

    def search(self, terms: Sequence[str], depth: int, among: Ints | None = None) -> Hits:
        """The best `depth` documents with a score above 0: by score (float32), then by id, both descending.

        `among`, if given, holds distinct positions of documents, and only those are ranked. The hits at one
        depth are a prefix of those at a greater one. Raises `ValueError` for a depth below 1.
        """
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        scores = np.zeros(len(self.ids))
        postings = 0
        for term, count in Counter(terms).items():
            if (number := self.vocabulary.get(term)) is not None:
                entries = slice(self.starts[number], self.starts[number + 1])
                scores[self.documents[entries]] += np.multiply(self.impacts[entries], count, dtype=np.float64)
                postings += int(entries.stop - entries.start)
        found = np.flatnonzero(scores) if among is None else among[scores[among] > 0]
        best, best_scores = self._best(found.astype(np.int32), scores[found].astype(np.float32), depth)
        return Hits(best, best_scores, postings, len(found))

    def _best(self, found: Ints, scores: Floats, depth: int) -> tuple[Ints, Floats]:
        if len(found) > depth:
            # Keep all documents that tie with the last place: the ids decide between them.
            kept = scores >= np.partition(scores, len(scores) - depth)[-depth]
            found, scores = found[kept], scores[kept]
        ranked = np.lexsort((self.order[found], -scores))[:depth]
        return found[ranked], scores[ranked]


# --- Reading the corpus -------------------------------------------------------------------------------------


class _ChunkTerms(dict[str, tuple[int, ...]]):
    """The term numbers of each chunk of text, remembered; numbers are given in order of appearance."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._terms = analyzer.terms
        self.vocabulary: dict[str, int] = {}

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        if len(self) >= _REMEMBERED_CHUNKS:
            self.clear()
        number = self.vocabulary.setdefault
        terms = tuple([number(term, len(self.vocabulary)) for term in self._terms(chunk)])
        self[chunk] = terms
        return terms


@dataclass(frozen=True)
class _Block:
    """Postings of consecutive documents, ordered by term and document."""

    terms: npt.NDArray[np.int64]
    """Distinct terms, ascending, shape [terms]."""
    counts: npt.NDArray[np.int64]
    """Postings of each of the terms, shape [terms]."""
    documents: Ints
    frequencies: Floats

    @classmethod
    def sort(cls, occurrences: array[int], lengths: Ints, first_document: int) -> _Block:
        """Count terms within each document; `occurrences` holds the terms of one document after another."""
        documents = np.arange(first_document, first_document + len(lengths), dtype=np.int64)
        keys = np.frombuffer(occurrences, dtype=np.int32).astype(np.int64) << 32
        keys |= np.repeat(documents, lengths)
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        frequencies = np.diff(first, append=len(keys)).astype(np.float32)
        entries = keys[first]
        terms, counts = np.unique(entries >> 32, return_counts=True)
        return cls(terms, counts, entries.astype(np.int32), frequencies)


@dataclass(frozen=True)
class _Collected:
    """A corpus as blocks of postings."""

    ids: list[str]
    lengths: array[int]
    """Terms in each document, as int32."""
    vocabulary: dict[str, int]
    blocks: list[_Block]

    @classmethod
    def read(cls, documents: Iterable[tuple[str, str]], analyzer: Analyzer) -> _Collected:
        known = _ChunkTerms(analyzer)
        collected = cls([], array("i"), known.vocabulary, [])
        occurrences, first_document = array("i"), 0
        for document_id, text in documents:
            before = len(occurrences)
            occurrences.extend(chain.from_iterable(map(known.__getitem__, analyzer.chunks(text))))
            collected.ids.append(document_id)
            collected.lengths.append(len(occurrences) - before)
            if len(occurrences) >= _BLOCK_TERMS:
                collected._close_block(occurrences, first_document)
                occurrences, first_document = array("i"), len(collected.ids)
        collected._close_block(occurrences, first_document)
        return collected

    def _close_block(self, occurrences: array[int], first_document: int) -> None:
        lengths = np.array(self.lengths[first_document:], dtype=np.int32)
        self.blocks.append(_Block.sort(occurrences, lengths, first_document))

    def postings(self) -> tuple[npt.NDArray[np.int64], Ints, Floats]:
        """Merge the blocks, giving each up: starts [terms + 1], documents and frequencies [postings]."""
        starts = np.zeros(len(self.vocabulary) + 1, dtype=np.int64)
        for block in self.blocks:
            starts[block.terms + 1] += block.counts
        np.cumsum(starts, out=starts)
        documents = np.empty(starts[-1], dtype=np.int32)
        frequencies = np.empty(starts[-1], dtype=np.float32)
        free = starts[:-1].copy()
        self.blocks.reverse()
        while self.blocks:
            block = self.blocks.pop()
            before = np.cumsum(block.counts) - block.counts
            places = np.arange(len(block.documents)) + np.repeat(free[block.terms] - before, block.counts)
            documents[places], frequencies[places] = block.documents, block.frequencies
            free[block.terms] += block.counts
        return starts, documents, frequencies


# --- Scores -------------------------------------------------------------------------------------------------


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
    frequencies: Floats, starts: npt.NDArray[np.int64], documents: Ints, norms: Floats, occupied: int
) -> None:
    """Turn frequencies into scores, in float32 and in Lucene's order of operations."""
    holding = np.diff(starts)
    idf = np.log1p((occupied - holding + 0.5) / (holding + 0.5)).astype(np.float32)
    for first, last in _term_ranges(starts):
        entries = slice(starts[first], starts[last])
        weight = np.repeat(idf[first:last], holding[first:last])
        frequencies[entries] = weight - weight / (1 + frequencies[entries] * norms[documents[entries]])


def _term_ranges(starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of terms that own about a block of postings each."""
    first, terms = 0, len(starts) - 1
    while first < terms:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK_TERMS))
        last = min(max(last, first + 1), terms)
        yield first, last
        first = last


def _places(ids: Sequence[str]) -> Ints:
    """The place of each id in descending order; str order is by code point, which is utf-8 byte order."""
    descending = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    places = np.empty(len(ids), dtype=np.int32)
    places[descending] = np.arange(len(ids), dtype=np.int32)
    return places
