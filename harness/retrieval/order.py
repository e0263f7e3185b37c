"""The order of ranked documents: by score as float32, then by id, both descending, as trec_eval has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Int64: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = npt.NDArray[np.uint64]
"""A score and a place among ids as one integer: the greater it is, the higher its document ranks."""


@dataclass(frozen=True)
class TieOrder:
    """How equal scores rank: a document of higher rank first. Both arrays [documents]."""

    rank: Int64
    """Place of each document among all ids, ascending."""
    document: Int64
    """The document at each place."""

    @classmethod
    def of(cls, ids: Sequence[str]) -> TieOrder:
        """By id; the order of code points is that of UTF-8 bytes, which trec_eval's `strcmp` compares."""
        document = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
        rank = np.empty_like(document)
        rank[document] = np.arange(len(ids))
        return cls(rank, document)

    @property
    def nbytes(self) -> int:
        return self.rank.nbytes + self.document.nbytes

    def documents(self, keys: Keys) -> Int64:
        """The documents of packed keys."""
        return self.document[(keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]


def pack(scores: Float32, ranks: npt.NDArray[np.integer]) -> Keys:
    """Scores and ranks as keys: the score in the high half, so mapped that integers order as floats do.

    Zero is below every key. There must be no NaN and no negative zero.
    """
    bits = scores.view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return ordered.astype(np.uint64) << np.uint64(32) | ranks.astype(np.uint64)


def scores_of(keys: Keys) -> Float32:
    """The scores of packed keys."""
    ordered = (keys >> np.uint64(32)).astype(np.uint32)
    return np.where(ordered >> 31, ordered & np.uint32(0x7FFFFFFF), ~ordered).view(np.float32)
