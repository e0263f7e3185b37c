"""A causal language model's stage: its prompt and its steps at a few lengths, which give every length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.efficiency.ledger import Ledger
from harness.efficiency.ledger_cache import remembered
from harness.efficiency.work import Stage

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_LENGTHS = (13, 31, 61, 127, 251, 509, 1021)
"""Primes, so that no two operations have the same size by chance; the last three that the model can read are counted,
for a prompt's counts are quadratic in its tokens."""


def generation_stage(config: PretrainedConfig, *, name: str, dtype: str, cache: Path, logits_to_keep: int = 1) -> Stage:
    """What reading a prompt and writing one further token take, by the model's configuration.

    Writing needs the logits of the last position, judging a text those of all (`logits_to_keep` 0). Traced with fused
    attention, as accelerators run it, and remembered in `cache`. Raises `InputError` naming the operation if one that
    matters cannot be counted.
    """
    positions = getattr(config.get_text_config(), "max_position_embeddings", None) or _LENGTHS[-1] + 1
    lengths = [length for length in _LENGTHS if length < positions][-3:]
    key = {
        "config": json.loads(config.to_json_string(use_diff=False)),
        "lengths": lengths,
        "dtype": dtype,
        "logits": logits_to_keep,
    }
    ledgers = remembered(cache, key, lambda: _traced(config, lengths, dtype, logits_to_keep), list[tuple[int, Ledger]])
    longest = ledgers[-1][1]
    return Stage(
        name=name,
        dtype=dtype,
        prompt=tuple((tokens, ledger.phase("prefill")) for tokens, ledger in ledgers),
        step=tuple((tokens, ledger.phase("decode")) for tokens, ledger in ledgers[1:]),
        memory=longest.memory,
        hidden_size=longest.hidden_size,
    )


def _traced(
    config: PretrainedConfig, lengths: Sequence[int], dtype: str, logits_to_keep: int
) -> list[tuple[int, Ledger]]:
    from harness.efficiency.language_models import language_model_ledger

    return [
        (
            tokens,
            language_model_ledger(
                config,
                batch=1,
                prompt_tokens=tokens,
                context_tokens=tokens,
                dtype=dtype,
                logits_to_keep=logits_to_keep,
                growing=False,
            ),
        )
        for tokens in lengths
    ]
