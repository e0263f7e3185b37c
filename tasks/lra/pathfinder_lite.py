"""Two dashed paths among shorter ones, and two marked points: do they lie on one path? A generator of its own.

Of the kind of Pathfinder (Linsley et al., 2018; Tay et al., 2021), whose generator cannot be run again to the same
pictures; scores on it are not scores on Pathfinder. Paths are walks of equal steps whose direction turns by a bounded
random angle, each a minimum distance from every other. One mark is at an end of the first path; the other at its other
end, or at an end of the second path that is about as far away, so that distance tells nothing.

All of it is whole numbers, in 1/256 of a pixel: the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.lra.draws import Draws, Ints

LABELS = ("apart", "connected")
_UNIT = 256
_DIRECTIONS = 64
_TABLE = np.array(
    [[round(_UNIT * f(2 * math.pi * k / _DIRECTIONS)) for f in (math.cos, math.sin)] for k in range(_DIRECTIONS)]
)
"""Unit vectors; a rounded cosine is the same everywhere."""


@dataclass(frozen=True)
class PathLaw:
    """How pictures look. Lengths in 1/256 of a pixel, turns in 1/64 of a circle."""

    side: int = 32
    """Pixels."""
    steps: int = 8
    """Dashes of each of the two paths."""
    distractors: int = 4
    distractor_steps: int = 3
    step: int = 3 * _UNIT
    turn: int = 5
    """The largest turn between two dashes, to either side."""
    apart: int = 3 * _UNIT
    """The least distance between points of two paths."""
    margin: int = 2 * _UNIT
    slack: int = 2 * _UNIT
    """By how much the distances of the marks may differ between the two labels."""


def draw(law: PathLaw, count: int, seed: int) -> Iterator[tuple[bytes, str]]:
    """`count` pictures, row by row, with as many of either label as chance makes."""
    draws = Draws(seed)
    for _ in range(count):
        paths, mark = _scene(law, draws)
        connected = draws.one(2)
        ends = [paths[0][0], paths[0][-1] if connected else mark]
        yield _picture(law, paths, ends), LABELS[connected]


def _scene(law: PathLaw, draws: Draws) -> tuple[list[Ints], Ints]:
    """The paths, and the end of the second that is about as far from the first's start as its own end."""
    while True:
        paths = _added([], law.steps, 2, law, draws)
        if paths is None:
            continue
        start, own = paths[0][0], _distance(paths[0][0], paths[0][-1])
        near = [end for end in (paths[1][0], paths[1][-1]) if abs(_distance(start, end) - own) <= law.slack]
        if near and (every := _added(paths, law.distractor_steps, law.distractors, law, draws)) is not None:
            return every, near[draws.one(len(near))]


def _added(paths: list[Ints], steps: int, count: int, law: PathLaw, draws: Draws) -> list[Ints] | None:
    """The paths and so many more; None where no place is found for one."""
    for _ in range(count):
        path = _free_path(law, steps, paths, draws)
        if path is None:
            return None
        paths = [*paths, path]
    return paths


def _free_path(law: PathLaw, steps: int, others: list[Ints], draws: Draws, tries: int = 32) -> Ints | None:
    """The first of many walks that stays inside and off the others and itself: [steps + 1, 2]."""
    room = law.side * _UNIT - 2 * law.margin
    starts = law.margin + np.stack([draws.below(room, tries), draws.below(room, tries)], axis=1)
    turns = draws.below(2 * law.turn + 1, tries * (steps - 1)).reshape(tries, steps - 1) - law.turn
    first = draws.below(_DIRECTIONS, tries)
    directions = (first[:, None] + np.concatenate([np.zeros((tries, 1), int), np.cumsum(turns, axis=1)], axis=1)) % 64
    moves = _TABLE[directions] * law.step // _UNIT
    walks = np.concatenate([starts[:, None], starts[:, None] + np.cumsum(moves, axis=1)], axis=1)
    fits = ((walks >= law.margin) & (walks <= law.side * _UNIT - law.margin)).all(axis=(1, 2))
    if others:
        fits &= (_squares(walks, np.concatenate(others)) >= law.apart**2).all(axis=(1, 2))
    for walk in walks[fits]:
        between = _squares(walk, walk)
        later = np.triu(np.ones(between.shape, dtype=bool), k=2)
        if (between[later] >= law.apart**2).all():
            return walk  # type: ignore[no-any-return]
    return None


def _squares(one: Ints, other: Ints) -> Ints:
    """Squared distances between points [..., n, 2] and [m, 2]: [..., n, m]."""
    squares: Ints = (one[..., :, None, 0] - other[:, 0]) ** 2
    squares += (one[..., :, None, 1] - other[:, 1]) ** 2
    return squares


def _distance(one: Ints, other: Ints) -> int:
    return math.isqrt(int(((one - other) ** 2).sum()))


def _picture(law: PathLaw, paths: list[Ints], marks: list[Ints]) -> bytes:
    """Grey levels: dashes with soft edges over the middle of each step, and a disc on each marked point."""
    centres = np.arange(law.side) * _UNIT + _UNIT // 2
    pixels = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    starts = np.concatenate([path[:-1] for path in paths])
    steps = np.concatenate([np.diff(path, axis=0) for path in paths])
    dashes = starts[:, None] + steps[:, None] * np.array([2, 4, 6])[:, None] // 8
    away = _squares(pixels, dashes.reshape(-1, 2)).min(axis=1)
    level = np.clip(230 * (_UNIT**2 * 5 // 4 - away) // _UNIT**2, 0, 200)
    near = _squares(pixels, np.array(marks)).min(axis=1)
    level[near <= (_UNIT * 7 // 4) ** 2] = 255
    return bytes(level.astype(np.uint8))
