"""The roofline of some phases: what each operation could reach, what it is held to reach, and what limits it.

Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for multicore architectures", 2009.
Plain values, no torch: from stored ledgers as well as fresh ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from harness.efficiency.counts import Placed
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.pricing import PhaseTable, bound_seconds
from harness.efficiency.products import MATRIX_UNITS
from harness.efficiency.stacks import Stack


@dataclass(frozen=True)
class Roof:
    """What the hardware reaches at most, over all accelerators, in arithmetic of a dtype."""

    dtype: str
    flops_per_second: float
    bytes_per_second: float
    ridge: float
    """FLOPs a byte from which on the arithmetic limits, and no longer the memory."""


@dataclass(frozen=True)
class Point:
    """All calls of an operation with the same shapes."""

    phase: str
    operation: str
    dtype: str
    calls: float
    flops: float
    bytes: float
    intensity: float
    """FLOPs a byte."""
    flops_per_second: float
    """At the calibrated seconds where there is a stack, else at the bound."""
    bound_flops_per_second: float
    """Under the roof at this intensity."""
    seconds: float
    """Calibrated where there is a stack, else the bound; launches and communication are not in it."""
    share: float
    """Of the seconds of all points."""
    limit: Literal["compute", "memory"]


@dataclass(frozen=True)
class Roofline:
    """Points, largest share first, below their roofs."""

    hardware: str
    stack: str | None
    accelerators: int
    roofs: tuple[Roof, ...]
    points: tuple[Point, ...]


def roofline(
    phases: Sequence[tuple[Phase, float]], hardware: Hardware, stack: Stack | None, accelerators: int = 1
) -> Roofline:
    """Of phases with how often each runs. Norms and pointwise passes have no point: the bound has them for free.

    Raises `MissingNumber` for an unknown number of the hardware that the phases need.
    """
    found = [(phase, times, o) for phase, times in phases for o in phase.operations]
    alone = [Placed(Phase(phase.name, (msgspec.structs.replace(o, count=1.0),)), accelerators) for phase, _, o in found]
    bounds = np.array([bound_seconds(p.phase, hardware, accelerators) for p in alone])
    seconds = bounds
    if stack is not None and alone:
        seconds = np.maximum(bounds, PhaseTable.of(alone, hardware, stack).seconds(stack.constants))
    calls = np.array([times * o.count for _, times, o in found])
    total = float(np.sum(calls * seconds)) or 1.0
    points = [
        _point(phase.name, o, hardware, accelerators, call=(float(n), float(b), float(s)), total=total)
        for (phase, _, o), n, b, s in zip(found, calls, bounds, seconds, strict=True)
        if b > 0 and n > 0
    ]
    dtypes = sorted({o.dtype for _, _, o in found if o.kind in MATRIX_UNITS and o.flops})
    return Roofline(
        hardware=hardware.name,
        stack=stack.name if stack else None,
        accelerators=accelerators,
        roofs=tuple(_roof(dtype, hardware, accelerators) for dtype in dtypes),
        points=tuple(sorted(points, key=lambda point: -point.share)),
    )


def _roof(dtype: str, hardware: Hardware, accelerators: int) -> Roof:
    peak, bandwidth = hardware.peak(dtype), hardware.number("bandwidth_bytes_per_second")
    return Roof(dtype, accelerators * peak, accelerators * bandwidth, peak / bandwidth)


def _point(
    phase: str,
    operation: Operation,
    hardware: Hardware,
    accelerators: int,
    *,
    call: tuple[float, float, float],
    total: float,
) -> Point:
    calls, bound, seconds = call
    moved = operation.bytes_read + operation.bytes_written
    intensity = operation.flops / moved if moved else 0.0
    computes = operation.kind in MATRIX_UNITS and intensity > _roof(operation.dtype, hardware, accelerators).ridge
    return Point(
        phase=phase,
        operation=operation.name,
        dtype=operation.dtype,
        calls=calls,
        flops=calls * operation.flops,
        bytes=calls * moved,
        intensity=intensity,
        flops_per_second=operation.flops / seconds,
        bound_flops_per_second=operation.flops / bound,
        seconds=calls * seconds,
        share=calls * seconds / total,
        limit="compute" if computes else "memory",
    )
