"""Boxes, arrowheads and links of a flowchart in the colours of Mermaid's default theme."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.vision.pixels import background, coverage, near
from harness.vision.tracing import Tracer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.vision.pixels import Picture

_FILL, _LINE = (0xEC, 0xEC, 0xFF), (0x33, 0x33, 0x33)
_RED_TOLERANCE = 80
_FRAME = 4
"""Pixels of a red frame and of what is between it and the box."""
_SCALE = 2
"""Arrowheads are looked for at twice the size, where kernels have finer steps."""


@dataclass(frozen=True)
class Settings:
    """What can be tuned. Lengths are pixels of the picture."""

    fill_tolerance: int = 10
    """How far a channel may be from the colour that boxes are filled with."""
    least_width: int = 20
    least_height: int = 14
    head_width: float = 4.5
    """Of the widest disc that fits into an arrowhead, and into no line."""
    head_reach: float = 5.0
    """From an arrowhead to the box that it points to."""
    head_cover: float = 0.5
    """Cover from which on a pixel belongs to an arrowhead."""
    merged: float = 1.7
    """A head of so many times the usual area is two."""
    least_cover: float = 0.25
    """Mean cover along a line, below which it is none."""
    turn_cost: float = 0.35
    """Of a line that turns by one radian, in steps without cover."""
    dotted_ink: float = 0.1
    """Share of a square of 7 pixels around a line that is drawn on, below which the line is dotted."""
    thick_ink: float = 0.36
    """The same, above which it is thick."""

    def style(self, ink: float) -> str:
        """Of a line with so much ink around it."""
        return "dotted" if ink < self.dotted_ink else "thick" if ink > self.thick_ink else "solid"


@dataclass(frozen=True)
class Box:
    """Left, top, right, bottom; the last two are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def distance(self, x: float, y: float) -> float:
        """From a point outside; 0 inside."""
        return float(np.hypot(max(self.left - x, 0, x - self.right + 1), max(self.top - y, 0, y - self.bottom + 1)))


@dataclass(frozen=True)
class Head:
    """An arrowhead, or several that have run together."""

    x: float
    y: float
    area: float
    box: int
    """The box that it points to."""


@dataclass(frozen=True)
class Found:
    """What is in a picture."""

    boxes: tuple[Box, ...]
    arrows: int
    links: tuple[tuple[int, int], ...]
    """(from, to), places in `boxes`."""
    styles: tuple[str, ...] = ()
    """Of each link: solid, thick or dotted."""
    ways: int = 0
    """Steps that were looked at to follow the links."""


def read_chart(picture: Picture, settings: Settings, *, links: bool = True) -> Found:
    """Find boxes and arrows, and with `links` where each arrow comes from."""
    boxes, inside = _boxes(picture, settings)
    if not boxes:
        return Found((), 0, ())
    ground = background(picture, inside == 0)
    cover = coverage(picture, ground, _LINE)
    cover[inside > 0] = 0
    heads = _heads(cover, boxes, settings)
    usual = median([head.area for head in heads]) if heads else 1.0
    counts = [max(1, round(head.area / usual)) if head.area > settings.merged * usual else 1 for head in heads]
    if not links:
        return Found(boxes, sum(counts), ())
    tracer = Tracer(cover, inside, settings.least_cover, settings.turn_cost)
    lines = [tracer.lines_to(head.x, head.y, head.box) for head in heads]
    found = {
        (traced.source, head.box): settings.style(traced.ink)
        for head, count, line in zip(heads, counts, lines, strict=True)
        for traced in line.traced[:count]
    }
    ways = sum(line.ways for line in lines)
    return Found(boxes, sum(counts), tuple(found), tuple(found.values()), ways)


def red_box(picture: Picture) -> Box | None:
    """What a red frame is drawn around; None if there is none."""
    import cv2

    red = near(picture, (0xFF, 0, 0), _RED_TOLERANCE).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(red, connectivity=8)
    frames = [row for row in stats[1:].tolist() if row[2] >= 12 and row[3] >= 10]
    if not frames:
        return None
    left, top, width, height, _ = max(frames, key=lambda row: row[2] * row[3])
    return Box(left + _FRAME, top + _FRAME, left + width - _FRAME, top + height - _FRAME)


def _boxes(picture: Picture, settings: Settings) -> tuple[tuple[Box, ...], NDArray[np.int32]]:
    """Boxes, and for each pixel the number of its box from 1 on; 0 outside."""
    import cv2

    filled = near(picture, _FILL, settings.fill_tolerance).astype(np.uint8)
    closed = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, np.ones((5, 9), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((settings.least_height, settings.least_width), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    boxes: list[Box] = []
    inside = np.zeros(labels.shape, dtype=np.int32)
    for left, top, width, height, area in stats[1:].tolist():
        if area >= 0.7 * width * height and width < picture.shape[1] * 0.98:
            boxes.append(Box(left, top, left + width, top + height))
            # The border is a pixel or two beside the filling.
            inside[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2] = len(boxes)
    return tuple(boxes), inside


def _heads(cover: NDArray[np.float32], boxes: tuple[Box, ...], settings: Settings) -> list[Head]:
    import cv2

    large = cv2.resize(cover, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_LINEAR)
    size = max(2, round(settings.head_width * _SCALE))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    dark = (large > settings.head_cover).astype(np.uint8)
    opened: Any = cv2.morphologyEx(dark, cv2.MORPH_OPEN, kernel)
    _, labels, stats, centres = cv2.connectedComponentsWithStats(opened)
    heads = []
    for number in range(1, len(stats)):
        left, top, width, height, area = stats[number].tolist()
        part = labels[top : top + height, left : left + width] == number
        ys, xs = np.nonzero(part)
        points = np.stack([xs + left, ys + top], axis=1) / _SCALE
        gaps = [_gap(box, points) for box in boxes]
        nearest = int(np.argmin(gaps))
        if gaps[nearest] <= settings.head_reach:
            x, y = (centres[number] / _SCALE).tolist()
            heads.append(Head(x, y, area / _SCALE**2, nearest))
    return heads


def _gap(box: Box, points: NDArray[np.float64]) -> float:
    """From a box to the nearest of some points [n, 2]."""
    x, y = points[:, 0], points[:, 1]
    dx = np.maximum(np.maximum(box.left - x, x - box.right + 1), 0)
    dy = np.maximum(np.maximum(box.top - y, y - box.bottom + 1), 0)
    return float(np.hypot(dx, dy).min())
