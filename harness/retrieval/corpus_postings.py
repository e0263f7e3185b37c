"""Inverted lists of a corpus that is read once: terms are counted in blocks of bounded memory, then merged."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from harness.retrieval.analysis import Analyzer

Ints = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

BLOCK_TERMS = 1 << 21
"""Term occurrences collected before they are sorted into postings: bounds the memory of a build."""
_REMEMBERED_CHUNKS = 1 << 20
"""Chunks of text whose terms are kept while a corpus is read: about 200 bytes each."""


class TermNumbers(dict[str, tuple[int, ...]]):
    """The term numbers of each chunk of text, remembered; numbers are given in order of appearance."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._analyzer = analyzer
        self.vocabulary: dict[str, int] = {}
        self.analysed = 0
        """Chunks whose terms were not remembered."""

    def of(self, text: str) -> Iterator[int]:
        """The numbers of a text's terms, in order, with repetitions."""
        return chain.from_iterable(map(self.__getitem__, self._analyzer.chunks(text)))

    def __missing__(self, chunk: str) -> tuple[int, ...]:
        if len(self) >= _REMEMBERED_CHUNKS:
            self.clear()
        number = self.vocabulary.setdefault
        self.analysed += 1
        terms = tuple([number(term, len(self.vocabulary)) for term in self._analyzer.terms(chunk)])
        self[chunk] = terms
        return terms


class FieldCounts:
    """How often each term occurs in a field of each document, collected document by document."""

    def __init__(self) -> None:
        self._lengths = array("i")
        self._blocks: list[_Block] = []
        self._open_block(0)

    def add(self, terms: Iterable[int]) -> None:
        """The next document's terms, by number."""
        before = len(self._occurrences)
        self._occurrences.extend(terms)
        self._lengths.append(len(self._occurrences) - before)
        if len(self._occurrences) >= BLOCK_TERMS:
            self._close_block()

    def lengths(self) -> Ints:
        """Terms in each document, shape [documents]."""
        return np.array(self._lengths, dtype=np.int32)

    def postings(self, terms: int) -> tuple[Int64, Ints, Floats]:
        """Merge the blocks, giving each up: starts [terms + 1], documents and frequencies [postings].

        Term t owns entries starts[t] to starts[t + 1], ordered by document.
        """
        self._close_block()
        starts = np.zeros(terms + 1, dtype=np.int64)
        for block in self._blocks:
            starts[block.terms + 1] += block.counts
        np.cumsum(starts, out=starts)
        documents = np.empty(starts[-1], dtype=np.int32)
        frequencies = np.empty(starts[-1], dtype=np.float32)
        free = starts[:-1].copy()
        self._blocks.reverse()
        while self._blocks:
            block = self._blocks.pop()
            before = np.cumsum(block.counts) - block.counts
            places = np.arange(len(block.documents)) + np.repeat(free[block.terms] - before, block.counts)
            documents[places], frequencies[places] = block.documents, block.frequencies
            free[block.terms] += block.counts
        return starts, documents, frequencies

    def _open_block(self, first_document: int) -> None:
        self._occurrences, self._first_document = array("i"), first_document

    def _close_block(self) -> None:
        lengths = np.array(self._lengths[self._first_document :], dtype=np.int32)
        self._blocks.append(_Block.sort(self._occurrences, lengths, self._first_document))
        self._open_block(len(self._lengths))


@dataclass(frozen=True)
class _Block:
    """Postings of consecutive documents, ordered by term and document."""

    terms: Int64
    """Distinct terms, ascending, shape [terms]."""
    counts: Int64
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
