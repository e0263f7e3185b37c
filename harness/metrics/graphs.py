"""How much of a graph was found: F1 over bags of nodes and of links."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """A bag that was found, beside the bag that it should have been."""

    found: int
    wanted: int
    common: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 · common / (found + wanted); 1 if both bags are empty."""
        return 2 * self.common / (self.found + self.wanted) if self.found + self.wanted else 1.0

    @property
    def exact(self) -> bool:
        """True if nothing is missing and nothing too much."""
        return self.common == self.found == self.wanted


def overlap(found: Iterable[Hashable], wanted: Iterable[Hashable]) -> Overlap:
    """What two bags share: an item that is there twice counts twice, as far as both have it."""
    ours, theirs = Counter(found), Counter(wanted)
    return Overlap(ours.total(), theirs.total(), (ours & theirs).total())
