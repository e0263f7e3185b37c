"""What a request does, counted: the phases that `harness profile` prices, and how often each runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.efficiency.architectures import classifies, generates, takes_images_with_text
from harness.efficiency.batches import batched
from harness.efficiency.closed_form import OtherCalls, Polynomial, Request
from harness.efficiency.encoders import encoder_ledger
from harness.efficiency.language_models import check_prefix, language_model_ledger
from harness.efficiency.ledger import Ledger, Phase
from harness.efficiency.profile_targets import Target
from harness.efficiency.quantisation import Quantisation
from harness.efficiency.stacks import Stack
from harness.efficiency.vision_language import vision_language_ledger
from harness.errors import InputError

_ELEMENT_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}


@dataclass(frozen=True)
class Asked:
    """What is asked of the model, and on what; None where the target may say."""

    hardware: str
    stack: str | None = None
    accelerators: int = 1
    batch: int = 1
    prompt_tokens: int | None = None
    output_tokens: int = 64
    dtype: str | None = None
    weights: str | None = None
    shared_prefix_tokens: int = 0
    images: int = 0
    image_size: int | None = None
    allow_code: bool = False


@dataclass(frozen=True)
class Counted:
    """What a request does: phases, how often each runs, and the bytes of one of its all-reduces."""

    ledger: Ledger
    phases: Sequence[tuple[Phase, int, float]]
    cached_tokens: int = 0
    """Over all sequences, at the end."""
    at: Callable[[int], Phase] | None = None
    """Of what encodes: its phase at any batch."""


def count(target: Target, asked: Asked, quantisation: Quantisation | None, software: Stack | None) -> Counted:
    """Trace what is asked; `asked` is complete. Raises `InputError` for what does not apply to the model."""
    return (_generation if generates(target.config) else _encoding)(target, asked, quantisation, software)


def _generation(target: Target, asked: Asked, quantisation: Quantisation | None, software: Stack | None) -> Counted:
    assert asked.prompt_tokens is not None and asked.dtype is not None
    request = Request(asked.batch, asked.prompt_tokens, asked.output_tokens)
    prefix, prompt, steps = asked.shared_prefix_tokens, request.prompt_tokens, request.output_tokens - 1
    check_prefix(target.config, prefix, prompt)
    if asked.images and prefix:
        raise InputError("images and a shared prefix are not counted together", hint="Leave out one of them.")
    ledgers, decode, image_tokens = _steps(target, asked, quantisation, software)
    ledger, first = ledgers[0], prompt + asked.images * image_tokens
    if target.config.is_encoder_decoder:
        first = 1  # of the decoder, whose cache this is about
    width = ledger.hidden_size * _ELEMENT_BYTES[asked.dtype]
    rows = request.batch * (prompt + asked.images * image_tokens - prefix)
    new = {"prefix": prefix, "prefill": rows, "vision": rows}
    phases = [(phase, 1, width * new[phase.name]) for phase in ledger.phases if phase.name in new]
    if steps:
        phases.append((decode, steps, width * request.batch))
    held = prefix + request.batch * (first - prefix + request.output_tokens)
    return Counted(ledger, phases, held)


def _steps(
    target: Target, asked: Asked, quantisation: Quantisation | None, software: Stack | None
) -> tuple[list[Ledger], Phase, int]:
    """Ledgers at two contexts, the mean decode step between them, and the tokens of an image.

    A step's cost is linear in its context, so any two contexts give every other.
    """
    assert asked.prompt_tokens is not None and asked.dtype is not None
    if asked.images and not takes_images_with_text(target.config):
        raise InputError(f"a model of type {target.config.model_type!r} takes no images with its text")
    tokens = 0

    def counted(context: int) -> Ledger:
        nonlocal tokens
        how: dict[str, Any] = {
            "batch": asked.batch,
            "prompt_tokens": asked.prompt_tokens,
            "context_tokens": context,
            "dtype": asked.dtype,
            "attention": software.attention if software else "fused",
            "logits_to_keep": 0 if software and software.logits_of_all_tokens else 1,
            "quantisation": quantisation,
            "growing": False,
        }
        if asked.images:
            how |= {"images": asked.images, "image_size": asked.image_size}
            ledger, tokens = vision_language_ledger(target.config, **how)
            return ledger
        return language_model_ledger(target.config, **how, shared_prefix_tokens=asked.shared_prefix_tokens)

    first = 1 if target.config.is_encoder_decoder else asked.prompt_tokens
    last = max(first, first + asked.output_tokens - 2)
    ledgers = {first: counted(first)}
    if ledgers[first].memory.kv_bytes_per_token:  # else a step is the same at every context
        ledgers[last] = counted(last)
    try:
        steps = _through(ledgers)
    except OtherCalls:  # at one of them two sizes are the same by chance; one token beside it they are not
        beside = 1 if first == 1 else -1
        steps = _through({context: counted(context) for context in (first + beside, last + beside)})
    mean = steps.at(first + asked.output_tokens / 2)
    peak = max(ledger.phase("decode").peak_bytes for ledger in ledgers.values())
    return list(ledgers.values()), msgspec.structs.replace(mean, peak_bytes=peak), tokens


def _through(ledgers: dict[int, Ledger]) -> Polynomial:
    """Decode steps by the tokens in the cache once they are done."""
    return Polynomial.through({context + 1: ledger.phase("decode") for context, ledger in ledgers.items()})


def _encoding(target: Target, asked: Asked, quantisation: Quantisation | None, software: Stack | None) -> Counted:
    assert asked.prompt_tokens is not None and asked.dtype is not None
    if asked.images or asked.shared_prefix_tokens:
        flag = "--images" if asked.images else "--shared-prefix-tokens"
        raise InputError(f"a model of type {target.config.model_type!r} generates no text, so {flag} does not apply")

    def counted(batch: int) -> Ledger:
        assert asked.prompt_tokens is not None and asked.dtype is not None
        return encoder_ledger(
            target.config,
            batch=batch,
            tokens=asked.prompt_tokens,
            dtype=asked.dtype,
            attention=software.attention if software else "fused",
            quantisation=quantisation,
            head=classifies(target.config),
            pooling=target.pooling,  # type: ignore[arg-type]
            normalize=target.normalize,
        )

    ledger = counted(1)
    (one,) = ledger.phases

    def at(batch: int) -> Phase:
        return batched(one, batch) if one.growth or batch == 1 else counted(batch).phases[0]

    reduced = asked.batch * asked.prompt_tokens * ledger.hidden_size * _ELEMENT_BYTES[asked.dtype]
    return Counted(ledger, [(at(asked.batch), 1, reduced)], at=at)
