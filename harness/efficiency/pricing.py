"""Seconds of a phase: the physical bound, and the calibrated prediction of a software stack.

Bound: every operation takes at least max(FLOPs / peak, bytes / bandwidth), divided over all accelerators; norms and
pointwise passes are free, because a fused kernel absorbs them (roofline model, Williams et al. 2009).
Calibrated: the same with the stack's efficiencies, tiles as in `tiling`, pointwise traffic, launches and all-reduces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.products import MATRIX_UNITS, Products
from harness.efficiency.stacks import Constants, Stack
from harness.efficiency.tiling import tiled_flops
from harness.errors import InputError

FloatArray = npt.NDArray[np.float64]

_FUSABLE = ("norm", "pointwise")
_ALLREDUCES_PER_LAYER = 2
"""After attention and after the feed-forward part: Shoeybi et al. 2019 (arXiv 1909.08053, section 3)."""


class ImpossibleClaim(InputError):
    """A measured time below the physical bound."""


@dataclass(frozen=True)
class Placed:
    """A phase on n accelerators, which split every layer between them (tensor parallel)."""

    phase: Phase
    accelerators: int = 1
    allreduce_bytes: float = 0.0
    """Of one all-reduce: batch · tokens · hidden size · element size."""


@dataclass(frozen=True)
class Estimate:
    """Seconds on reference hardware, by basis; calibrated numbers with the p90 of their held-out relative error."""

    bound_seconds: float
    calibrated_seconds: float | None = None
    error_p90: float | None = None


def estimate(placed: Placed, hardware: Hardware, stack: Stack | None) -> Estimate:
    """Price one phase. Raises `MissingNumber` for an unknown number of the hardware that the price needs."""
    bound = bound_seconds(placed.phase, hardware, placed.accelerators)
    if stack is None:
        return Estimate(bound)
    seconds = PhaseTable.of([placed], hardware, stack).seconds(stack.constants)
    return Estimate(bound, max(bound, float(seconds[0])), stack.error_p90)


def bound_seconds(phase: Phase, hardware: Hardware, accelerators: int = 1) -> float:
    """The least time that the operations can take, one after the other, on ideal kernels and links."""
    bandwidth = hardware.number("bandwidth_bytes_per_second")
    total = sum(
        o.count * max(_compute_seconds(o, o.flops, hardware), (o.bytes_read + o.bytes_written) / bandwidth)
        for o in phase.operations
        if o.kind not in _FUSABLE
    )
    return total / accelerators


def check_claim(observed_seconds: float, bound_seconds: float, what: str) -> None:
    """Raises `ImpossibleClaim` for a measurement that is faster than physics allows."""
    if observed_seconds < bound_seconds:
        raise ImpossibleClaim(
            f"{what} is claimed to take {observed_seconds:.3g} s, but cannot take less than {bound_seconds:.3g} s",
            hint="Check shapes, batch, dtype and number of accelerators; skipped padding must not be counted.",
        )


@dataclass(frozen=True)
class PhaseTable:
    """Phases as arrays of ideal seconds, so that other constants cost only a few array operations.

    Arrays [operations]: compute, memory, pointwise (ideal seconds of all calls; pointwise is one pass over what lies
    between products), owner (index of the phase).
    Arrays [phases]: layers, allreduces (number), link (seconds that the all-reduces' bytes take).
    """

    compute: FloatArray
    memory: FloatArray
    pointwise: FloatArray
    owner: npt.NDArray[np.intp]
    layers: FloatArray
    allreduces: FloatArray
    link: FloatArray
    host_overlaps: bool

    @classmethod
    def of(cls, placed: Sequence[Placed], hardware: Hardware, stack: Stack) -> PhaseTable:
        """Raises `MissingNumber` for an unknown number of the hardware that the phases need."""
        operations = [o for p in placed for o in p.phase.operations]
        shares = np.array([p.accelerators for p in placed for _ in p.phase.operations], float)
        count = np.array([o.count for o in operations])
        products = Products.of(operations, shares)
        flops = _executed_flops(operations, shares, products, hardware, stack)
        compute = [_compute_seconds(o, f, hardware) for o, f in zip(operations, flops, strict=True)]
        traffic = [0.0 if o.kind in _FUSABLE else o.bytes_read + o.bytes_written for o in operations]
        bandwidth = hardware.number("bandwidth_bytes_per_second")
        layers = np.array([p.phase.layers for p in placed], float)
        return cls(
            compute=count * np.array(compute),
            memory=count * np.array(traffic) / shares / bandwidth,
            pointwise=count * products.activation_bytes / bandwidth,
            owner=np.repeat(np.arange(len(placed)), [len(p.phase.operations) for p in placed]),
            layers=layers,
            allreduces=_ALLREDUCES_PER_LAYER * layers * np.array([p.accelerators > 1 for p in placed]),
            link=_ALLREDUCES_PER_LAYER * layers * np.array([_ring_seconds(p, hardware) for p in placed]),
            host_overlaps=stack.host == "overlaps",
        )

    def only(self, phases: npt.NDArray[np.bool_]) -> PhaseTable:
        """The chosen phases [phases]."""
        kept, numbers = phases[self.owner], np.cumsum(phases) - 1
        return PhaseTable(
            compute=self.compute[kept],
            memory=self.memory[kept],
            pointwise=self.pointwise[kept],
            owner=numbers[self.owner[kept]],
            layers=self.layers[phases],
            allreduces=self.allreduces[phases],
            link=self.link[phases],
            host_overlaps=self.host_overlaps,
        )

    def seconds(self, constants: Constants) -> FloatArray:
        """Calibrated seconds [phases]."""
        c = constants
        kernels = np.maximum(self.compute / c.compute_efficiency, self.memory / c.bandwidth_efficiency)
        kernels = kernels + c.pointwise_factor * self.pointwise
        device = np.bincount(self.owner, kernels, len(self.layers))
        host = c.host_seconds_per_layer * self.layers
        # An all-reduce waits for the slowest accelerator, so launching ahead does not hide it.
        communication = c.allreduce_latency_seconds * self.allreduces + self.link / c.bandwidth_efficiency
        return (np.maximum(device, host) if self.host_overlaps else device + host) + communication


def _compute_seconds(operation: Operation, flops: float, hardware: Hardware) -> float:
    """At peak rate; what does not run on the matrix units is limited by its traffic."""
    return flops / hardware.peak(operation.dtype) if operation.kind in MATRIX_UNITS else 0.0


def _executed_flops(
    operations: Sequence[Operation], shares: FloatArray, products: Products, hardware: Hardware, stack: Stack
) -> FloatArray:
    """FLOPs of one accelerator's share of one call [operations], padding to tiles and waves included."""
    ideal = np.array([o.flops for o in operations]) / shares
    if hardware.multiprocessors is None:
        return ideal
    padded = tiled_flops(products.m, products.n, products.k, np.array(hardware.multiprocessors))
    return np.where(products.m > stack.matrix_vector_rows, np.maximum(ideal, padded), ideal)


def _ring_seconds(placed: Placed, hardware: Hardware) -> float:
    """Each accelerator sends 2·(n-1)/n of the bytes: Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce"."""
    n = placed.accelerators
    if n == 1:
        return 0.0
    return 2.0 * (n - 1) / n * placed.allreduce_bytes / hardware.number("link_bytes_per_second")
