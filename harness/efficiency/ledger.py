"""What a model does, counted: operations with FLOPs and bytes, phase by phase. No clock, no hardware, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

OperationKind = Literal[
    "matmul", "attention", "convolution", "gather", "norm", "pointwise", "scan", "other", "temporary", "pass", "call"
]
"""What decides how it is priced.

matmul, attention and convolution use the matrix units. gather reads or writes here and there, scan a stretch of
memory. norm and pointwise passes are what a fused kernel would absorb. The last three are an implementation's own, on a
host: an intermediate array written and read again, a further pass over what was read already, calls of an interpreter.
"""


class Routing(msgspec.Struct, frozen=True):
    """How tokens choose experts in a product of a mixture: only the experts that some token chose are read."""

    experts: int
    chosen: int
    """Experts of each token."""
    tokens: float

    @property
    def share(self) -> float:
        """Part of the experts that even choices are expected to touch."""
        return distinct_experts(self.experts, self.chosen, self.tokens) / self.experts


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calls of one operation with the same shapes."""

    name: str
    kind: OperationKind
    dtype: str
    """Of the arithmetic: float32, bfloat16, float16, int8 …"""
    count: float
    """Calls; fractional where an expectation is counted (distinct experts of a mixture)."""
    flops: float
    """Floating-point operations of one call; a multiply-add is two."""
    bytes_read: float
    """Of one call."""
    bytes_written: float
    """Of one call."""
    weight_bytes: float = 0.0
    """The part of bytes_read that is parameters, as they are stored."""
    element_bytes: float = 0.0
    """Of an activation, where the dtype of the arithmetic does not say: products of quantised operands."""
    routing: Routing | None = None
    """Of a product with the experts of a mixture."""


class Growth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A phase at larger batches: what each further sequence adds, from a batch on at which the calls stay the same."""

    further: tuple[Operation, ...]
    """To each operation, in their order; count is 0, because a larger batch is no further call."""
    peaks: tuple[tuple[int, int], ...]
    """(bytes alive at the start, bytes that each further sequence adds) wherever the most may be alive."""
    start: int = 1
    """2 where a model copies for several sequences what it need not copy for one."""
    operations: tuple[Operation, ...] = ()
    """At the start, where that is not the phase itself."""


class Phase(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the work that is priced as one: prefill, decode, encode, classify, train step, scan, postings."""

    name: str
    operations: tuple[Operation, ...]
    layers: int = 0
    """Sequential layers, each of which the host has to launch."""
    peak_bytes: int = 0
    """Largest sum of live activations, inputs and outputs; parameters and cache not included."""
    unpriced: dict[str, int] = {}
    """Small operations without a formula, by name, and how often they ran."""
    growth: Growth | None = None
    """Where it was traced at several batches: `batches.batched` gives it at any."""

    @property
    def flops(self) -> float:
        return sum(o.count * o.flops for o in self.operations)

    @property
    def bytes(self) -> float:
        return sum(o.count * (o.bytes_read + o.bytes_written) for o in self.operations)


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has to be held, apart from activations."""

    weights_bytes: int
    kv_bytes_per_token: int = 0
    """For one sequence, over all layers."""
    state_bytes: int = 0
    """For one sequence, whatever its length: recurrent states, and an encoder's keys and values for its decoder."""


class Ledger(msgspec.Struct, frozen=True, omit_defaults=True):
    """All phases of a model at stated shapes."""

    model: str
    attention: str
    """Backend whose operations are counted: fused (one pass, no score matrix in memory) or eager."""
    dtype: str
    parameters: int
    memory: Memory
    phases: tuple[Phase, ...]
    hidden_size: int = 0
    """Width of the residual stream: what tensor parallelism has to reduce."""
    weights: str = ""
    """Format that the matrices are stored in, where it is not `dtype`."""

    def phase(self, name: str) -> Phase:
        """Raises `KeyError` if the ledger has no such phase."""
        return next(phase for phase in self.phases if phase.name == name)

    @property
    def digest(self) -> str:
        """sha256 over the content."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def distinct_experts(experts: int, chosen: int, tokens: float) -> float:
    """How many experts a batch is expected to touch when each token chooses evenly: E·(1 − (1 − k/E)^T)."""
    untouched: float = (1.0 - min(chosen / experts, 1.0)) ** tokens
    return experts * (1.0 - untouched)


def combined(operations: Sequence[Operation], weights: Sequence[float]) -> Operation:
    """The same call at another size: its counts at some sizes, each times its weight, added.

    What a mixture reads of its experts is no such sum: it follows from the number of tokens.
    """

    def total(field: str) -> float:
        return sum(weight * float(getattr(o, field)) for o, weight in zip(operations, weights, strict=True))

    first, read, own, routing = operations[0], total("bytes_read"), total("weight_bytes"), operations[0].routing
    if routing is not None:
        tokens = sum(w * (o.routing.tokens if o.routing else 0.0) for o, w in zip(operations, weights, strict=True))
        chosen = msgspec.structs.replace(routing, tokens=tokens)
        routed = first.weight_bytes / routing.share * chosen.share
        read, own, routing = read + routed - own, routed, chosen
    return msgspec.structs.replace(
        first,
        count=total("count"),
        flops=total("flops"),
        bytes_read=read,
        bytes_written=total("bytes_written"),
        weight_bytes=own,
        routing=routing,
    )


def merged(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Equal operations counted together, in the order of their first call."""
    counts: dict[Operation, float] = {}
    for operation in operations:
        once = msgspec.structs.replace(operation, count=1.0)
        counts[once] = counts.get(once, 0.0) + operation.count
    return tuple(msgspec.structs.replace(once, count=count) for once, count in counts.items())
