"""What is asked: questions over shared haystacks, with the answers and the way to each of them.

Several questions share a haystack, so that each thread and each set of marked keys is a decoy for the others: that a
value is also a key, or that a key is marked, does not give an answer away. All that hides something takes at most two
thirds of the pairs, and a single thread at most one third.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tasks.needle_threading.haystack import Haystack, spread

AT_LEAST = 100
"""Questions of a task; cells (a depth, a length in a direction …) are repeated until there are so many."""
_DEPTHS = tuple(range(0, 101, 10))
_NEEDLES = (3, 5, 10, 15, 25)
_PLACEMENTS = ("random", "clustered")
_MARKERS = "*&#%@!?+=~"
_LENGTHS = (*range(2, 11), 15, 20, 25)
_DIRECTIONS = ("forward", "backward", "random")
_THREADS = (2, 3, 4, 5)
_THREAD_LENGTHS = (2, 3, 4, 5, 10)
_TREES = ((2, 2), (2, 3), (2, 4), (3, 2), (3, 3))

_LIST = "Answer with a JSON list of the values"
_FOLLOW = (
    "follow the thread: look up the value, and as long as the value is itself a key, look up the value of that key"
)


Cell = TypeVar("Cell")


@dataclass(frozen=True)
class Question:
    """A question about a haystack."""

    text: str
    """What follows the haystack and a line break in the prompt."""
    asked: tuple[str, ...]
    """The keys that the question names."""
    paths: tuple[tuple[str, ...], ...]
    """For each answer the values that a reader meets on the way to it, the answer last."""
    one: bool
    """The answer is one value; else a list."""
    ordered: bool = False
    """The list has to be in the order of the keys asked for."""
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def answers(self) -> tuple[str, ...]:
        """The values to give."""
        return tuple(path[-1] for path in self.paths)


Asked = tuple[str, list[Question]]
"""The text of a haystack, and its questions."""


def single(pairs: int) -> Iterator[Asked]:
    """One needle at each depth from 0 to 100 % of the haystack."""
    depths = {round(depth / 100 * (pairs - 1)): depth for depth in _DEPTHS}
    for seed in range(_repeats(len(depths))):
        hay = Haystack.drawn(seed, pairs)
        yield hay.text, [_one_needle(hay, at, depth) for at, depth in depths.items()]


def multiple(pairs: int) -> Iterator[Asked]:
    """Several needles, scattered or next to each other, asked for in random order."""
    cells = [(count, placement) for count in _NEEDLES for placement in _PLACEMENTS if count <= pairs // 3]
    for seed in range(_repeats(len(cells))):
        random, hay = _random("multiple", pairs, seed), Haystack.drawn(seed, pairs)
        yield hay.text, [_needles(hay, random, count, placement) for count, placement in cells]


def conditional(pairs: int) -> Iterator[Asked]:
    """All needles whose key holds a marker; every set has a marker of its own."""
    cells = [(count, placement) for count in _NEEDLES for placement in _PLACEMENTS]

    def hide(hay: Haystack, random: Random, some: Sequence[tuple[int, str]]) -> list[Question]:
        runs, free = spread(random, pairs, [count for count, placement in some if placement == "clustered"])
        left, questions = iter(runs), []
        for marker, (count, placement) in zip(_MARKERS, some, strict=False):
            positions = next(left) if placement == "clustered" else _take(free, count)
            values = hay.mark(positions, marker, random)
            groups = {"needles": str(count), "placement": placement}
            text = (
                "Extract the values corresponding to all keys in the JSON object that contain the character "
                f'"{marker}". {_LIST}.\n Corresponding values: '
            )
            questions.append(Question(text, (), tuple((v,) for v in values), one=False, groups=groups))
        return questions

    return _hidden("conditional", pairs, cells, lambda cell: cell[0], hide)


def threads(pairs: int) -> Iterator[Asked]:
    """One thread to follow, through the haystack forward, backward or to and fro; others are decoys."""
    cells = [(length, direction) for length in _LENGTHS for direction in _DIRECTIONS]

    def hide(hay: Haystack, random: Random, some: Sequence[tuple[int, str]]) -> list[Question]:
        _, free = spread(random, pairs)
        questions = []
        for length, direction in some:
            positions = _directed(_take(free, length), direction)
            path, start = hay.weave(positions), hay.keys[positions[0]]
            text = (
                f"Starting from the specified key in the JSON object, {_FOLLOW}. Give the final value only, which is "
                f'not a key. Key: "{start}"\n Corresponding value: '
            )
            groups = {"length": str(length), "direction": direction}
            questions.append(Question(text, (start,), (path,), one=True, groups=groups))
        return questions

    return _hidden("threads", pairs, cells, lambda cell: cell[0], hide)


def multi_threads(pairs: int) -> Iterator[Asked]:
    """Several threads of one length to follow at once; their pairs are in random order."""
    cells = [(count, length) for count in _THREADS for length in _THREAD_LENGTHS]

    def hide(hay: Haystack, random: Random, some: Sequence[tuple[int, int]]) -> list[Question]:
        _, free = spread(random, pairs)
        questions = []
        for count, length in some:
            woven = [_take(free, length) for _ in range(count)]
            paths, starts = tuple(map(hay.weave, woven)), tuple(hay.keys[positions[0]] for positions in woven)
            text = (
                f"Starting from each of the specified keys in the JSON object, {_FOLLOW}. {_LIST} at the ends of the "
                f"threads, in the order of the keys. Keys: {json.dumps(starts)}\n Corresponding values: "
            )
            groups = {"threads": str(count), "length": str(length)}
            questions.append(Question(text, starts, paths, one=False, ordered=True, groups=groups))
        return questions

    return _hidden("multi-threads", pairs, cells, math.prod, hide)


def branched(pairs: int) -> Iterator[Asked]:
    """A thread that divides: each key stands several times in the object, and all final values are asked for."""

    def hide(hay: Haystack, random: Random, some: Sequence[tuple[int, int]]) -> list[Question]:
        _, free = spread(random, pairs)
        questions = []
        for branching, length in some:
            positions = _take(free, _tree_pairs((branching, length)))
            start = hay.keys[positions[0]]
            paths = tuple(hay.branch(positions, branching, length))
            text = (
                "A key may stand several times in the JSON object, each time with another value: the thread divides "
                f"there. Starting from the specified key, {_FOLLOW}, in all branches. {_LIST} at the ends of all "
                f'branches. Key: "{start}"\n Corresponding values: '
            )
            groups = {"branching": str(branching), "length": str(length)}
            questions.append(Question(text, (start,), paths, one=False, groups=groups))
        return questions

    return _hidden("branched", pairs, list(_TREES), _tree_pairs, hide)


def _one_needle(hay: Haystack, at: int, depth: int) -> Question:
    # The wording that the README shows.
    text = (
        "Extract the value corresponding to the specified key in the JSON object. "
        f'Key: "{hay.keys[at]}"\n Corresponding value: '
    )
    return Question(text, (hay.keys[at],), ((hay.values[at],),), one=True, groups={"depth": str(depth)})


def _needles(hay: Haystack, random: Random, count: int, placement: str) -> Question:
    runs, free = spread(random, len(hay.keys), [count] if placement == "clustered" else [])
    positions = list(runs[0]) if runs else _take(free, count)
    random.shuffle(positions)
    keys = tuple(hay.keys[position] for position in positions)
    text = (
        f"Extract the values corresponding to the specified keys in the JSON object. {_LIST}, in the order of the "
        f"keys. Keys: {json.dumps(keys)}\n Corresponding values: "
    )
    paths = tuple((hay.values[position],) for position in positions)
    groups = {"needles": str(count), "placement": placement}
    return Question(text, keys, paths, one=False, ordered=True, groups=groups)


def _hidden(
    name: str,
    pairs: int,
    cells: Sequence[Cell],
    cost: Callable[[Cell], int],
    hide: Callable[[Haystack, Random, Sequence[Cell]], list[Question]],
) -> Iterator[Asked]:
    """Cells that fit, repeated and packed into haystacks; one that would be alone in its haystack gets a decoy."""
    fitting = [cell for cell in cells if cost(cell) <= pairs // 3]
    seed = 0
    for repeat in range(_repeats(len(fitting))):
        random = _random(name, pairs, repeat)
        random.shuffle(fitting)
        for some in _packed(fitting, cost, 2 * (pairs // 3)):
            hay = Haystack.drawn(seed, pairs)
            questions = hide(hay, random, some if len(some) > 1 else some * 2)
            yield hay.text, questions[: len(some)]
            seed += 1


def _packed(cells: Sequence[Cell], cost: Callable[[Cell], int], capacity: int) -> list[list[Cell]]:
    """First fit, in the given order."""
    bins: list[list[Cell]] = []
    for cell in cells:
        fitting = next((b for b in bins if sum(map(cost, b)) + cost(cell) <= capacity), None)
        if fitting is None:
            bins.append([cell])
        else:
            fitting.append(cell)
    return bins


def _directed(positions: list[int], direction: str) -> list[int]:
    return positions if direction == "random" else sorted(positions, reverse=direction == "backward")


def _tree_pairs(tree: tuple[int, int]) -> int:
    branching, length = tree
    return sum(branching**depth for depth in range(1, length + 1))


def _take(free: list[int], count: int) -> list[int]:
    taken, free[:] = free[:count], free[count:]
    return taken


def _repeats(cells: int) -> int:
    return -(-AT_LEAST // cells) if cells else 0


def _random(name: str, pairs: int, repeat: int) -> Random:
    return Random(f"needle-1 {name} {pairs} {repeat}")
