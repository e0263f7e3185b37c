"""`harness profile`: what one request would take and need on stated hardware, from a configuration alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from harness.efficiency.architectures import generates
from harness.efficiency.best_batch import Throughput, best_batches
from harness.efficiency.counts import Placed
from harness.efficiency.deployment import Expense, check_tensor_parallel, expense, minimum_accelerators
from harness.efficiency.hardware import Hardware, hardware
from harness.efficiency.ledger import Phase
from harness.efficiency.model_configs import DTYPES, brings_code, check_dtype
from harness.efficiency.pricing import Estimate, estimate
from harness.efficiency.profile_counts import Asked, Counted, count
from harness.efficiency.profile_targets import Target, resolve
from harness.efficiency.quantisation import Quantisation, quantisation_of, weight_only
from harness.efficiency.roofline import Roofline, roofline
from harness.efficiency.stacks import Stack, stack

_PROMPT_TOKENS = 512


@dataclass(frozen=True)
class PricedPhase:
    """A phase with its counts and seconds; `decode` is one step at the mean context of the request."""

    name: str
    flops: float
    bytes: float
    peak_bytes: int
    bound_seconds: float
    calibrated_seconds: float | None


@dataclass(frozen=True)
class Needs:
    """What has to be held."""

    weights_bytes: int
    kv_bytes_per_token: int
    peak_activation_bytes: int
    minimum_accelerators: int


@dataclass(frozen=True)
class Profile:
    """One request of the whole batch, phase by phase, with its memory and what its seconds mean."""

    target: str
    asked: Asked
    attention: str
    parameters: int
    weights: str
    """Format of the matrices."""
    runs_code: bool
    request: Estimate
    phases: Sequence[PricedPhase]
    memory: Needs
    latency: Estimate | None
    """Of one example alone, for what encodes or classifies."""
    throughput: Sequence[Throughput]
    """At the best batch, by basis; empty for what generates."""
    expense: Expense
    """Of the calibrated seconds where there are any, else of the bound."""
    roofline: Roofline
    notes: Sequence[str]
    ledger_digest: str


def profile(target: str, asked: Asked) -> Profile:
    """Trace the model behind a hub id, a config.json, a shipped name or a submission, and price it.

    Raises `InputError` for what is unknown, does not fit or cannot be traced.
    """
    pricing = _Pricing.of(asked)
    if asked.dtype is not None:
        check_dtype(asked.dtype)
    found = resolve(target, allow_code=asked.allow_code)
    asked = _completed(asked, found)
    assert asked.dtype is not None
    pricing.hardware.peak(asked.dtype)
    quantisation = _quantisation(found, asked, pricing.hardware)
    heads = getattr(found.config.get_text_config(), "num_attention_heads", None)
    if asked.accelerators > 1 and heads:
        check_tensor_parallel(asked.accelerators, heads)
    counted = count(found, asked, quantisation, pricing.stack)
    return _priced(target, found, asked, counted, pricing, quantisation, heads)


def as_json(found: Profile) -> dict[str, Any]:
    """The profile as plain values."""
    return asdict(found)


@dataclass(frozen=True)
class _Pricing:
    hardware: Hardware
    stack: Stack | None
    accelerators: int

    @classmethod
    def of(cls, asked: Asked) -> _Pricing:
        check_tensor_parallel(asked.accelerators, asked.accelerators)
        return cls(hardware(asked.hardware), stack(asked.stack) if asked.stack else None, asked.accelerators)

    def price(self, phase: Phase, reduced_bytes: float, *, quantised: bool) -> Estimate:
        """No error is claimed where the matrices are stored in a way that the stack was not measured with."""
        found = estimate(Placed(phase, self.accelerators, reduced_bytes), self.hardware, self.stack)
        return replace(found, error_p90=None) if quantised else found


# --- What is asked -----------------------------------------------------------------------------------------------


def _completed(asked: Asked, target: Target) -> Asked:
    """What neither a flag nor the target says: bfloat16, and a prompt that fits."""
    positions = getattr(target.config.get_text_config(), "max_position_embeddings", None)
    fits = _PROMPT_TOKENS
    if isinstance(positions, int) and positions > 0:
        fits = max(1, min(fits, positions - asked.output_tokens if generates(target.config) else positions))
    return replace(
        asked,
        prompt_tokens=asked.prompt_tokens or target.prompt_tokens or fits,
        dtype=asked.dtype or target.dtype or DTYPES[0],
    )


def _quantisation(target: Target, asked: Asked, device: Hardware) -> Quantisation | None:
    """As asked, else as the configuration says; in the arithmetic that the hardware has."""
    found = weight_only(asked.weights) if asked.weights else quantisation_of(target.config)
    if found and found.arithmetic and found.arithmetic not in device.peak_flops:
        return replace(found, arithmetic=None)
    return found


# --- What it takes -----------------------------------------------------------------------------------------------


def _priced(
    target: str,
    found: Target,
    asked: Asked,
    counted: Counted,
    pricing: _Pricing,
    quantisation: Quantisation | None,
    heads: int | None,
) -> Profile:
    ledger, quantised = counted.ledger, quantisation is not None
    prices = [pricing.price(phase, reduced, quantised=quantised) for phase, _, reduced in counted.phases]
    whole = _sum([(price, times) for price, (_, times, _) in zip(prices, counted.phases, strict=True)])
    peak = max(phase.peak_bytes for phase, _, _ in counted.phases)
    latency, throughput = _of_examples(asked, counted, pricing, quantised)
    kept = msgspec.structs.replace(ledger.memory, state_bytes=asked.batch * ledger.memory.state_bytes)
    return Profile(
        target=target,
        asked=asked,
        attention=ledger.attention,
        parameters=ledger.parameters,
        weights=ledger.weights or ledger.dtype,
        runs_code=brings_code(found.config),
        request=whole,
        phases=[
            PricedPhase(p.name, p.flops, p.bytes, p.peak_bytes, price.bound_seconds, price.calibrated_seconds)
            for price, (p, _, _) in zip(prices, counted.phases, strict=True)
        ],
        memory=Needs(
            weights_bytes=ledger.memory.weights_bytes,
            kv_bytes_per_token=ledger.memory.kv_bytes_per_token,
            peak_activation_bytes=peak,
            minimum_accelerators=minimum_accelerators(kept, 1, counted.cached_tokens, peak, pricing.hardware, heads),
        ),
        latency=latency,
        throughput=throughput,
        expense=expense(whole.calibrated_seconds or whole.bound_seconds, pricing.hardware, asked.accelerators),
        roofline=roofline(
            [(p, float(times)) for p, times, _ in counted.phases],
            pricing.hardware,
            pricing.stack,
            asked.accelerators,
        ),
        notes=_notes(asked, counted, pricing, quantisation),
        ledger_digest=ledger.digest,
    )


def _sum(prices: Sequence[tuple[Estimate, int]]) -> Estimate:
    calibrated = [times * e.calibrated_seconds for e, times in prices if e.calibrated_seconds is not None]
    errors = [e.error_p90 for e, _ in prices]
    known = [error for error in errors if error is not None]
    return Estimate(
        bound_seconds=sum(times * e.bound_seconds for e, times in prices),
        calibrated_seconds=sum(calibrated) if len(calibrated) == len(prices) else None,
        error_p90=max(known) if len(known) == len(errors) else None,
    )


def _of_examples(
    asked: Asked, counted: Counted, pricing: _Pricing, quantised: bool
) -> tuple[Estimate | None, tuple[Throughput, ...]]:
    """One example alone, and the most a second, of what does not generate."""
    at = counted.at
    if at is None:
        return None, ()
    reduced = counted.phases[0][2] / asked.batch

    def price(phase: Phase, batch: int) -> Estimate:
        return pricing.price(phase, batch * reduced, quantised=quantised)

    best = best_batches(at, price, counted.ledger.memory, pricing.hardware, asked.accelerators)
    return price(at(1), 1), best


def _notes(asked: Asked, counted: Counted, pricing: _Pricing, quantisation: Quantisation | None) -> tuple[str, ...]:
    notes = []
    if quantisation is not None:
        arithmetic = quantisation.arithmetic or f"{asked.dtype}, after dequantisation"
        notes.append(f"matrices are stored as {quantisation.name}; products are computed in {arithmetic}")
        if pricing.stack is not None:
            notes.append(
                f"the stack {pricing.stack.name} was not measured with such matrices, so no error is claimed for it"
            )
    if unpriced := sorted({name for phase, _, _ in counted.phases for name in phase.unpriced}):
        notes.append(f"small operations without a formula, priced by their bytes: {', '.join(unpriced)}")
    return tuple(notes)
