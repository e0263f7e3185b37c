"""`harness profile`: what one request would take and need on stated hardware, from a configuration alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.efficiency.closed_form import Decoder, Polynomial, Request, request_estimate
from harness.efficiency.deployment import Expense, check_tensor_parallel, expense, minimum_accelerators
from harness.efficiency.hardware import Hardware, hardware
from harness.efficiency.language_models import encoder_ledger, language_model_ledger, load_config
from harness.efficiency.ledger import Ledger, Phase
from harness.efficiency.pricing import Estimate, Placed, estimate
from harness.efficiency.stacks import Stack, stack
from harness.errors import InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_ELEMENT_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}


@dataclass(frozen=True)
class Asked:
    """What is asked of the model, and on what."""

    hardware: str
    stack: str | None
    accelerators: int
    batch: int
    prompt_tokens: int
    output_tokens: int
    dtype: str


@dataclass(frozen=True)
class PricedPhase:
    """A phase with its counts and seconds; `decode` is one step at the mean context of the request."""

    name: str
    flops: float
    bytes: float
    peak_bytes: int
    bound_seconds: float
    calibrated_seconds: float | None
    operations: tuple[tuple[str, float, float], ...]
    """The operations that take most bytes: name, FLOPs, bytes."""


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
    request: Estimate
    phases: Sequence[PricedPhase]
    memory: Needs
    expense: Expense
    """Of the calibrated seconds where there are any, else of the bound."""
    ledger_digest: str


def profile(target: str, asked: Asked) -> Profile:
    """Trace the model behind a hub id, a config.json, a shipped name or a dense submission, and price it.

    Raises `InputError` for what is unknown, does not fit or cannot be traced.
    """
    check_tensor_parallel(asked.accelerators, asked.accelerators)
    device, software = hardware(asked.hardware), stack(asked.stack) if asked.stack else None
    device.peak(asked.dtype)
    config = load_config(_source(target))
    heads = getattr(config.get_text_config(), "num_attention_heads", None)
    if asked.accelerators > 1 and heads:
        check_tensor_parallel(asked.accelerators, heads)
    priced = _generation if _generates(config) else _encoding
    ledger, phases, whole = priced(config, asked, device, software)
    peak = max(phase.peak_bytes for phase in phases)
    return Profile(
        target=target,
        asked=asked,
        attention=ledger.attention,
        parameters=ledger.parameters,
        request=whole,
        phases=phases,
        memory=Needs(
            weights_bytes=ledger.memory.weights_bytes,
            kv_bytes_per_token=ledger.memory.kv_bytes_per_token,
            peak_activation_bytes=peak,
            minimum_accelerators=minimum_accelerators(
                ledger.memory, asked.batch, asked.prompt_tokens + asked.output_tokens, peak, device, heads
            ),
        ),
        expense=expense(whole.calibrated_seconds or whole.bound_seconds, device, asked.accelerators),
        ledger_digest=ledger.digest,
    )


def as_json(found: Profile) -> dict[str, Any]:
    """The profile as plain values."""
    return asdict(found)


def _source(target: str) -> str:
    """What to read the configuration from: a submission's model, or the target itself."""
    if not target.endswith((".yaml", ".yml")):
        return target
    from harness.retrieval.encoder import locate
    from harness.submission import load

    submission = load(Path(target))
    if submission.kind != "dense":
        raise InputError(
            f"there is no traced cost of kind {submission.kind!r} yet", hint="Profile a dense submission or a config."
        )
    return str(locate(submission.config.model, submission.config.revision))  # type: ignore[attr-defined]


def _generates(config: PretrainedConfig) -> bool:
    named = config.architectures or []
    return any(name.endswith(_GENERATES) for name in named)


def _generation(
    config: PretrainedConfig, asked: Asked, device: Hardware, software: Stack | None
) -> tuple[Ledger, list[PricedPhase], Estimate]:
    request = Request(asked.batch, asked.prompt_tokens, asked.output_tokens)

    def counted(context: int) -> Ledger:
        return language_model_ledger(
            config,
            batch=asked.batch,
            prompt_tokens=asked.prompt_tokens,
            context_tokens=context,
            dtype=asked.dtype,
            attention=software.attention if software else "fused",
            logits_to_keep=0 if software and software.logits_of_all_tokens else 1,
        )

    # A step's cost is linear in its context, so the first and the last step give every step between.
    contexts = sorted({asked.prompt_tokens, max(asked.prompt_tokens, asked.prompt_tokens + asked.output_tokens - 2)})
    ledgers = {context: counted(context) for context in contexts}
    ledger = ledgers[contexts[0]]
    decoder = Decoder(
        prefill=Polynomial.through({asked.prompt_tokens: ledger.phase("prefill")}),
        decode=Polynomial.through({context + 1: found.phase("decode") for context, found in ledgers.items()}),
        hidden_size=ledger.hidden_size,
        element_bytes=_ELEMENT_BYTES[asked.dtype],
    )
    prefill, step, steps = decoder.phases(request)
    reduced = asked.batch * ledger.hidden_size * decoder.element_bytes
    priced = [
        _priced(prefill, ledger.phase("prefill").peak_bytes, reduced * asked.prompt_tokens, asked, device, software)
    ]
    if steps:
        peak = max(found.phase("decode").peak_bytes for found in ledgers.values())
        priced.append(_priced(step, peak, reduced, asked, device, software))
    return ledger, priced, request_estimate(decoder, request, device, software, asked.accelerators)


def _encoding(
    config: PretrainedConfig, asked: Asked, device: Hardware, software: Stack | None
) -> tuple[Ledger, list[PricedPhase], Estimate]:
    ledger = encoder_ledger(
        config,
        batch=asked.batch,
        tokens=asked.prompt_tokens,
        dtype=asked.dtype,
        attention=software.attention if software else "fused",
    )
    phase = ledger.phase("encode")
    reduced = asked.batch * asked.prompt_tokens * ledger.hidden_size * _ELEMENT_BYTES[asked.dtype]
    priced = _priced(phase, phase.peak_bytes, reduced, asked, device, software)
    whole = estimate(Placed(phase, asked.accelerators, reduced), device, software)
    return ledger, [priced], whole


def _priced(
    phase: Phase, peak_bytes: int, reduced: float, asked: Asked, device: Hardware, software: Stack | None
) -> PricedPhase:
    found = estimate(Placed(phase, asked.accelerators, reduced), device, software)
    totals: dict[str, tuple[float, float]] = {}
    for o in phase.operations:
        flops, moved = totals.get(o.name, (0.0, 0.0))
        totals[o.name] = flops + o.count * o.flops, moved + o.count * (o.bytes_read + o.bytes_written)
    largest = sorted(totals.items(), key=lambda item: item[1][1], reverse=True)[:8]
    return PricedPhase(
        name=phase.name,
        flops=phase.flops,
        bytes=phase.bytes,
        peak_bytes=peak_bytes,
        bound_seconds=found.bound_seconds,
        calibrated_seconds=found.calibrated_seconds,
        operations=tuple((name, flops, moved) for name, (flops, moved) in largest),
    )
