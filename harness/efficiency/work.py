"""What a submission does for its examples, counted, so that it can be priced on any hardware without a second run.

A prediction's `Usage` says how much of each stage an example took (tokens, postings, documents …); a `Stage` says what
that is in operations. Usages are kept as tallies: equal ones counted together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from harness.contract import Usage
from harness.efficiency.ledger import Memory, Phase

Device = Literal["accelerator", "host"]
"""Where a stage runs on reference hardware: what a GPU is good for, or work that stays on the processor beside it."""

Counted: TypeAlias = tuple[tuple[int, Phase], ...]
"""One phase at several lengths. Counts are a polynomial in the length, so a few of them give every length exactly."""

FEWEST_REPEATS = 5
"""Of an observation; fewer are not shown."""
UNITS = ("postings", "nodes", "documents")
"""Fields of `Usage` whose work is so many times that of one; `Stage.each` may name them."""


class Stage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one stage of `Usage` takes, and what has to be held for it."""

    name: str
    """As in `Usage.stage`."""
    device: Device = "accelerator"
    dtype: str = "float32"
    """Of the weights."""
    once: Phase | None = None
    """For each example, whatever its size: a scan over a flat index, say."""
    each: dict[str, Phase] = {}
    """For one posting, node or document, by field of `Usage`."""
    prompt: Counted = ()
    """One call over so many prompt tokens: at one length if it is constant, two if linear, three if quadratic."""
    step: Counted = ()
    """One further output token, with so many tokens before it."""
    memory: Memory = Memory(weights_bytes=0)
    index_bytes: int = 0
    """Read by the stage at search, and held on its device."""
    hidden_size: int = 0
    """Width of the residual stream: what tensor parallelism has to reduce."""
    heads: int = 0
    """Attention heads, which tensor parallelism divides; 0 if there are none."""

    @property
    def peak_bytes(self) -> int:
        """Live activations of the longest call that was counted, one example at a time."""
        phases = [phase for _, phase in (*self.prompt, *self.step)]
        return max((p.peak_bytes for p in [*phases, *self.each.values(), *filter(None, [self.once])]), default=0)


class Tally(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """Examples whose usage of a stage is the same in all that is not proportional; the rest is added up."""

    stage: str
    examples: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    image_tokens: int = 0
    batch_rows: int = 0
    batch_tokens: int = 0
    postings: int = 0
    """Of all the examples together, as are nodes and documents."""
    nodes: int = 0
    documents: int = 0


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model says of itself once it is prepared: its stages, and how much preparing took of them."""

    stages: tuple[Stage, ...]
    preparing: tuple[Tally, ...] = ()
    """Indexing, encoding a corpus, training: apart from what an example takes."""
    uncounted: str = ""
    """What of it is in no tally, as the end of a sentence: "the graph of the index"."""

    @property
    def digest(self) -> str:
        """sha256 over the stages: the same ledger, whatever it was used for."""
        return hashlib.sha256(msgspec.json.encode(self.stages, order="sorted")).hexdigest()


class Observed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds an example, measured by answering a few examples again and again, one at a time and without any cache."""

    seconds: tuple[float, ...]
    """Mean over the examples, one number for each repeat."""
    examples: int
    clock: Literal["process CPU", "device"]
    """Process-CPU seconds over all cores; wall seconds where an accelerator computes."""


def by_batch(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """The same work, with those counted together that went through in padded batches of the same size."""
    kept: list[Tally] = []
    examples: dict[tuple[str, int, int], int] = {}
    for tally in tallies:
        if tally.batch_rows and not tally.output_tokens and not tally.cached_tokens:
            batch = tally.stage, tally.batch_rows, tally.batch_tokens
            examples[batch] = examples.get(batch, 0) + tally.examples
        else:
            kept.append(tally)
    padded = (
        Tally(stage, count, prompt_tokens=tokens, batch_rows=rows, batch_tokens=tokens)
        for (stage, rows, tokens), count in examples.items()
    )
    return (*kept, *padded)


def tallied(usages: Iterable[Usage], *, with_batches: bool = False) -> tuple[Tally, ...]:
    """Equal usages counted together, in the order of their first.

    `with_batches` keeps the padded batch that each was computed in; else an example is priced as if it came alone.
    """
    counts: dict[tuple[str | int, ...], list[int]] = {}
    for usage in usages:
        batch = (usage.batch_rows, usage.batch_tokens) if with_batches else (0, 0)
        tokens = (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens, usage.image_tokens)
        total = counts.setdefault((usage.stage, *tokens, *batch), [0, 0, 0, 0])
        for place, amount in enumerate((1, usage.postings, usage.nodes, usage.documents)):
            total[place] += amount
    return tuple(
        msgspec.convert([stage, examples, *fixed, *units], Tally)
        for (stage, *fixed), (examples, *units) in counts.items()
    )
