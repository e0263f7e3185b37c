"""What a model does, counted: operations with FLOPs and bytes, phase by phase. No clock, no hardware, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
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
    """The part of bytes_read that is parameters."""


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

    def phase(self, name: str) -> Phase:
        """Raises `KeyError` if the ledger has no such phase."""
        return next(phase for phase in self.phases if phase.name == name)

    @property
    def digest(self) -> str:
        """sha256 over the content."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def merged(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Equal operations counted together, in the order of their first call."""
    counts: dict[Operation, float] = {}
    for operation in operations:
        once = msgspec.structs.replace(operation, count=1.0)
        counts[once] = counts.get(once, 0.0) + operation.count
    return tuple(msgspec.structs.replace(once, count=count) for once, count in counts.items())
