"""Ledgers of generating models from nothing but their configuration: no weights, no accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.efficiency.architectures import available_attention, generating_role
from harness.efficiency.batches import Record
from harness.efficiency.encoders import encoder_ledger
from harness.efficiency.extrapolation import Counter, Facts, Way, extrapolated
from harness.efficiency.generation import Calls, generation_memory, state_bytes
from harness.efficiency.ledger import Ledger
from harness.efficiency.model_configs import check_context, check_positive, load_config
from harness.efficiency.quantisation import Quantisation
from harness.efficiency.trace import Attention
from harness.errors import InputError

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
    shared_prefix_tokens: int = 0,
    quantisation: Quantisation | None = None,
    growing: bool = True,
) -> Ledger:
    """Phases "prefill" (`prompt_tokens` at once) and "decode" (one token, `context_tokens` before it in the cache).

    Logits are computed at the last `logits_to_keep` positions, 0 for all, as transformers names it: generation needs
    one, scoring needs all. An encoder-decoder's prompt is its encoder's, and the context its decoder's.

    Where all prompts start with the same `shared_prefix_tokens`, a phase "prefix" fills the cache with them once, and
    "prefill" is the rest of each prompt, whose tokens attend to the prefix as well: each sequence reads its keys and
    values. The weights are stored as `quantisation` says, or else the configuration. A batch of 1 is traced with its
    growth, for `batches.batched`, unless `growing` is turned off, which takes half the time.

    Raises `InputError` for lengths of 0 or beyond the model's context, and for unknown dtypes.
    """
    check_positive(batch=batch, prompt_tokens=prompt_tokens, context_tokens=context_tokens)
    check_context(config, prompt_tokens, "prompt_tokens")
    check_context(config, context_tokens + 1, "context_tokens, and the token after them,")
    check_prefix(config, shared_prefix_tokens, prompt_tokens)
    role, part = generating_role(config)
    way = Way(config, role, dtype, available_attention(config, role, attention), batch, quantisation, growing)

    def recorded(module: torch.nn.Module, count: Counter, sequences: int) -> Iterator[tuple[Record, Facts]]:
        calls = Calls(module, sequences, prompt_tokens, logits_to_keep)
        if shared_prefix_tokens:
            yield count(calls.prompt(shared_prefix_tokens, sequences=1), "prefix", module.base_model), {}
            before = {calls.cache_name: calls.cache_of(module(**calls.prompt(shared_prefix_tokens)))}
            yield count(calls.prompt(prompt_tokens - shared_prefix_tokens) | before, "prefill"), {}
        else:
            yield count(calls.prompt(1 if config.is_encoder_decoder else prompt_tokens), "prefill"), {}
        outputs = module(**calls.prompt(context_tokens))
        cache = calls.cache_of(outputs)
        size, step = state_bytes(cache), calls.step(outputs)
        del outputs
        decode = count({**step, calls.cache_name: cache}, "decode")
        yield decode, {"before": size, "after": state_bytes(cache)}

    traced = extrapolated(way, recorded, part)
    return traced.ledger(way, generation_memory(traced, batch, context_tokens))


def check_prefix(config: PretrainedConfig, shared_prefix_tokens: int, prompt_tokens: int) -> None:
    """Raise `InputError` for a prefix that prompts cannot share."""
    if shared_prefix_tokens < 0:
        raise InputError(f"shared_prefix_tokens is {shared_prefix_tokens}; it has to be at least 0")
    if shared_prefix_tokens and config.is_encoder_decoder:
        raise InputError(
            f"{config.model_type} reads its prompt in both directions, so a prefix of it cannot be computed beforehand",
            hint="Leave out the shared prefix.",
        )
    if shared_prefix_tokens >= prompt_tokens:
        raise InputError(
            f"a shared prefix of {shared_prefix_tokens} tokens leaves nothing of a prompt of {prompt_tokens}",
            hint="The prompt's tokens include the prefix: ask for a longer prompt.",
        )
