"""Search in inverted lists: add up what a query's lists hold for each document, and take the best.

Works for any index of lists with a number a posting, be it a BM25 score or a learned impact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.retrieval.order import Float32, Int64, TieOrder

Ints = npt.NDArray[np.int32]

_ADDED_AT_ONCE = 1 << 20
"""Postings up to which a query's lists are joined: one call is quicker than many, but copies them."""
_FEWEST_COLUMNS = 512
_COLUMNS_PER_PLACE = 2


WeightedList: TypeAlias = tuple[Ints, Float32, float]
"""An inverted list as a query sees it: documents [postings], each once, their impacts [postings], and a weight."""


@dataclass(frozen=True)
class Hits:
    """What a search found, best first, and the work that it took."""

    documents: Int64
    """Positions of documents in the order of indexing, shape [hits]."""
    scores: Float32
    """Shape [hits], descending, above zero."""
    postings: int
    """Inverted-list entries visited."""
    scored: int
    """Documents that hold a term of the query."""


class TermSearch:
    """Searches the documents of `order`. Keeps its work space, 12 bytes a document: for one thread at a time."""

    def __init__(self, order: TieOrder) -> None:
        self._order = order
        self._sums = np.zeros(len(order.rank))
        self._scores = np.zeros(len(order.rank), dtype=np.float32)

    def best(self, lists: Sequence[WeightedList], depth: int, among: npt.NDArray[np.integer] | None = None) -> Hits:
        """The best `depth` documents of a sum above 0: by the sum as float32, then by id, both descending.

        Sums are taken in float64 in the order of `lists`, as Lucene does, so they depend neither on `depth` nor on
        other queries. `among`, if given, holds distinct positions of documents, and only those are ranked. The hits
        at one depth are a prefix of those at a greater one. Raises `ValueError` for a depth below 1.
        """
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        postings = sum([len(documents) for documents, _, _ in lists])
        self._sum(lists, postings)
        scores = self._scores
        np.copyto(scores, self._sums, casting="same_kind")
        if among is None:
            found, scored = _candidates(scores, depth)
        else:
            found = among[scores[among] > 0]
            scored = len(found)
        keys = scores[found].view(np.uint32).astype(np.uint64)  # floats above 0 order as their bits do
        keys <<= np.uint64(32)
        keys |= self._order.rank[found].view(np.uint64)
        if len(keys) > depth:
            keys.partition(len(keys) - depth)
            keys = keys[len(keys) - depth :]
        keys.sort()
        documents = self._order.documents(keys[::-1])
        return Hits(documents, scores[documents], postings, scored)

    def _sum(self, lists: Sequence[WeightedList], postings: int) -> None:
        self._sums.fill(0)
        groups = [lists] if postings <= _ADDED_AT_ONCE else [[each] for each in lists]
        for group in groups:
            if group:
                documents = np.concatenate([documents for documents, _, _ in group])
                impacts = [_weighted(impacts, weight) for _, impacts, weight in group]
                np.add.at(self._sums, documents, np.concatenate(impacts, dtype=np.float64))


def _weighted(impacts: Float32, weight: float) -> npt.NDArray[np.floating]:
    return impacts if weight == 1 else np.multiply(impacts, weight, dtype=np.float64)


def _candidates(scores: Float32, depth: int) -> tuple[Int64, int]:
    """Positions of scores above 0 that hold the best `depth`, few more if there are many; and how many are above 0."""
    above = scores > 0
    count = int(np.count_nonzero(above))
    if count > depth and (least := _least(scores, depth)) > 0:
        above = scores >= least
    return np.flatnonzero(above), count


def _least(scores: Float32, depth: int) -> float:
    """A bound that the best `depth` scores reach; 0 if the documents are too few to bother.

    The scores are folded into columns, more of them than places. Maxima of different columns are scores of
    different documents, so the best `depth` documents score no less than the best `depth` maxima.
    """
    rows = len(scores) // max(_COLUMNS_PER_PLACE * depth, _FEWEST_COLUMNS)
    if rows < 2:
        return 0
    columns = len(scores) // rows
    maxima = scores[: rows * columns].reshape(rows, columns).max(axis=0)
    maxima.sort()  # not partitioned: that is slow where many are equal, as zeros are
    return float(maxima[-depth])
