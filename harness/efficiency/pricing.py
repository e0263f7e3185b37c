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

from harness.efficiency.counts import Counts, Placed
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Phase
from harness.efficiency.products import MATRIX_UNITS
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
    return float(bounds(Counts.of([Placed(phase, accelerators)]), hardware)[0])


def bounds(counts: Counts, hardware: Hardware) -> FloatArray:
    """Bound seconds [phases]. Raises `MissingNumber` for an unknown number of the hardware that the price needs."""
    takes_time = ~counts.are((*_BETWEEN_PRODUCTS, *OF_THE_HOST))
    traffic = least_traffic_seconds(counts, takes_time, hardware)
    compute = _compute_seconds(counts, counts.flops, hardware) / counts.shares
    return counts.by_phase(np.where(takes_time, counts.count * np.maximum(compute, traffic), 0.0))


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
        return cls.priced(Counts.of(placed), hardware, stack)

    @classmethod
    def priced(cls, counts: Counts, hardware: Hardware, stack: StackForm) -> PhaseTable:
        """The same, of phases that were counted before."""
        free = _BETWEEN_PRODUCTS if stack.prices_host_work else (*_BETWEEN_PRODUCTS, *OF_THE_HOST)
        traffic = np.where(counts.are(free), 0.0, counts.read + counts.written)
        bandwidth = hardware.number("bandwidth_bytes_per_second")
        calls = counts.count * counts.are(("call",) if stack.prices_host_work else ())
        allreduces = _ALLREDUCES_PER_LAYER * counts.layers
        return cls(
            compute=counts.count * _compute_seconds(counts, _executed_flops(counts, hardware, stack), hardware),
            traffic=counts.count * traffic / counts.shares / bandwidth,
            pointwise=counts.count * counts.products.activation_bytes / bandwidth,
            gathers=counts.are(_HERE_AND_THERE),
            owner=counts.owner,
            launches=counts.layers + counts.by_phase(calls),
            allreduces=allreduces * (counts.accelerators > 1),
            link=allreduces * _ring_seconds(counts, hardware),
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


def _compute_seconds(counts: Counts, flops: FloatArray, hardware: Hardware) -> FloatArray:
    """Of one call, at peak rate [operations]; what does not run on the matrix units is limited by its traffic."""
    computes = counts.are(MATRIX_UNITS)
    used = set(counts.dtype[computes].tolist())
    peaks = np.array([hardware.peak(name) if i in used else np.inf for i, name in enumerate(counts.dtypes)])
    seconds: FloatArray = np.where(computes, flops / peaks[counts.dtype], 0.0)
    return seconds


def _executed_flops(counts: Counts, hardware: Hardware, stack: StackForm) -> FloatArray:
    """FLOPs of one accelerator's share of one call [operations], padding to tiles and waves included."""
    ideal = counts.flops / counts.shares
    if hardware.multiprocessors is None:
        return ideal
    on_tensor_cores = np.array([name not in _WITHOUT_TENSOR_CORES for name in counts.dtypes], bool)[counts.dtype]
    m, n, k = counts.products.m, counts.products.n, counts.products.k
    padded = tiled_flops(m, n, k, np.array(hardware.multiprocessors), on_tensor_cores)
    return np.where(m > stack.matrix_vector_rows, np.maximum(ideal, padded), ideal)


def _ring_seconds(counts: Counts, hardware: Hardware) -> FloatArray:
    """Each accelerator sends 2·(n-1)/n of the bytes: Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce"."""
    n = counts.accelerators
    if (n == 1).all():
        return np.zeros(len(counts))
    seconds: FloatArray = 2.0 * (n - 1) / n * counts.allreduce_bytes / hardware.number("link_bytes_per_second")
    return seconds
