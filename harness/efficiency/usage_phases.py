"""Which phases a tally of usage stands for, and how often each of them ran."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from harness.efficiency.batches import batched
from harness.efficiency.closed_form import Polynomial
from harness.efficiency.counts import Placed
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.work import UNITS, Counted, Stage, Tally

ACTIVATION_BYTES = {"float32": 4.0, "float64": 8.0}
"""Of an activation that is reduced over accelerators, by the dtype of a stage; others have two."""


def placed(stage: Stage, tallies: Sequence[Tally], accelerators: int) -> list[tuple[Placed, float]]:
    """The phases of a stage's tallies on so many accelerators, with how often each ran over all examples."""

    @cache
    def prompts(rows: int) -> Counted:
        return tuple((tokens, batched(phase, rows)) for tokens, phase in stage.prompt)

    element = ACTIVATION_BYTES.get(stage.dtype, 2.0)
    found: list[tuple[Placed, float]] = []
    for tally in tallies:
        if (alone := _alone(stage, tally)) is not None:
            found.append((Placed(alone, accelerators), tally.examples))
        rows, tokens = max(1, tally.batch_rows), tokens_read(tally)
        if stage.prompt and tokens > tally.cached_tokens:
            counted = prompts(rows) if rows > 1 else stage.prompt
            prompt = _prompt(counted, tokens, tally.cached_tokens, stage.memory.kv_bytes_per_token)
            reduced = stage.hidden_size * (tokens - tally.cached_tokens) * rows * element
            found.append((Placed(prompt, accelerators, reduced), tally.examples / rows))
        if stage.step and tally.output_tokens > 1:
            # Steps cost what their mean context costs, for a linear cost has its mean there.
            step = _at(stage.step, tokens + (tally.output_tokens - 2) / 2)
            often = tally.examples * (tally.output_tokens - 1)
            found.append((Placed(step, accelerators, stage.hidden_size * element), often))
    return found


def tokens_read(tally: Tally) -> int:
    """Tokens that are read of an example: those of the longest of its batch, if it was padded to them."""
    return tally.batch_tokens if tally.batch_rows else tally.prompt_tokens + tally.image_tokens


def _alone(stage: Stage, tally: Tally) -> Phase | None:
    """What a stage takes beside tokens, for an average example of the tally."""
    parts: list[tuple[Phase, float]] = [(stage.once, 1.0)] if stage.once else []
    parts += [(stage.each[unit], getattr(tally, unit) / tally.examples) for unit in UNITS if unit in stage.each]
    if not parts:
        return None
    return Phase(
        name=stage.name,
        operations=tuple(_times(o, count) for phase, count in parts for o in phase.operations if count),
        layers=max(phase.layers for phase, _ in parts),
    )


def _prompt(counted: Counted, tokens: int, cached: int, kv_bytes_per_token: int) -> Phase:
    """Reading a prompt whose first `cached` tokens are at hand: they are attended to, and not computed again."""
    if not cached or len(counted) == 1:
        return _at(counted, tokens)
    return _with_cache_read(Polynomial.through(dict(counted)).after(cached, tokens), cached * kv_bytes_per_token)


def _with_cache_read(phase: Phase, cache_bytes: int) -> Phase:
    """The phase where attention also reads so many bytes of keys and values that are at hand."""
    calls = sum(o.count for o in phase.operations if o.kind == "attention")
    if not calls:  # attention by products, or none
        read = Operation("cached_keys_and_values", "scan", "float32", 1.0, 0.0, float(cache_bytes), 0.0)
        return msgspec.structs.replace(phase, operations=(*phase.operations, read)) if cache_bytes else phase
    operations = tuple(
        msgspec.structs.replace(o, bytes_read=o.bytes_read + cache_bytes / calls) if o.kind == "attention" else o
        for o in phase.operations
    )
    return msgspec.structs.replace(phase, operations=operations)


def _at(counted: Counted, length: float) -> Phase:
    return counted[0][1] if len(counted) == 1 else Polynomial.through(dict(counted)).at(length)


def _times(operation: Operation, count: float) -> Operation:
    return msgspec.structs.replace(operation, count=operation.count * count)
