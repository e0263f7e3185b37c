"""An inverted index of learned impacts: how much each document holds of each term, as a model weighed it.

The score of a document is the inner product of the query's weights and its own: a query visits the lists of its terms,
and adds up (Lin and Ma 2021, "A Few Brief Notes on DeepImpact, COIL, and a Conceptual Framework for Information
Retrieval Techniques", arXiv:2106.14807). Lists lie in files, memory-mapped, so an index may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.retrieval.order import Float32, Int64, TieOrder
from harness.retrieval.term_search import Hits, Ints, TermSearch

QUANTUM = 5 / 256
"""Anserini rounds impacts to multiples of this: 8 bits up to 5, more bits above."""
_LARGEST = np.iinfo(np.uint16).max

Impacts: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint16]
Blocks: TypeAlias = "Callable[[], Iterable[SparseRows]]"
"""The documents' vectors, block by block, as often as asked."""


@dataclass(frozen=True)
class SparseRows:
    """Sparse vectors of consecutive texts: text r owns `counts[r]` entries, its terms each once."""

    counts: Int64
    terms: Ints
    weights: Float32
    """At least 0."""

    @classmethod
    def of(cls, vectors: Float32, rows: Sequence[int]) -> SparseRows:
        """From rows (term, weight), `rows[r]` of them for text r."""
        return cls(np.array(rows, dtype=np.int64), vectors[:, 0].astype(np.int32), vectors[:, 1].astype(np.float32))

    def each(self) -> Iterator[SparseRows]:
        """The vectors one by one."""
        ends = np.cumsum(self.counts)
        for start, end in zip(ends - self.counts, ends, strict=True):
            yield SparseRows(np.array([end - start]), self.terms[start:end], self.weights[start:end])

    def quantized(self) -> SparseRows:
        """Weights as whole multiples of `QUANTUM`, at most 65,535 of them."""
        whole = np.minimum(np.rint(self.weights / np.float32(QUANTUM)), np.float32(_LARGEST))
        return replace(self, weights=whole)


@dataclass(frozen=True)
class ImpactIndex:
    """Lists in CSC layout: term t owns entries starts[t] to starts[t + 1], by document."""

    order: TieOrder
    starts: Int64
    documents: Ints
    impacts: Impacts
    quantize: bool
    _search: TermSearch = field(repr=False)

    @classmethod
    def build(cls, blocks: Blocks, order: TieOrder, folder: Path, *, quantize: bool = False) -> ImpactIndex:
        """Turn the documents' vectors, in the order of `order`, into lists in `folder`.

        The blocks are gone through twice, once to count and once to fill, so memory beyond the files is that of one of
        them. With `quantize`, impacts are whole multiples of `QUANTUM`; what is rounded to 0 is left out.
        Raises `ValueError` if there are not as many vectors as documents.
        """
        lengths = np.zeros(0, dtype=np.int64)
        seen = 0
        for block in blocks():
            seen += len(block.counts)
            found = np.bincount(_impacts(block, quantize)[1])
            longer, shorter = (found, lengths) if len(found) > len(lengths) else (lengths, found)
            longer[: len(shorter)] += shorter
            lengths = longer
        if seen != len(order.rank):
            raise ValueError(f"{seen} sparse vectors for {len(order.rank)} documents")
        starts = np.concatenate([[0], np.cumsum(lengths)])
        documents: Ints = _file(folder / "documents.npy", np.int32, int(starts[-1]))
        impacts: Impacts = _file(folder / "impacts.npy", np.uint16 if quantize else np.float32, int(starts[-1]))
        free, first = starts[:-1].copy(), 0
        for block in blocks():
            where, terms, weights = _impacts(block, quantize)
            by_term = np.argsort(terms, kind="stable")
            counts = np.bincount(terms, minlength=len(free))
            places = np.arange(len(terms)) + np.repeat(free - (np.cumsum(counts) - counts), counts)
            documents[places], impacts[places] = first + where[by_term], weights[by_term]
            free += counts
            first += len(block.counts)
        return cls(order, starts, documents, impacts, quantize, TermSearch(order))

    @property
    def disk_bytes(self) -> int:
        return self.documents.nbytes + self.impacts.nbytes

    @property
    def ram_bytes(self) -> int:
        return self.starts.nbytes + self.order.nbytes

    def search(self, query: SparseRows, depth: int, among: Sequence[int] | None = None) -> Hits:
        """The best `depth` documents for the one vector of `query`: by score (float32), then by id, both descending.

        Only documents that share a term with the query are found, or those of `among` that do. The sum is in
        float64, term after term in ascending order; with `quantize`, of whole numbers.
        """
        asked = query.quantized() if self.quantize else query
        by_term = np.argsort(asked.terms)
        lists = []
        for term, weight in zip(asked.terms[by_term].tolist(), asked.weights[by_term].tolist(), strict=True):
            if term < len(self.starts) - 1 and weight > 0:
                entries = slice(self.starts.item(term), self.starts.item(term + 1))
                lists.append((self.documents[entries], self.impacts[entries], weight))
        positions = None if among is None else np.array(among, dtype=np.int64)
        return self._search.best(lists, depth, positions)  # type: ignore[arg-type]  # whole impacts add up as well


def _impacts(block: SparseRows, quantize: bool) -> tuple[Ints, Ints, Float32]:
    """Documents of the block by number, terms and impacts above 0."""
    kept = block.quantized() if quantize else block
    where = np.repeat(np.arange(len(block.counts), dtype=np.int32), block.counts)
    positive = kept.weights > 0
    return where[positive], kept.terms[positive], kept.weights[positive]


def _file(path: Path, dtype: npt.DTypeLike, size: int) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    if size == 0:
        return np.empty(0, dtype=dtype)  # a file of no bytes cannot be mapped
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(size,))
