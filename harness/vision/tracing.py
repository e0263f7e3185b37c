"""Following a line from its arrowhead back to the box where it begins.

A beam of walkers, each with a place and a direction, steps over the picture. A step costs what it lacks in cover and
what it turns, so that a walker goes straight on where lines cross, and over the gaps of a dotted line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP = 5.0
_BEAM = 24
_TURNS = np.radians(np.arange(-30, 31, 10))
_FIRST = np.radians(np.arange(0, 360, 15))
_SAMPLES = np.linspace(0.2, 1.0, 5) * _STEP
_MOST_STEPS = 500
_SQUARE = 7
_HEAD_STEPS = 2
"""Within which a walker may still be on the arrowhead."""
_MEMORY = 0.8
"""Of the running mean of cover: it forgets a step's in about five steps."""


@dataclass(frozen=True)
class Traced:
    """A line that was followed to its beginning."""

    source: int
    """The box, from 0 on."""
    cost: float
    """Of a step, in the mean."""
    ink: float
    """Mean cover of a square around the line: more of a thick line, less of a dotted one."""


@dataclass(frozen=True)
class Lines:
    """Lines that may lead to an arrowhead, one for each box that they begin in, best first."""

    traced: tuple[Traced, ...]
    ways: int
    """Steps of walkers that were looked at."""


@dataclass(frozen=True)
class Tracer:
    """Lines of one picture."""

    cover: NDArray[np.float32]
    inside: NDArray[np.int32]
    """Number of the box of each pixel, from 1 on."""
    least_cover: float
    turn_cost: float

    @cached_property
    def _near(self) -> NDArray[np.float32]:
        """A pixel to each side counts: a walker does not have to be in the middle of a thin line."""
        import cv2

        return cast("NDArray[np.float32]", cv2.dilate(self.cover, np.ones((3, 3), np.uint8)))

    @cached_property
    def _ink_around(self) -> NDArray[np.float32]:
        import cv2

        return cast("NDArray[np.float32]", cv2.blur(self.cover, (_SQUARE, _SQUARE)))

    def lines_to(self, x: float, y: float, target: int) -> Lines:
        """Lines that may lead to an arrowhead at (x, y) of a box."""
        cover, ink_around, ways = self._near, self._ink_around, 0
        height, width = cover.shape
        place = np.repeat([[x, y]], len(_FIRST), axis=0)
        heading, cost = _FIRST.copy(), np.zeros(len(_FIRST))
        recent = np.ones(len(_FIRST))
        ink = np.zeros(len(_FIRST))
        best: dict[int, Traced] = {}
        for taken in range(1, _MOST_STEPS):
            turned = (heading[:, None] + _TURNS).ravel()
            ways += len(turned)
            before = np.repeat(place, len(_TURNS), axis=0)
            directions = np.stack([np.cos(turned), np.sin(turned)], axis=1)
            points = before[:, None, :] + directions[:, None, :] * _SAMPLES[None, :, None]
            columns = np.rint(points[..., 0]).astype(int).clip(0, width - 1)
            rows = np.rint(points[..., 1]).astype(int).clip(0, height - 1)
            boxes = self.inside[rows, columns]
            entered = boxes.max(axis=1)
            seen = np.where(boxes > 0, 1.0, cover[rows, columns]).mean(axis=1)
            turning = np.tile(np.abs(_TURNS), len(heading)) * self.turn_cost
            total = np.repeat(cost, len(_TURNS)) + (1 - seen) + turning
            inked = np.repeat(ink, len(_TURNS))
            if taken > _HEAD_STEPS:
                inked = inked + ink_around[rows, columns].mean(axis=1)
            running = _MEMORY * np.repeat(recent, len(_TURNS)) + (1 - _MEMORY) * seen
            arrived = (entered > 0) & (entered != target + 1) & (running >= self.least_cover)
            for number in np.unique(entered[arrived]).tolist():
                first = np.flatnonzero(arrived & (entered == number))
                first = first[np.argmin(total[first])]
                steps = max(1, taken - _HEAD_STEPS)
                traced = Traced(number - 1, float(total[first]) / taken, float(inked[first]) / steps)
                if number - 1 not in best or traced.cost < best[number - 1].cost:
                    best[number - 1] = traced
            after = points[:, -1]
            on = (after >= 0).all(axis=1) & (after[:, 0] < width) & (after[:, 1] < height)
            left = np.flatnonzero((entered == 0) & (running >= self.least_cover) & on)
            if not left.size:
                break
            left = left[np.argsort(total[left], kind="stable")]
            kept = _apart(after[left], turned[left])
            left = left[kept][:_BEAM]
            place, heading, cost = after[left], turned[left], total[left]
            recent, ink = running[left], inked[left]
        return Lines(tuple(sorted(best.values(), key=lambda traced: traced.cost)), ways)


def _apart(places: NDArray[np.float64], headings: NDArray[np.float64]) -> NDArray[np.intp]:
    """The first of those that are at about the same place with about the same heading."""
    cells = np.column_stack([places // 3, (np.degrees(headings) % 360) // 20]).astype(np.int64)
    keys = (cells[:, 0] << 40) + (cells[:, 1] << 16) + cells[:, 2]
    return np.sort(np.unique(keys, return_index=True)[1])
