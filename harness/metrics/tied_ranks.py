"""Reciprocal rank and recall where scores are tied: what a random order of the tied documents gives on average.

Papers sort with `argsort` and let chance decide (or the order of the file, which puts the answer first in some sets).
The mean over all orders of equal documents is exact and needs no draw; the best and the worst order are its bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FirstFound:
    """Where the best of the right documents stands: in a group of `tied` documents, `right` of them right ones.

    `before` documents score higher. Documents that were not returned are a group as well, the last: `is_miss` says
    that the right one is among those, or has a score of exactly zero, which is what a term match that found nothing is.
    """

    before: int
    tied: int
    right: int
    is_miss: bool = False

    def expected(self, cut: int) -> float:
        """The mean of the reciprocal rank over all orders of the tied; a rank beyond `cut` counts 0, and so does a
        miss."""
        if self.is_miss:
            return 0.0
        total, chance = 0.0, self.right / self.tied
        for place in range(min(self.tied - self.right, cut - self.before - 1) + 1):
            total += chance / (self.before + 1 + place)
            # The chance that the first right one stands a place further: one more wrong one before it.
            left = self.tied - place
            chance *= (left - self.right) / (left - 1) if left > 1 else 0.0
        return total

    def best(self, cut: int) -> float:
        """The reciprocal rank if the right ones come first among their equals; a miss is first of what was missed."""
        return _reciprocal(self.before + 1, cut)

    def worst(self, cut: int) -> float:
        """The reciprocal rank if the right ones come last among their equals; 0 for a miss."""
        return 0.0 if self.is_miss else _reciprocal(self.before + self.tied - self.right + 1, cut)


def first_found(scores: Floats, is_right: Flags, relevant: int, total: int) -> FirstFound:
    """`scores` [n] of the documents returned, which of them `is_right` [n], and how many are `relevant` of `total`.

    Several right documents are found as soon as one is.
    """
    is_found = is_right & (scores != 0)
    if not is_found.any():
        before = int(np.count_nonzero(scores))
        return FirstFound(before, max(1, total - before), max(1, relevant), is_miss=True)
    best = scores[is_found].max()
    tied = scores == best
    return FirstFound(int((scores > best).sum()), int(tied.sum()), int((tied & is_right).sum()))


def recall(scores: Floats, is_right: Flags, relevant: int, cut: int) -> float:
    """The share of the `relevant` documents among the first `cut`, as tied documents have it on average."""
    if not relevant:
        return 0.0
    found = 0.0
    for score in scores[is_right & (scores != 0)]:
        before, tied = int((scores > score).sum()), int((scores == score).sum())
        found += min(1.0, max(0, cut - before) / tied)
    return found / relevant


@cache
def random_reciprocal_rank(relevant: int, total: int, cut: int) -> float:
    """What a random order of all documents gets: the floor."""
    return FirstFound(0, total, relevant).expected(cut) if relevant else 0.0


def _reciprocal(rank: int, cut: int) -> float:
    return 1 / rank if rank <= cut else 0.0
