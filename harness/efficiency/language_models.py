"""Ledgers of Hugging Face models from nothing but their configuration: no weights, no accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from harness.efficiency.architectures import (
    Role,
    available_attention,
    build,
    depths_of,
    layers_repeat,
    sequential_layers,
    shallow,
)
from harness.efficiency.ledger import Ledger, Memory, Operation, Phase
from harness.efficiency.model_configs import check_context, check_dtype, check_positive, load_config
from harness.efficiency.trace import CACHE_ARGUMENTS, Attention, NeedsValues, trace

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

__all__ = ["encoder_ledger", "language_model_ledger", "load_config"]


def language_model_ledger(
    config: PretrainedConfig,
    *,
    batch: int,
    prompt_tokens: int,
    context_tokens: int,
    dtype: str,
    attention: Attention = "fused",
    logits_to_keep: int = 0,
) -> Ledger:
    """Phases "prefill" (`prompt_tokens` at once) and "decode" (one token, `context_tokens` before it in the cache).

    Logits are computed at the last `logits_to_keep` positions, 0 for all, as transformers names it: generation needs
    one, scoring needs all. An encoder-decoder's prompt is its encoder's, and the context its decoder's.
    Raises `InputError` for lengths of 0 or beyond the model's context, and for unknown dtypes.
    """
    check_positive(batch=batch, prompt_tokens=prompt_tokens, context_tokens=context_tokens)
    check_context(config, prompt_tokens, "prompt_tokens")
    check_context(config, context_tokens + 1, "context_tokens, and the token after them,")
    keep = {} if config.is_encoder_decoder else {"logits_to_keep": logits_to_keep}

    def prompt(tokens: int) -> dict[str, Any]:
        if config.is_encoder_decoder:
            return {"input_ids": _ids(batch, prompt_tokens), "decoder_input_ids": _ids(batch, tokens)}
        return {"input_ids": _ids(batch, tokens), "use_cache": True, **keep}

    def phases(module: torch.nn.Module, count: Callable[..., Phase]) -> Iterator[tuple[Phase, dict[str, int]]]:
        first = 1 if config.is_encoder_decoder else prompt_tokens
        yield count(prompt(first), phase="prefill"), {}
        outputs = module(**prompt(context_tokens))
        name, cache = next((name, outputs[name]) for name in CACHE_ARGUMENTS if name in outputs)
        before = _state_bytes(cache)
        step: dict[str, Any] = {"input_ids": _ids(batch, 1), "use_cache": True}
        if config.is_encoder_decoder:
            step = {"decoder_input_ids": _ids(batch, 1), "encoder_outputs": (outputs.encoder_last_hidden_state,)}
        del outputs
        decode = count({**step, name: cache}, phase="decode")
        yield decode, {"before": before, "after": _state_bytes(cache)}

    attention = available_attention(config, "causal", attention)
    traced = _extrapolated(config, "causal", dtype, attention, phases)
    state = traced.facts
    per_token = (state["after"] - state["before"]) // batch
    memory = Memory(
        weights_bytes=traced.weights_bytes,
        kv_bytes_per_token=per_token,
        state_bytes=state["before"] // batch - per_token * context_tokens,
    )
    return _ledger(config, dtype, attention, traced, memory)


def encoder_ledger(
    config: PretrainedConfig, *, batch: int, tokens: int, dtype: str, attention: Attention = "fused"
) -> Ledger:
    """Phase "encode": `batch` texts of `tokens` each, as many images, or both where the model takes both.

    Raises `InputError` for lengths of 0 or beyond the model's context, and for unknown dtypes.
    """
    check_positive(batch=batch, tokens=tokens)
    vision = getattr(config, "vision_config", None) or (config if hasattr(config, "image_size") else None)
    if vision is not config:
        check_context(config.get_text_config(), tokens, "tokens")

    def phases(module: torch.nn.Module, count: Callable[..., Phase]) -> Iterator[tuple[Phase, dict[str, int]]]:
        import torch

        inputs: dict[str, Any] = {} if vision is config else {"input_ids": _ids(batch, tokens)}
        if vision is not None:
            size, channels = vision.image_size, getattr(vision, "num_channels", 3)
            height, width = (size, size) if isinstance(size, int) else size
            inputs["pixel_values"] = torch.zeros(batch, channels, height, width, dtype=getattr(torch, dtype))
        yield count(inputs, phase="encode"), {}

    attention = available_attention(config, "encoder", attention)
    traced = _extrapolated(config, "encoder", dtype, attention, phases)
    return _ledger(config, dtype, attention, traced, Memory(weights_bytes=traced.weights_bytes))


# --- Extrapolation over identical layers -------------------------------------------------------------------------


class _Traced(msgspec.Struct, frozen=True):
    phases: tuple[Phase, ...]
    facts: dict[str, int]
    parameters: int = 0
    weights_bytes: int = 0


_Phases = Callable[..., Iterator[tuple[Phase, dict[str, int]]]]


def _extrapolated(config: PretrainedConfig, role: Role, dtype: str, attention: Attention, phases: _Phases) -> _Traced:
    """All layers from one and two of them: counts(L) = counts(1) + (L − 1)·(counts(2) − counts(1)), exactly.

    The peak is that of two layers: a layer starts from what its predecessor left, and the cache is held apart.
    Models whose layers differ are traced whole.
    """
    check_dtype(dtype)
    depths = depths_of(config)
    layers = max(depths, default=0)
    whole = build(config, role, dtype, attention, real=False)
    parameters = sum(p.numel() for p in whole.parameters())
    weights_bytes = sum(t.numel() * t.element_size() for t in (*whole.parameters(), *whole.buffers()))
    if layers > 2 and len(set(depths)) == 1 and layers_repeat(config, whole, layers):
        one = _traced(shallow(config, 1), role, dtype, attention, phases)
        two = _traced(shallow(config, 2), role, dtype, attention, phases)
        traced = _Traced(
            phases=tuple(_deeper(a, b, layers) for a, b in zip(one.phases, two.phases, strict=True)),
            facts={key: one.facts[key] + (layers - 1) * (two.facts[key] - one.facts[key]) for key in one.facts},
        )
    else:
        traced = _traced(config, role, dtype, attention, phases)
    named = tuple(
        msgspec.structs.replace(phase, layers=sequential_layers(config, role, phase.name)) for phase in traced.phases
    )
    return _Traced(named, traced.facts, parameters, weights_bytes)


def _deeper(one: Phase, two: Phase, layers: int) -> Phase:
    """The phase at this many layers."""
    before = {_call(o): o.count for o in one.operations}
    operations = tuple(
        msgspec.structs.replace(o, count=first + (layers - 1) * (o.count - first))
        for o in two.operations
        for first in [before.get(_call(o), 0.0)]
    )
    unpriced = {
        name: (first := one.unpriced.get(name, 0)) + (layers - 1) * (count - first)
        for name, count in two.unpriced.items()
    }
    return msgspec.structs.replace(two, operations=operations, unpriced=unpriced)


def _call(operation: Operation) -> Operation:
    return msgspec.structs.replace(operation, count=1.0)


def _traced(config: PretrainedConfig, role: Role, dtype: str, attention: Attention, phases: _Phases) -> _Traced:
    """The phases of the model as it is, on fakes if it can be, else on random weights."""
    try:
        return _run(config, role, dtype, attention, phases, real=False)
    except NeedsValues:
        return _run(config, role, dtype, attention, phases, real=True)


def _run(
    config: PretrainedConfig, role: Role, dtype: str, attention: Attention, phases: _Phases, *, real: bool
) -> _Traced:
    import torch
    from torch._guards import detect_fake_mode

    from harness.efficiency.fakes import running_on_fakes

    module = build(config, role, dtype, attention, real=real)
    experts = getattr(config.get_text_config(), "num_experts_per_tok", 1)

    def count(inputs: dict[str, Any], phase: str) -> Phase:
        return trace(module, inputs, phase=phase, attention=attention, experts_per_token=experts, real=real)

    mode = detect_fake_mode(list(module.parameters()))
    with running_on_fakes(mode) if mode else torch.no_grad():
        results = list(phases(module, count))
    return _Traced(tuple(phase for phase, _ in results), {k: v for _, facts in results for k, v in facts.items()})


# --- Parts -------------------------------------------------------------------------------------------------------


def _ledger(config: PretrainedConfig, dtype: str, attention: Attention, traced: _Traced, memory: Memory) -> Ledger:
    return Ledger(
        model=str(config.name_or_path or config.model_type),
        attention=attention,
        dtype=dtype,
        parameters=traced.parameters,
        memory=memory,
        phases=traced.phases,
        hidden_size=int(config.get_text_config().hidden_size),
    )


def _ids(batch: int, tokens: int) -> torch.Tensor:
    import torch

    return torch.ones((batch, tokens), dtype=torch.long)


def _state_bytes(cache: Any) -> int:
    """Bytes that one decoder step adds to or keeps in the cache; an encoder-decoder's cross attention included."""
    from harness.efficiency.recorder import held_tensors

    return sum(tensor.numel() * tensor.element_size() for tensor in held_tensors(cache))
