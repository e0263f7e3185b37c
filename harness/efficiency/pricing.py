"""Seconds of a phase: the physical bound, and the calibrated prediction of a software stack.

Bound: every operation takes at least max(FLOPs / peak, bytes / bandwidth), divided over all accelerators; norms and
pointwise passes are free, because a fused kernel absorbs them (roofline model, Williams et al. 2009), and so is what an
implementation does on a host beside the work itself.
Calibrated: the same with the stack's efficiencies, tiles as in `tiling`, pointwise traffic, launches and all-reduces. A
CPU core moves bytes and multiplies in turn, because it copies operands into panels first (Goto & van de Geijn 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.products import MATRIX_UNITS, Products
from harness.efficiency.stacks import Constants, Stack, StackForm
from harness.efficiency.tiling import tiled_flops
from harness.efficiency.traffic import least_traffic_seconds
from harness.errors import InputError

FloatArray = npt.NDArray[np.float64]

_BETWEEN_PRODUCTS = ("norm", "pointwise")
"""Not priced by their own bytes but by those of the products around them: see `products`."""
OF_THE_HOST = ("temporary", "pass", "call")
"""What only a program in NumPy does beside the work itself."""
_WITHOUT_TENSOR_CORES = ("float32",)
_HERE_AND_THERE = ("gather", "temporary", "other")
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
    return Estimate(bound, max(bound, float(seconds[0])), stack.error_on(hardware.name, [placed.phase]))


def bound_seconds(phase: Phase, hardware: Hardware, accelerators: int = 1) -> float:
    """The least time that the operations can take, one after the other, on ideal kernels and links."""
    operations = [o for o in phase.operations if o.kind not in (*_BETWEEN_PRODUCTS, *OF_THE_HOST)]
    traffic = least_traffic_seconds(operations, accelerators, hardware)
    compute = np.array([_compute_seconds(o, o.flops, hardware) for o in operations]) / accelerators
    count = np.array([o.count for o in operations])
    return float(np.sum(count * np.maximum(compute, traffic)))


def check_claim(observed_seconds: float, bound_seconds: float, what: str) -> None:
    """Raises `ImpossibleClaim` for a measurement that is faster than physics allows."""
    if not observed_seconds >= bound_seconds:
        raise ImpossibleClaim(
            f"{what} is claimed to take {observed_seconds:.3g} s, but cannot take less than {bound_seconds:.3g} s",
            hint="Check shapes, batch, dtype and number of accelerators; skipped padding must not be counted.",
        )


@dataclass(frozen=True)
class PhaseTable:
    """Phases as arrays of ideal seconds, so that other constants cost only a few array operations.

    Arrays [operations]: compute, traffic, pointwise (ideal seconds of all calls; pointwise is one pass over what lies
    between products), gathers (whether it reads here and there), owner (index of the phase).
    Arrays [phases]: launches (layers and calls), allreduces (number), link (seconds that the all-reduces' bytes take).
    """

    compute: FloatArray
    traffic: FloatArray
    pointwise: FloatArray
    gathers: npt.NDArray[np.bool_]
    owner: npt.NDArray[np.intp]
    launches: FloatArray
    allreduces: FloatArray
    link: FloatArray
    host_overlaps: bool
    on_cpu: bool

    @classmethod
    def of(cls, placed: Sequence[Placed], hardware: Hardware, stack: StackForm) -> PhaseTable:
        """Raises `MissingNumber` for an unknown number of the hardware that the phases need."""
        operations = [o for p in placed for o in p.phase.operations]
        shares = np.array([p.accelerators for p in placed for _ in p.phase.operations], float)
        count = np.array([o.count for o in operations])
        products = Products.of(operations, shares)
        flops = _executed_flops(operations, shares, products, hardware, stack)
        compute = [_compute_seconds(o, f, hardware) for o, f in zip(operations, flops, strict=True)]
        owner = np.repeat(np.arange(len(placed)), [len(p.phase.operations) for p in placed])
        free = _BETWEEN_PRODUCTS if stack.prices_host_work else (*_BETWEEN_PRODUCTS, *OF_THE_HOST)
        traffic = [0.0 if o.kind in free else o.bytes_read + o.bytes_written for o in operations]
        bandwidth = hardware.number("bandwidth_bytes_per_second")
        calls = count * np.array([stack.prices_host_work and o.kind == "call" for o in operations])
        layers = np.array([p.phase.layers for p in placed], float)
        return cls(
            compute=count * np.array(compute),
            traffic=count * np.array(traffic) / shares / bandwidth,
            pointwise=count * products.activation_bytes / bandwidth,
            gathers=np.array([o.kind in _HERE_AND_THERE for o in operations], bool),
            owner=owner,
            launches=layers + np.bincount(owner, calls, len(placed)),
            allreduces=_ALLREDUCES_PER_LAYER * layers * np.array([p.accelerators > 1 for p in placed]),
            link=_ALLREDUCES_PER_LAYER * layers * np.array([_ring_seconds(p, hardware) for p in placed]),
            host_overlaps=stack.host == "overlaps",
            on_cpu=stack.runs_on == "cpu",
        )

    @classmethod
    def joined(cls, tables: Sequence[PhaseTable]) -> PhaseTable:
        """Tables of the same stack, on different hardware perhaps, one after the other."""
        first = np.cumsum([0, *(len(table.launches) for table in tables[:-1])])
        arrays = {
            name: np.concatenate([getattr(table, name) for table in tables])
            for name in ("compute", "traffic", "pointwise", "gathers", "launches", "allreduces", "link")
        }
        owner = np.concatenate([table.owner + start for table, start in zip(tables, first, strict=True)])
        return cls(**arrays, owner=owner, host_overlaps=tables[0].host_overlaps, on_cpu=tables[0].on_cpu)

    def only(self, phases: npt.NDArray[np.bool_]) -> PhaseTable:
        """The chosen phases [phases]."""
        kept, numbers = phases[self.owner], np.cumsum(phases) - 1
        return PhaseTable(
            compute=self.compute[kept],
            traffic=self.traffic[kept],
            pointwise=self.pointwise[kept],
            gathers=self.gathers[kept],
            owner=numbers[self.owner[kept]],
            launches=self.launches[phases],
            allreduces=self.allreduces[phases],
            link=self.link[phases],
            host_overlaps=self.host_overlaps,
            on_cpu=self.on_cpu,
        )

    def seconds(self, constants: Constants) -> FloatArray:
        """Calibrated seconds [phases]."""
        c = constants
        gathered = c.bandwidth_efficiency if c.gather_efficiency is None else c.gather_efficiency
        traffic = self.traffic / np.where(self.gathers, gathered, c.bandwidth_efficiency)
        compute = self.compute / c.compute_efficiency
        kernels = compute + traffic if self.on_cpu else np.maximum(compute, traffic)
        device = np.bincount(self.owner, kernels + c.pointwise_factor * self.pointwise, len(self.launches))
        host = c.host_seconds_per_layer * self.launches
        # An all-reduce waits for the slowest accelerator, so launching ahead does not hide it.
        communication = c.allreduce_latency_seconds * self.allreduces + self.link / c.bandwidth_efficiency
        return (np.maximum(device, host) if self.host_overlaps else device + host) + communication


def _compute_seconds(operation: Operation, flops: float, hardware: Hardware) -> float:
    """At peak rate; what does not run on the matrix units is limited by its traffic."""
    return flops / hardware.peak(operation.dtype) if operation.kind in MATRIX_UNITS else 0.0


def _executed_flops(
    operations: Sequence[Operation], shares: FloatArray, products: Products, hardware: Hardware, stack: StackForm
) -> FloatArray:
    """FLOPs of one accelerator's share of one call [operations], padding to tiles and waves included."""
    ideal = np.array([o.flops for o in operations]) / shares
    if hardware.multiprocessors is None:
        return ideal
    tensor_cores = np.array([o.dtype not in _WITHOUT_TENSOR_CORES for o in operations], bool)
    padded = tiled_flops(products.m, products.n, products.k, np.array(hardware.multiprocessors), tensor_cores)
    return np.where(products.m > stack.matrix_vector_rows, np.maximum(ideal, padded), ideal)


def _ring_seconds(placed: Placed, hardware: Hardware) -> float:
    """Each accelerator sends 2·(n-1)/n of the bytes: Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce"."""
    n = placed.accelerators
    if n == 1:
        return 0.0
    return 2.0 * (n - 1) / n * placed.allreduce_bytes / hardware.number("link_bytes_per_second")
