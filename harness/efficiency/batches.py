"""Phases from what a recorder saw, and the same phase at any batch from its record at one and at two sequences.

Exact: FLOPs, bytes and live bytes of a call are linear in the number of sequences, weights and what the batch shares
being the constant part; the experts that a larger batch touches follow from an expectation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

import msgspec

from harness.efficiency.ledger import Growth, Operation, Phase, combined, merged
from harness.errors import InputError

Levels: TypeAlias = tuple[tuple[int, ...], ...]
"""Bytes alive after each storage that came or went; and what each further sequence adds to them."""


@dataclass(frozen=True)
class Record:
    """One call of a module, operation by operation in the order in which they ran."""

    name: str
    operations: tuple[Operation, ...]
    live_changes: tuple[int, ...]
    """Bytes of each storage as it comes, negative as it goes."""
    unpriced: dict[str, int] = field(default_factory=dict)

    def phase(self) -> Phase:
        """Equal operations counted together."""
        return Seen.once(self).phase()


@dataclass(frozen=True)
class Seen:
    """A phase without its peaks, and the levels that they are the highest of."""

    counted: Phase
    alive: Levels
    """At the phase's own batch."""
    growing: Levels = ()
    """At the start of its growth, and by each further sequence."""

    @classmethod
    def once(cls, record: Record) -> Seen:
        """At one batch."""
        counted = Phase(name=record.name, operations=merged(record.operations), unpriced=record.unpriced)
        return cls(counted, tuple((level,) for level in accumulate(record.live_changes)))

    def phase(self) -> Phase:
        """The phase with its peaks."""
        growth = self.counted.growth
        if growth is not None:
            growth = msgspec.structs.replace(growth, peaks=_highest((a, b) for a, b in self.growing))
        peak = max((level for (level,) in self.alive), default=0)
        return msgspec.structs.replace(self.counted, peak_bytes=peak, growth=growth)


def growing(records: Callable[[int], Record]) -> Phase:
    """The phase of one sequence, with what each further one adds; `records` gives it at a batch."""
    return seen_growing(records).phase()


def seen_growing(records: Callable[[int], Record]) -> Seen:
    """One sequence, with what each further one adds.

    Without the latter if it is not linear: where all sequences of a batch are compared with each other.
    """
    one, two = records(1), records(2)
    start, pair = (1, (one, two)) if _same_calls(one, two) else (2, (two, records(3)))
    if not _same_calls(*pair) or not all(
        _is_linear(a, b, start) for a, b in zip(*(r.operations for r in pair), strict=True)
    ):
        return Seen.once(one)
    counts: dict[tuple[Operation, Operation], float] = {}
    for calls in zip(*(r.operations for r in pair), strict=True):
        counts[calls] = counts.get(calls, 0.0) + calls[0].count
    operations = tuple(msgspec.structs.replace(a, count=count) for (a, _), count in counts.items())
    further = tuple(_difference(*calls) for calls in counts)
    growth = Growth(further, peaks=(), start=start, operations=operations if start > 1 else ())
    alone = Seen.once(one)
    counted = alone.counted if start > 1 else msgspec.structs.replace(alone.counted, operations=operations)
    live = zip(*(accumulate(r.live_changes) for r in pair), strict=True)
    return Seen(
        msgspec.structs.replace(counted, growth=growth),
        alone.alive,
        tuple((first, more - first) for first, more in live),
    )


def batched(phase: Phase, batch: int) -> Phase:
    """The phase for `batch` sequences, from the phase for one; exact where its growth was traced.

    A phase without growth (counted in closed form) reads its weights once, and all else grows with the batch; rows of
    a table that are looked up do as well. Raises `InputError` for a batch below 1.
    """
    if batch < 1:
        raise InputError(f"the batch is {batch}; it has to be at least 1")
    growth = phase.growth or _by_rule(phase)
    if batch < growth.start:
        return msgspec.structs.replace(phase, growth=None)
    operations = zip(growth.operations or phase.operations, growth.further, strict=True)
    further = batch - growth.start
    return msgspec.structs.replace(
        phase,
        operations=merged(combined(pair, (1.0, float(further))) for pair in operations),
        peak_bytes=max((first + further * more for first, more in growth.peaks), default=0),
        growth=None,
    )


_COUNTS = ("flops", "bytes_read", "bytes_written", "weight_bytes")


def _same_calls(one: Record, two: Record) -> bool:
    names = [[o.name for o in record.operations] for record in (one, two)]
    return names[0] == names[1] and len(one.live_changes) == len(two.live_changes)


def _is_linear(one: Operation, two: Operation, start: int) -> bool:
    """Whether no count grows by more than its share: a constant part and one for each sequence do not."""
    return all(getattr(two, f) * start <= getattr(one, f) * (start + 1) + 1e-3 for f in _COUNTS)


def _difference(one: Operation, two: Operation) -> Operation:
    added = {f: getattr(two, f) - getattr(one, f) for f in _COUNTS}
    routing = one.routing
    if routing is not None and two.routing is not None:
        routing = msgspec.structs.replace(routing, tokens=two.routing.tokens - routing.tokens)
    return msgspec.structs.replace(one, count=0.0, routing=routing, **added)


def further_by_rule(o: Operation) -> Operation:
    """What a further sequence adds to an operation that was counted in closed form."""
    once = 0.0 if o.kind == "gather" else o.weight_bytes
    return msgspec.structs.replace(o, count=0.0, bytes_read=o.bytes_read - once, weight_bytes=o.weight_bytes - once)


def _by_rule(phase: Phase) -> Growth:
    further = tuple(map(further_by_rule, phase.operations))
    return Growth(further, peaks=((phase.peak_bytes, phase.peak_bytes),))


def _highest(lines: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The lines of which one is the highest at some batch of 1 or more."""
    kept: list[tuple[int, int]] = []
    for first, further in sorted(set(lines), key=lambda line: (-line[1], -line[0])):
        if not kept or first > max(line[0] for line in kept):
            kept.append((first, further))
    return tuple(kept)
