"""Near duplicates among functions, as CodeSearchNet takes them out (Allamanis 2019, arXiv:1812.06469).

Two functions are near duplicates if the Jaccard similarity of the sets of their identifiers is at least 0.8, and that
of the multisets at least 0.7. That is taken for transitive: of each cluster one function stays, here the first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

SET_TENTHS, BAG_TENTHS = 8, 7
"""The thresholds in tenths, so that no rounding decides."""

Bag = Counter[str]


def originals(bags: Sequence[Bag]) -> list[int]:
    """The places of the functions that stay, ascending; each is given as its identifiers with their counts."""
    leader = list(range(len(bags)))

    def first_of(place: int) -> int:
        while leader[place] != place:
            leader[place] = place = leader[leader[place]]
        return place

    for one, other in near_duplicates(bags):
        low, high = sorted((first_of(one), first_of(other)))
        leader[high] = low
    return [place for place in range(len(bags)) if leader[place] == place]


def near_duplicates(bags: Sequence[Bag]) -> Iterator[tuple[int, int]]:
    """All pairs of places that are near duplicates.

    Rare identifiers come first in every function: two sets that share eight tenths of their union share one of the
    first fifth of each, so that only functions that meet there are compared (Bayardo, Ma and Srikant 2007).
    """
    times = Counter(name for bag in bags for name in bag)
    holders: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(bags)), key=lambda place: len(bags[place])):
        bag = bags[place]
        rarest = sorted(bag, key=lambda name: (times[name], name))
        first = rarest[: len(bag) - _at_least(SET_TENTHS * len(bag)) + 1]
        for other in {other for name in first for other in holders[name]}:
            if _are_near(bag, bags[other]):
                yield other, place
        for name in first:
            holders[name].append(place)


def _at_least(tenths: int) -> int:
    return -(-tenths // 10)


def _are_near(one: Bag, other: Bag) -> bool:
    if 10 * len(other) < SET_TENTHS * len(one):
        return False
    both = one.keys() & other.keys()
    if 10 * len(both) < SET_TENTHS * (len(one) + len(other) - len(both)):
        return False
    shared = sum(min(one[name], other[name]) for name in both)
    return 10 * shared >= BAG_TENTHS * (one.total() + other.total() - shared)
