"""Where embeddings are searched: what every index of them answers, and the flat one, which looks at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np

from harness.contract import Usage
from harness.efficiency.search_work import flat_scan, vector
from harness.efficiency.work import Stage
from harness.retrieval.embedding_cache import Shard
from harness.retrieval.exact_search import search, search_among
from harness.retrieval.order import Float32, TieOrder

KEPT_BYTES = 64 * 2**20
"""Vectors up to this size stay mapped from one search to the next."""
_AMONG = "score candidates"


class Found(NamedTuple):
    """What was found for a query, best first, and the work that it took."""

    documents: list[int]
    """Positions in the corpus."""
    scores: list[float]
    usage: Usage


class VectorIndex(Protocol):
    """An index of the vectors of a corpus."""

    @property
    def description(self) -> str:
        """What kind of index it is, in a few words."""
        ...

    @property
    def uncounted(self) -> str:
        """What of its making is not counted; empty if that is nothing beside encoding."""
        ...

    @property
    def ram_bytes(self) -> int:
        """What it holds in memory."""
        ...

    @property
    def disk_bytes(self) -> int:
        """What a search reads from disk."""
        ...

    def search(self, queries: Float32, depth: int) -> Iterator[Found]:
        """At most `depth` documents for each of `queries` [q, d], by score and then by id, both descending."""
        ...

    def stage(self, depth: int) -> Stage:
        """What the work of a search for so many documents is, in operations."""
        ...

    def findings(self) -> dict[str, float]:
        """Facts that only the searches show."""
        ...


@dataclass(frozen=True)
class FlatIndex:
    """The vectors as they are, mapped from disk a shard at a time: exact, whatever the shards, tiles and threads."""

    shards: Sequence[Shard]
    order: TieOrder

    description = "flat float32, memory-mapped from disk"
    uncounted = ""
    ram_bytes = 0

    @property
    def disk_bytes(self) -> int:
        return sum(shard.disk_bytes for shard in self.shards)

    @property
    def dimensions(self) -> int:
        return self.shards[0].vectors().shape[1] if self.shards else 0

    def chunks(self) -> Iterator[Float32]:
        """The vectors of shard after shard, in memory only while they are read; few of them stay mapped.

        Mapping a small corpus anew takes twice as long as searching it for one query.
        """
        return iter(self._mapped) if self.disk_bytes <= KEPT_BYTES else (shard.vectors() for shard in self.shards)

    def search(self, queries: Float32, depth: int) -> Iterator[Found]:
        """The best documents of all, in one pass over them for all queries."""
        hits = search(queries, self.chunks(), depth, self.order)
        scan = Usage(stage="search", documents=len(self.order.rank))
        for documents, scores in zip(hits.documents.tolist(), hits.scores.tolist(), strict=True):
            yield Found(documents, scores, scan)

    def among(self, query: Float32, places: Sequence[int], depth: int) -> Found:
        """The best of the documents at `places` (ascending) for one query [d], with the scores that `search` gives."""
        vectors = np.empty((len(places), self.dimensions), dtype=np.float32)
        for row, place in enumerate(places):
            shard = bisect_right(self._firsts, place) - 1
            vectors[row] = self._mapped[shard][place - self._firsts[shard]]
        hits = search_among(query, vectors, places, depth, self.order)
        work = Usage(stage=_AMONG, documents=len(places))
        return Found(hits.documents.tolist(), hits.scores.tolist(), work)

    @cached_property
    def _mapped(self) -> list[Float32]:
        return [shard.vectors() for shard in self.shards]

    @cached_property
    def _firsts(self) -> list[int]:
        """The first document of each shard."""
        return [0, *accumulate(len(vectors) for vectors in self._mapped)][:-1]

    def stage_among(self) -> Stage:
        """A product with each candidate, for examples that name theirs."""
        return Stage(_AMONG, each={"documents": vector(self.dimensions)})

    def stage(self, depth: int) -> Stage:
        """A scan of all vectors."""
        count = len(self.order.rank)
        scan = flat_scan(count, self.dimensions, depth=depth)
        return Stage("search", once=scan, index_bytes=4 * count * self.dimensions)

    def findings(self) -> dict[str, float]:
        """None: an exact search misses nothing."""
        return {}
