"""What stands on an encoder, counted: linear maps of its states, pairs that it reads, and late interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from harness.efficiency.batches import further_by_rule
from harness.efficiency.closed_form import Polynomial
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.work import Stage

Maps: TypeAlias = Sequence[tuple[int, int]]
"""Linear maps, one after the other: numbers in and out."""

_ELEMENT_BYTES = {"float32": 4, "float64": 8}
_HALF_BYTES = 2


def with_maps(stage: Stage, maps: Maps, *, tied: int = 0) -> Stage:
    """The stage with `maps` of the state of every token after the encoder; `tied` weights are the encoder's own."""
    added = (sum(inputs * outputs for inputs, outputs in maps) - tied) * _element_bytes(stage.dtype)
    memory = msgspec.structs.replace(stage.memory, weights_bytes=stage.memory.weights_bytes + added)
    prompt = tuple((tokens, _followed_by(phase, _maps(maps, tokens, stage.dtype))) for tokens, phase in stage.prompt)
    return msgspec.structs.replace(stage, prompt=prompt, memory=memory)


def pair_stage(encode: Stage, lengths: Mapping[int, int], maps: Maps) -> Stage:
    """A cross-encoder's stage: what one document takes, on average over pairs of `lengths` (tokens: how many).

    `maps` are those of the one state that stands for the pair.
    """
    pair = Polynomial.through(dict(encode.prompt)).mean(lengths)
    weights = sum(inputs * outputs for inputs, outputs in maps) * _element_bytes(encode.dtype)
    memory = msgspec.structs.replace(encode.memory, weights_bytes=encode.memory.weights_bytes + weights)
    each = {"documents": _followed_by(pair, _maps(maps, 1, encode.dtype))}
    return msgspec.structs.replace(encode, prompt=(), each=each, memory=memory)


def max_sim(query_tokens: int, document_tokens: float, dimensions: int) -> Phase:
    """One document of late interaction: its float16 vectors are read, and compared with each of the query's.

    The products stay on the chip: only their maxima are used.
    """
    products = Operation(
        "max_sim",
        "matmul",
        "float16",
        1.0,
        2.0 * query_tokens * document_tokens * dimensions,
        float(_HALF_BYTES * document_tokens * dimensions),
        4.0,
    )
    return Phase("max_sim", (products,), layers=1)


def fused_document() -> Phase:
    """One document of a ranking that is fused: its id and score are read and its sum is written.

    In Python its rank, its entry in a table and its place among the sorted take 0.34 µs, about half a call of NumPy.
    """
    sums = Operation("fuse", "scan", "float32", 1.0, 2.0, 8.0, 4.0)
    return Phase("fuse", (sums, Operation("fuse", "call", "", 0.5, 0.0, 0.0, 0.0)))


def _maps(maps: Maps, tokens: int, dtype: str) -> list[Operation]:
    size = _element_bytes(dtype)
    return [
        Operation(
            f"head_{number}",
            "matmul",
            dtype,
            1.0,
            2.0 * tokens * inputs * outputs,
            float(size * (tokens * inputs + inputs * outputs)),
            float(size * tokens * outputs),
            float(size * inputs * outputs),
        )
        for number, (inputs, outputs) in enumerate(maps)
    ]


def _followed_by(phase: Phase, operations: Sequence[Operation]) -> Phase:
    written = max((int(operation.bytes_written) for operation in operations), default=0)
    growth = phase.growth
    if growth is not None:
        first = (*growth.operations, *operations) if growth.operations else ()
        further = (*growth.further, *map(further_by_rule, operations))
        growth = msgspec.structs.replace(growth, operations=first, further=further)
    return msgspec.structs.replace(
        phase,
        growth=growth,
        operations=(*phase.operations, *operations),
        layers=phase.layers + len(operations),
        peak_bytes=max(phase.peak_bytes, written),
    )


def _element_bytes(dtype: str) -> int:
    return _ELEMENT_BYTES.get(dtype, _HALF_BYTES)
