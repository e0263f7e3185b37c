"""Exact inner-product search: the k best documents of each query, streamed over a corpus of any size.

The answer is a function of the vectors alone. A BLAS product differs in its last bits with the shape of the
tile and the number of threads, so it only proposes: every document whose float32 product is within its rigorous
error of the k-th score is scored again, pair by pair, in float64 and in a fixed order of summation. That score,
rounded to float32, ranks; equal scores rank by id, descending, as trec_eval does. A shorter list is a prefix of
a longer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import RunFailed
from harness.retrieval.order import Float32, Int64, Keys, TieOrder, pack, scores_of

Float64: TypeAlias = npt.NDArray[np.float64]

TILE_DOCUMENTS = 4096
TILE_QUERIES = 320
WORK_BYTES = 100 * TILE_QUERIES * TILE_DOCUMENTS
"""The most that a search holds beside vectors and answers, which only a corpus of ties comes near."""
_RESCORED_AT_ONCE = 512
_UNIT_ROUNDOFF = 2.0**-24
_SMALLEST_NORMAL = 2.0**-126


@dataclass(frozen=True)
class Hits:
    """Documents by position in the corpus and their scores, best first: both [queries, min(k, documents)]."""

    documents: Int64
    scores: Float32


def search(
    queries: Float32,
    chunks: Iterable[Float32],
    k: int,
    order: TieOrder,
    *,
    tile_queries: int = TILE_QUERIES,
    tile_documents: int = TILE_DOCUMENTS,
) -> Hits:
    """The `k` documents of the largest inner product with each query.

    `queries` is [q, d] float32, `chunks` holds the corpus in the order of `order`, as [n, d] float32 arrays
    (memory-mapped ones are fine). Memory beyond one chunk is 8 q k bytes for the answer and at most `WORK_BYTES`
    (130 MB) of work space, in proportion to the tiles.
    Raises `RunFailed` for NaN, infinity or vectors whose products overflow, `ValueError` for k below 1 or a
    corpus that is not the size of `order`.
    """
    if k < 1:
        raise ValueError(f"k is {k}; at least one document must be asked for")
    norms = _finite_norms(queries, "query", 0)
    blocks = [slice(start, start + tile_queries) for start in range(0, max(len(queries), 1), tile_queries)]
    pools = [_Pool(queries[block], norms[block], k) for block in blocks]
    seen = 0
    for tile in _tiles(chunks, tile_documents):
        largest_norm = float(_finite_norms(tile, "document", seen).max())
        ranks = order.rank[seen : seen + len(tile)].astype(np.uint64)
        if len(ranks) < len(tile):
            raise ValueError(f"more than the {len(order.rank)} documents that have an id")
        for pool in pools:
            pool.offer(tile, ranks, largest_norm)
        seen += len(tile)
    if seen < len(order.rank):
        raise ValueError(f"{seen} vectors for {len(order.rank)} documents")
    return _hits(pools, min(k, seen), order)


def search_among(query: Float32, vectors: Float32, places: Sequence[int], k: int, order: TieOrder) -> Hits:
    """The `k` best of the documents at `places`, whose `vectors` [n, d] are, for one query [d]; arrays [min(k, n)].

    Scores are bit by bit those of `search`. Raises `RunFailed` as it does.
    """
    _finite_norms(query[None], "query", 0)
    _finite_norms(vectors, "candidate", 0)
    rows = np.zeros(len(vectors), dtype=np.int64)
    scores = _score_pairs(query[None], vectors, rows, np.arange(len(vectors)))
    keys = np.sort(pack(scores, order.rank[np.array(places, dtype=np.int64)]))[::-1][:k]
    return Hits(order.documents(keys), scores_of(keys))


def _tiles(chunks: Iterable[Float32], size: int) -> Iterator[Float32]:
    """The corpus in pieces of at most `size` documents; small chunks are joined."""
    held: list[Float32] = []
    count = 0
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            piece = np.asarray(chunk[start : start + size])
            if count + len(piece) > size:
                yield _joined(held)
                held, count = [], 0
            held.append(piece)
            count += len(piece)
    if held:
        yield _joined(held)


def _joined(pieces: list[Float32]) -> Float32:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _finite_norms(vectors: Float32, what: str, first: int) -> Float64:
    squares = np.einsum("nd,nd->n", vectors, vectors)
    if not np.isfinite(squares).all():
        row = first + int(np.flatnonzero(~np.isfinite(squares))[0])
        raise RunFailed(
            f"the vector of {what} {row} (counted from 0) holds NaN or infinity, or its length is above 1e19",
            hint="Half precision overflows in some models: try dtype: float32 or bfloat16.",
        )
    norms: Float64 = np.sqrt(squares, dtype=np.float64)
    return norms


class _Pool:
    """The best `k` of the documents offered so far, for a tile of queries.

    A hit is one integer, its packed key; zero is below every hit.
    """

    def __init__(self, queries: Float32, norms: Float64, k: int) -> None:
        self.queries = np.ascontiguousarray(queries)
        self.norms = norms
        self.k = k
        self.keys: Keys = np.zeros((len(queries), k), dtype=np.uint64)
        self.kth: Float64 = np.full(len(queries), -np.inf)

    def offer(self, tile: Float32, ranks: Keys, largest_norm: float) -> None:
        """Take in what may belong to the best `k` of `tile` [n, d]; ranks [n] order its ties."""
        products = self.queries @ tile.T
        rows, columns = self._candidates(products, largest_norm)
        if len(rows):
            scores = _rescore(self.queries, tile, rows, columns)
            self._keep(rows, pack(scores, ranks[columns]))

    def _candidates(self, products: Float32, largest_norm: float) -> tuple[Int64, Int64]:
        """Pairs (query, document) of `products` [q, n] whose score may reach the k-th, sorted by query."""
        dimensions = self.queries.shape[1]
        # |fl(x.y) - x.y| <= d u |x| |y| to first order (Higham 2002, section 3.1); twice that covers the rest of
        # the series, the norms' own rounding and the float64 sum, the constant covers flushed underflow.
        error = 2 * dimensions * (_UNIT_ROUNDOFF * self.norms * largest_norm + _SMALLEST_NORMAL)
        floor = _below(self.kth, error)
        passing = products >= floor[:, None]
        counts = np.count_nonzero(passing, axis=1)
        # Where a tile alone has more than k, its own k-th product bounds the k-th score too.
        crowded = np.flatnonzero(counts > 2 * self.k)
        if len(crowded):
            place = products.shape[1] - self.k
            kth_product = np.partition(products[crowded], place, axis=1)[:, place].astype(np.float64)
            floor[crowded] = np.maximum(floor[crowded], _below(kth_product, 2 * error[crowded]))
            passing[crowded] = products[crowded] >= floor[crowded, None]
        pairs = np.flatnonzero(passing)
        rows, columns = np.divmod(pairs, products.shape[1])
        return rows, columns

    def _keep(self, rows: Int64, keys: Keys) -> None:
        """Merge candidates (`rows` ascending) into the pool and raise the thresholds."""
        counts = np.bincount(rows, minlength=len(self.keys))
        touched = np.flatnonzero(counts)
        widest = int(counts.max())
        merged = np.zeros((len(touched), self.k + widest), dtype=np.uint64)
        merged[:, : self.k] = self.keys[touched]
        starts = np.cumsum(counts) - counts
        places = self.k + np.arange(len(rows)) - starts[rows]
        merged[np.searchsorted(touched, rows), places] = keys
        merged.partition(widest, axis=1)
        self.keys[touched] = merged[:, widest:]
        kth = merged[:, widest]
        self.kth[touched] = np.where(kth == 0, -np.inf, scores_of(kth))


def _below(scores: Float64, error: Float64) -> Float32:
    """A float32 under every product whose score could round to `scores` or more."""
    rounding = 2 * _UNIT_ROUNDOFF * np.where(np.isfinite(scores), np.abs(scores), 0)
    return np.nextafter((scores - error - rounding).astype(np.float32), np.float32(-np.inf))


def _rescore(queries: Float32, tile: Float32, rows: Int64, columns: Int64) -> Float32:
    """The inner product of each pair, in float64 by a fixed order of summation, rounded to float32."""
    if len(rows) <= len(tile):
        return _score_pairs(queries, tile, rows, columns)
    # Many candidates are many ties, most often copies of one document: score each distinct one once.
    first: dict[bytes, int] = {}
    original = np.array([first.setdefault(row.tobytes(), place) for place, row in enumerate(tile)])
    pairs = rows * len(tile) + original[columns]
    table: Float32 = np.zeros(len(queries) * len(tile), dtype=np.float32)
    table[pairs] = 1
    distinct = np.flatnonzero(table)
    table[distinct] = _score_pairs(queries, tile, *np.divmod(distinct, len(tile)))
    scores: Float32 = table[pairs]
    return scores


def _score_pairs(queries: Float32, tile: Float32, rows: Int64, columns: Int64) -> Float32:
    scores = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _RESCORED_AT_ONCE):
        block = slice(start, start + _RESCORED_AT_ONCE)
        left = queries[rows[block]].astype(np.float64)
        scores[block] = _sum_by_halves(left * tile[columns[block]])
    scores += np.float32(0)  # a negative zero would rank below zero, to which it is equal
    return scores


def _sum_by_halves(terms: Float64) -> Float64:
    """Sums of the rows of `terms` [n, d], overwritten: one half is added to the other until one term is left."""
    width = terms.shape[1]
    while width > 1:
        half = width // 2
        terms[:, :half] += terms[:, width - half : width]
        width -= half
    return terms[:, 0]


def _hits(pools: Sequence[_Pool], width: int, order: TieOrder) -> Hits:
    keys = np.concatenate([np.sort(pool.keys, axis=1)[:, ::-1][:, :width] for pool in pools])
    return Hits(order.documents(keys), scores_of(keys))
