"""A haystack: one JSON object of UUIDs, drawn as the published example was, sized in pairs of 80 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

BYTES_PER_PAIR = 80
"""Two quoted UUIDs, a colon, a comma and two blanks; UUID text is ASCII, so bytes are characters."""
_BITS = 128
_HYPHENS = (8, 13, 18, 23)
_PLACES = tuple(place for place in range(36) if place not in _HYPHENS)


@dataclass
class Haystack:
    """Pairs in order; threads are woven into it and keys marked before its text is taken."""

    keys: list[str]
    values: list[str]

    @classmethod
    def drawn(cls, seed: int, pairs: int) -> Haystack:
        """As the paper's README shows it: 128 random bits each, without version bits, key and value in turn."""
        bits = Random(seed).getrandbits
        drawn = [uuid(bits(_BITS)) for _ in range(2 * pairs)]
        return cls(drawn[::2], drawn[1::2])

    def weave(self, positions: Sequence[int]) -> tuple[str, ...]:
        """Make the pairs at these positions a thread: the value of each is the key of the next.

        Returns the values along it, the final one last; the thread starts at `keys[positions[0]]`.
        """
        for here, there in pairwise(positions):
            self.values[here] = self.keys[there]
        return tuple(self.values[position] for position in positions)

    def branch(self, positions: Sequence[int], branching: int, length: int) -> list[tuple[str, ...]]:
        """Make the pairs at these positions a tree: each key stands `branching` times, `length` pairs deep.

        Needs branching + branching² + … + branching ** length positions, the first of which holds the root's key.
        Returns the values along the way to each final value.
        """
        left = iter(positions)
        paths: list[tuple[str, ...]] = []

        def grow(key: str, way: tuple[str, ...]) -> None:
            for _ in range(branching):
                position = next(left)
                self.keys[position] = key
                longer = (*way, self.values[position])
                if len(longer) < length:
                    grow(longer[-1], longer)
                else:
                    paths.append(longer)

        grow(self.keys[positions[0]], ())
        return paths

    def mark(self, positions: Sequence[int], marker: str, random: Random) -> tuple[str, ...]:
        """Put the character in a random place of each of these keys; returns their values."""
        for position in positions:
            key, place = self.keys[position], random.choice(_PLACES)
            self.keys[position] = f"{key[:place]}{marker}{key[place + 1 :]}"
        return tuple(self.values[position] for position in positions)

    @property
    def text(self) -> str:
        """The JSON object: `{"key": "value", …}`, 80 bytes a pair."""
        return "{" + ", ".join(f'"{key}": "{value}"' for key, value in zip(self.keys, self.values, strict=True)) + "}"


def uuid(bits: int) -> str:
    """As `str(uuid.UUID(int=bits))`, three times as fast."""
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def spread(random: Random, pairs: int, clusters: Sequence[int] = ()) -> tuple[list[range], list[int]]:
    """Positions of clusters of these sizes that do not overlap, and all others, in random order."""
    blocks = [*range(len(clusters)), *[-1] * (pairs - sum(clusters))]
    random.shuffle(blocks)
    found: dict[int, range] = {}
    free: list[int] = []
    position = 0
    for block in blocks:
        if block >= 0:
            found[block] = range(position, position + clusters[block])
            position += clusters[block]
        else:
            free.append(position)
            position += 1
    random.shuffle(free)
    return [found[number] for number in range(len(clusters))], free
