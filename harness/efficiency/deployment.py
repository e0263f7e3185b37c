"""How many accelerators a model needs, and what their seconds mean in energy and money."""

from __future__ import annotations

from dataclasses import dataclass

from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Memory
from harness.errors import InputError

USABLE_MEMORY = 0.9
"""Of the capacity; the rest is for the runtime, the collectives' buffers and fragmentation."""

_MOST_ACCELERATORS = 1024


class DoesNotFit(InputError):
    """A model that no number of accelerators can hold, or that cannot be split as asked."""


@dataclass(frozen=True)
class Expense:
    """What a number of seconds on a number of accelerators costs; prices are a range on a date."""

    accelerator_seconds: float
    energy_joules: float | None
    """At full rated power: an upper limit. None where the power is unknown."""
    dollars: tuple[float, float] | None
    """Lowest and highest on-demand price. None where no price is known."""
    price_date: str


def expense(seconds: float, hardware: Hardware, accelerators: int = 1) -> Expense:
    """Accelerator-seconds are for ranking; energy and price are derived from them."""
    used = seconds * accelerators
    low, high = hardware.dollars_per_hour_low, hardware.dollars_per_hour_high
    return Expense(
        accelerator_seconds=used,
        energy_joules=None if hardware.power_watts is None else used * hardware.power_watts,
        dollars=None if low is None or high is None else (used / 3600 * low, used / 3600 * high),
        price_date=hardware.price_date,
    )


def minimum_accelerators(
    memory: Memory,
    sequences: int,
    tokens: int,
    activation_bytes: float,
    hardware: Hardware,
    heads: int | None = None,
) -> int:
    """The smallest n with weights/n + cache/n + activations within 0.9 of the capacity.

    The cache holds `sequences` of `tokens` each. With `heads`, n divides them, as tensor parallelism needs.
    Activations are counted whole on every accelerator. Raises `DoesNotFit` if there is no such n, `MissingNumber` if
    the capacity is unknown.
    """
    usable = USABLE_MEMORY * hardware.number("capacity_bytes")
    divided = memory.weights_bytes + sequences * (memory.state_bytes + tokens * memory.kv_bytes_per_token)
    for n in range(1, (heads or _MOST_ACCELERATORS) + 1):
        if (heads is None or heads % n == 0) and divided / n + activation_bytes <= usable:
            return n
    limit = f"{heads} heads" if heads else f"{_MOST_ACCELERATORS} accelerators"
    raise DoesNotFit(
        f"{divided / 1e9:.1f} GB of weights and cache with {activation_bytes / 1e9:.1f} GB of activations do not fit "
        f"on {hardware.name} divided over up to {limit}",
        hint="Take a smaller batch, a shorter context or a larger accelerator.",
    )


def check_tensor_parallel(accelerators: int, heads: int) -> None:
    """Raises `DoesNotFit` unless every accelerator gets the same number of heads, and at least one."""
    if accelerators < 1:
        raise DoesNotFit(f"the number of accelerators is {accelerators}, but has to be at least 1")
    if accelerators > heads:
        raise DoesNotFit(
            f"{accelerators} accelerators cannot share {heads} attention heads", hint=f"Use at most {heads}."
        )
    if heads % accelerators:
        near = max(n for n in range(1, accelerators) if heads % n == 0)
        raise DoesNotFit(
            f"{heads} attention heads do not divide evenly over {accelerators} accelerators", hint=f"Use {near}."
        )
