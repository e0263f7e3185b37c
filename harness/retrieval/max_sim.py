"""Late interaction, exact: each token of the query looks for its best match among a document's tokens.

score = Σ over query tokens of max over document tokens of their inner product (Khattab and Zaharia 2020, "ColBERT",
arXiv:2004.12832, equation 3; Santhanam et al. 2022, "ColBERTv2", arXiv:2112.01488).

Token vectors are kept as float16, as ColBERT keeps them, and no longer than 1. Their products are multiples of 2^-48
below 2 in size, and so are all sums on the way: float64 holds them exactly, in whatever order a matrix product adds.
So neither the size of a chunk nor the number of threads changes a bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import RunFailed
from harness.retrieval.order import Float32, Int64, Keys, TieOrder, pack, scores_of

Float16: TypeAlias = npt.NDArray[np.float16]
Float64: TypeAlias = npt.NDArray[np.float64]

TILE_TOKENS = 1 << 14
_LONGEST = 1.01


@dataclass(frozen=True)
class TokenVectors:
    """Vectors of the tokens of consecutive texts: text r owns `counts[r]` rows of `vectors` [tokens, d]."""

    counts: Int64
    vectors: Float16

    @classmethod
    def of(cls, vectors: npt.NDArray[np.floating], rows: Sequence[int]) -> TokenVectors:
        """From vectors of which `rows[r]` are of text r."""
        return cls(np.array(rows, dtype=np.int64), np.asarray(vectors, dtype=np.float16))

    def texts(self) -> list[Float16]:
        """The vectors of each text."""
        return np.split(self.vectors, np.cumsum(self.counts)[:-1]) if len(self.counts) else []


@dataclass(frozen=True)
class Hits:
    """Documents by position in the corpus and their scores, best first: both [queries, min(k, documents)]."""

    documents: Int64
    scores: Float32


def search(
    queries: Sequence[Float16],
    shards: Iterable[TokenVectors],
    k: int,
    order: TieOrder,
    *,
    tile_tokens: int = TILE_TOKENS,
) -> Hits:
    """The `k` documents of the highest score for each query: by score (float32), then by id, both descending.

    A query is its token vectors [tokens, d]. `shards` holds the documents in the order of `order`; memory-mapped
    vectors are fine. A document without a token scores 0. Memory beyond a shard is 8 q k bytes for the answer, and a
    tile of `tile_tokens` vectors in float64 with its products.
    Raises `RunFailed` for vectors that are not finite or longer than 1, `ValueError` for a corpus that is not the
    size of `order`.
    """
    asked = [_exact(query) for query in queries]
    best: Keys = np.zeros((len(asked), 0), dtype=np.uint64)
    seen = 0
    for shard in shards:
        ranks = order.rank[seen : seen + len(shard.counts)]
        if len(ranks) < len(shard.counts):
            raise ValueError(f"more than the {len(order.rank)} documents that have an id")
        scores = _scores(asked, shard, tile_tokens)
        best = np.concatenate([best, pack(scores, np.broadcast_to(ranks, scores.shape))], axis=1)
        if best.shape[1] > k:
            best = np.partition(best, best.shape[1] - k, axis=1)[:, best.shape[1] - k :]
        seen += len(ranks)
    if seen < len(order.rank):
        raise ValueError(f"{seen} documents with vectors for {len(order.rank)} ids")
    best = np.sort(best, axis=1)[:, ::-1]
    return Hits(order.documents(best), scores_of(best))


def score(query: Float16, documents: Sequence[Float16], *, tile_tokens: int = TILE_TOKENS) -> Float32:
    """Scores [documents] of a few documents for one query, each of them its token vectors [tokens, d]."""
    few = TokenVectors.of(np.concatenate([query[:0], *documents]), [len(vectors) for vectors in documents])
    scores: Float32 = _scores([_exact(query)], few, tile_tokens)[0]
    return scores


def _exact(vectors: Float16) -> Float64:
    wide = vectors.astype(np.float64)
    longest = float(np.einsum("nd,nd->n", wide, wide).max(initial=0.0)) ** 0.5
    if not longest <= _LONGEST:
        raise RunFailed(
            f"a token vector is {longest:g} long; late interaction compares vectors of length 1",
            hint="Half precision overflows in some models: try dtype: float32 or bfloat16.",
        )
    return wide


def _scores(queries: Sequence[Float64], shard: TokenVectors, tile_tokens: int) -> Float32:
    """Scores [queries, documents of the shard]."""
    scores = np.zeros((len(queries), len(shard.counts)), dtype=np.float32)
    for documents, tokens in _tiles(shard.counts, tile_tokens):
        vectors = _exact(shard.vectors[tokens])
        counts = shard.counts[documents]
        occupied = documents.start + np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[counts > 0]
        if not len(starts):
            continue
        for row, query in enumerate(queries):
            best = np.maximum.reduceat(query @ vectors.T, starts, axis=1)
            # Added up one query token after the other, whatever else is in the tile.
            scores[row, occupied] = best.cumsum(axis=0)[-1] if len(best) else 0
    scores += np.float32(0)  # a negative zero would rank below zero, to which it is equal
    return scores


def _tiles(counts: Int64, tokens: int) -> Iterator[tuple[slice, slice]]:
    """Documents, and their tokens, in pieces of at most `tokens` tokens or one document."""
    ends = np.cumsum(counts)
    first, before = 0, 0
    while first < len(counts):
        last = max(first + 1, int(np.searchsorted(ends, before + tokens, side="right")))
        yield slice(first, last), slice(before, int(ends[last - 1]))
        first, before = last, int(ends[last - 1])
