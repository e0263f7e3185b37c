"""How many examples a second an encoder takes at most, and in which batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.efficiency.deployment import USABLE_MEMORY
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Memory, Phase
from harness.efficiency.pricing import Estimate

Basis: TypeAlias = Literal["bound", "calibrated"]

_LARGEST = 2**20
_AS_GOOD = 0.99
"""Of the highest throughput: the smallest batch that reaches it is the best, because waiting for more costs latency."""


@dataclass(frozen=True)
class Throughput:
    """Examples a second at the best batch, a power of two."""

    basis: Basis
    batch: int
    examples_per_second: float
    largest_batch: int
    """That the memory holds, or beyond which none was tried."""


def best_batches(
    at: Callable[[int], Phase],
    price: Callable[[Phase, int], Estimate],
    memory: Memory,
    hardware: Hardware,
    accelerators: int,
) -> tuple[Throughput, ...]:
    """By each basis that there is; `at` gives the phase for a batch, `price` its seconds.

    None where not even one example fits: weights divided over the accelerators, and activations, in 0.9 of the
    capacity. Raises `MissingNumber` if the capacity is unknown.
    """
    room = USABLE_MEMORY * hardware.number("capacity_bytes") - memory.weights_bytes / accelerators
    found = [(batch, price(phase, batch)) for batch, phase in _fitting(at, room)]
    if not found:
        return ()
    largest = found[-1][0]
    bounds = {batch: batch / estimate.bound_seconds for batch, estimate in found}
    calibrated = {b: b / estimate.calibrated_seconds for b, estimate in found if estimate.calibrated_seconds}
    by_basis: dict[Basis, dict[int, float]] = {"bound": bounds, "calibrated": calibrated}
    return tuple(_best(basis, rates, largest) for basis, rates in by_basis.items() if rates)


def _fitting(at: Callable[[int], Phase], room: float) -> Iterator[tuple[int, Phase]]:
    batch = 1
    while batch <= _LARGEST:
        phase = at(batch)
        if phase.peak_bytes > room:
            return
        yield batch, phase
        batch *= 2


def _best(basis: Basis, rates: dict[int, float], largest: int) -> Throughput:
    highest = max(rates.values())
    batch = next(batch for batch, rate in rates.items() if rate >= _AS_GOOD * highest)
    return Throughput(basis, batch, rates[batch], largest)
