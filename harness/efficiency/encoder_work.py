"""A text encoder's stage: its forward pass at a few lengths, traced from its configuration, which give every length."""

from __future__ import annotations

from pathlib import Path

from harness.efficiency.ledger import Ledger
from harness.efficiency.ledger_cache import remembered
from harness.efficiency.work import Stage

_SHORTEST = 4


def encoder_stage(folder: Path, *, name: str, max_tokens: int, dtype: str, cache: Path) -> Stage:
    """What encoding one text of up to `max_tokens` takes, by the config.json in `folder`.

    Traced with fused attention, as accelerators run it, and remembered in `cache`. Raises `InputError` naming the
    operation if one that matters cannot be counted.
    """
    key = {"config": (folder / "config.json").read_text(), "max_tokens": max_tokens, "dtype": dtype}
    ledgers = remembered(cache, key, lambda: _traced(folder, max_tokens, dtype), list[tuple[int, Ledger]])
    longest = ledgers[-1][1]
    return Stage(
        name=name,
        dtype=dtype,
        prompt=tuple((tokens, ledger.phase("encode")) for tokens, ledger in ledgers),
        memory=longest.memory,
        hidden_size=longest.hidden_size,
    )


def _traced(folder: Path, max_tokens: int, dtype: str) -> list[tuple[int, Ledger]]:
    from harness.efficiency.language_models import encoder_ledger, load_config

    config = load_config(str(folder))
    lengths = sorted({_SHORTEST, (_SHORTEST + max_tokens) // 2, max_tokens})
    return [(tokens, encoder_ledger(config, batch=1, tokens=tokens, dtype=dtype)) for tokens in lengths]
