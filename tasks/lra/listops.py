"""ListOps: nested operations on lists of digits, drawn by the law of Long Range Arena's generator.

A tree at depth d is an operation with probability 1/4 and else a digit, and always a digit at the greatest depth. An
operation (MIN, MAX, MED, SM, one as likely as the other) has 2 to `max_arguments` arguments, each number as likely. A
tree is kept if its length, where an operation and its closing bracket count one symbol each, lies strictly between two
bounds, and if it was not kept before (google-research/long-range-arena, lra_benchmarks/data/listops.py; the task is
Nangia and Bowman's, 2018).

Trees are drawn level by level, many at once. All choices are independent, so the order in which they are drawn does
not change the law.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tasks.lra.draws import Draws, Ints

OPERATORS = b"mMds"
"""MIN, MAX, MED (the median, cut to a whole number) and SM (the sum modulo 10): the first symbol of an operation."""
CLOSE = ord("]")
DIGITS = tuple("0123456789")
_OPERATION_CHANCE = 0.25
_ROOTS = 2048


@dataclass(frozen=True)
class Law:
    """The bounds of the trees that are drawn."""

    max_depth: int = 10
    max_arguments: int = 10
    longer_than: int = 500
    shorter_than: int = 2000


LRA = Law()


def draw(law: Law, count: int, seed: int) -> Iterator[tuple[bytes, int]]:
    """`count` different expressions, one symbol a byte (digits, `OPERATORS`, `]`), each with its value."""
    draws, seen = Draws(seed), set[bytes]()
    while True:
        for expression, value in _Forest(law, draws).kept():
            if expression not in seen:
                seen.add(expression)
                yield expression, value
                if len(seen) == count:
                    return


@dataclass
class _Level:
    """The nodes of one depth, tree by tree and from left to right. Arrays are [nodes], `arguments` [operations]."""

    tree: Ints
    operation: np.ndarray
    symbol: Ints
    """Of a leaf its digit, of an operation its number."""
    arguments: Ints
    length: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    value: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def of(self, trees: np.ndarray) -> _Level:
        """The nodes of those trees alone, which are renumbered."""
        inside = trees[self.tree]
        number = np.cumsum(trees) - 1
        return _Level(
            number[self.tree[inside]],
            self.operation[inside],
            self.symbol[inside],
            self.arguments[inside[self.operation]],
        )


class _Forest:
    """Trees whose roots are operations (a leaf is shorter than any bound), and which of them are kept."""

    def __init__(self, law: Law, draws: Draws) -> None:
        alive = np.ones(_ROOTS, dtype=bool)
        length = np.zeros(_ROOTS, dtype=np.int64)
        levels: list[_Level] = []
        tree = np.arange(_ROOTS)
        for depth in range(1, law.max_depth + 1):
            if depth == 1:
                operation = np.ones(_ROOTS, dtype=bool)
            elif depth < law.max_depth:
                # What is too long already stays a stump, for it is thrown away.
                operation = draws.chance(_OPERATION_CHANCE, tree.size) & alive[tree]
            else:
                operation = np.zeros(tree.size, dtype=bool)
            arguments = 2 + draws.below(law.max_arguments - 1, int(operation.sum()))
            symbol = draws.below(np.where(operation, len(OPERATORS), 10), tree.size)
            levels.append(_Level(tree, operation, symbol, arguments))
            length += np.bincount(tree, 1 + operation, minlength=_ROOTS).astype(np.int64)
            tree = np.repeat(tree[operation], arguments)
            alive &= length + np.bincount(tree, minlength=_ROOTS) < law.shorter_than
        keep = alive & (length > law.longer_than)
        self._levels = [level.of(keep) for level in levels]

    def kept(self) -> Iterator[tuple[bytes, int]]:
        """The expressions that are long and short enough, with their values."""
        self._climb()
        roots = self._levels[0]
        symbols = self._written()
        end = 0
        for length, value in zip(roots.length.tolist(), roots.value.tolist(), strict=True):
            yield symbols[end : end + length], value
            end += length

    def _climb(self) -> None:
        """Lengths and values, from the deepest level up."""
        below: _Level | None = None
        for level in reversed(self._levels):
            level.length = np.ones(level.tree.size, dtype=np.int64)
            level.value = level.symbol.copy()
            if below is not None and level.arguments.size:
                starts = np.cumsum(level.arguments) - level.arguments
                level.length[level.operation] = 2 + np.add.reduceat(below.length, starts)
                level.value[level.operation] = _values(
                    level.symbol[level.operation], below.value, starts, level.arguments
                )
            below = level

    def _written(self) -> bytes:
        """All expressions, one after the other."""
        roots = self._levels[0]
        text = np.zeros(int(roots.length.sum()), dtype=np.uint8)
        place = np.cumsum(roots.length) - roots.length
        symbols = np.frombuffer(OPERATORS, dtype=np.uint8)
        for level, below in zip(self._levels, [*self._levels[1:], None], strict=True):
            leaf = ~level.operation
            text[place[leaf]] = level.symbol[leaf] + ord("0")
            opening, length = place[level.operation], level.length[level.operation]
            text[opening] = symbols[level.symbol[level.operation]]
            text[opening + length - 1] = CLOSE
            if below is not None:
                before = np.cumsum(below.length) - below.length
                first = np.cumsum(level.arguments) - level.arguments
                place = np.repeat(opening + 1, level.arguments) + before
                place -= np.repeat(before[first], level.arguments)
        return text.tobytes()


def _values(operators: Ints, arguments: Ints, starts: Ints, counts: Ints) -> Ints:
    """What each operation makes of its arguments, which lie one after the other from its start on."""
    owner = np.repeat(np.arange(starts.size), counts)
    ordered = arguments[np.lexsort((arguments, owner))]
    low, high = ordered[starts + (counts - 1) // 2], ordered[starts + counts // 2]
    by_operator = [ordered[starts], ordered[starts + counts - 1], (low + high) // 2]
    return np.choose(operators, [*by_operator, np.add.reduceat(arguments, starts) % 10])
