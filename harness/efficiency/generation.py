"""The calls that make up a generation, by the names that a model has for their arguments, and what it keeps."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from harness.efficiency.extrapolation import Traced
from harness.efficiency.ledger import Memory
from harness.efficiency.trace import CACHE_ARGUMENTS
from harness.errors import InputError

if TYPE_CHECKING:
    import torch


class Calls:
    """Arguments of a prompt and of a step for so many sequences."""

    def __init__(self, module: torch.nn.Module, sequences: int, prompt_tokens: int, logits_to_keep: int) -> None:
        known = inspect.signature(module.forward).parameters
        self._sequences, self._prompt_tokens = sequences, prompt_tokens
        config: Any = module.config
        self._is_encoder_decoder = bool(config.is_encoder_decoder)
        self._keep = {"logits_to_keep": logits_to_keep} if "logits_to_keep" in known else {}
        names = [name for name in CACHE_ARGUMENTS if name in known]
        if not names:
            raise InputError(f"{type(module).__name__} takes no cache that is known here, so its steps are unknown")
        self.cache_name = names[0]

    def prompt(self, tokens: int, sequences: int | None = None) -> dict[str, Any]:
        """Of that many tokens; of an encoder-decoder, the decoder's."""
        rows = self._sequences if sequences is None else sequences
        if self._is_encoder_decoder:
            return {"input_ids": token_ids(rows, self._prompt_tokens), "decoder_input_ids": token_ids(rows, tokens)}
        return {"input_ids": token_ids(rows, tokens), "use_cache": True, **self._keep}

    def step(self, outputs: Any) -> dict[str, Any]:
        """The next token, beside the cache."""
        if self._is_encoder_decoder:
            encoded = (outputs.encoder_last_hidden_state,)
            return {"decoder_input_ids": token_ids(self._sequences, 1), "encoder_outputs": encoded}
        return {"input_ids": token_ids(self._sequences, 1), "use_cache": True}

    def cache_of(self, outputs: Any) -> Any:
        """What one call hands on to the next."""
        name = next(name for name in CACHE_ARGUMENTS if name in list(outputs.keys()))
        return outputs[name]


def token_ids(batch: int, tokens: int) -> torch.Tensor:
    import torch

    return torch.ones((batch, tokens), dtype=torch.long)


def state_bytes(cache: Any) -> int:
    """Bytes that one decoder step adds to or keeps in the cache; an encoder-decoder's cross attention included."""
    from harness.efficiency.live_bytes import held_tensors

    return sum(tensor.numel() * tensor.element_size() for tensor in held_tensors(cache))


def generation_memory(traced: Traced, batch: int, context_tokens: int) -> Memory:
    """Weights, and what a sequence keeps for each token and whatever its length.

    From the facts "before" and "after": bytes of the cache before and after a step at that context.
    """
    per_token = (traced.facts["after"] - traced.facts["before"]) // batch
    return Memory(
        weights_bytes=traced.weights_bytes,
        kv_bytes_per_token=per_token,
        state_bytes=traced.facts["before"] // batch - per_token * context_tokens,
    )
