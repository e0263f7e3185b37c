"""Seconds and memory that a run's counted work takes on stated hardware: from stored tallies, without running anything.

Serving means one example at a time, stage after stage. A stage runs on the accelerator, or on the host beside it.
Preparing (indexing, training) is priced apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import msgspec
import numpy as np

from harness.efficiency.closed_form import Polynomial
from harness.efficiency.counts import Counts, Placed
from harness.efficiency.deployment import minimum_accelerators
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.pricing import PhaseTable, bounds
from harness.efficiency.stacks import Stack
from harness.efficiency.tiling import FloatArray
from harness.efficiency.work import UNITS, Device, Stage, Tally
from harness.errors import InputError


@dataclass(frozen=True)
class Side:
    """Hardware, and the software on it; without a stack there is a bound and nothing else."""

    hardware: Hardware
    stack: Stack | None = None


@dataclass(frozen=True)
class Reference:
    """What to price on: an accelerator, and the host that feeds it."""

    accelerator: Side
    host: Side
    accelerators: int | None = None
    """None for the fewest that hold what has to be held."""

    def side(self, stage: Stage) -> Side:
        """Where a stage runs, and under which software: where all is a processor's, NumPy's work is NumPy's.

        On the host a program that is not NumPy's (Lucene, faiss) has no stack: its bound is all that is known.
        """
        if stage.device == "host":
            others = self.host.stack is not None and self.host.stack.prices_host_work and not _is_numpy(stage)
            return Side(self.host.hardware) if others else self.host
        if self.accelerator.hardware.is_processor and _is_numpy(stage):
            return Side(self.accelerator.hardware, self.host.stack if self.accelerator.stack else None)
        return self.accelerator

    def __str__(self) -> str:
        software = self.accelerator.stack.name if self.accelerator.stack else "no stack"
        return f"{self.accelerator.hardware.name} ({software}), with {self.host.hardware.name} as host"


@dataclass(frozen=True)
class StageSeconds:
    """Seconds of a stage for one example, on average over the examples of the run."""

    name: str
    device: Device
    hardware: str
    stack: str
    bound_seconds: float
    calibrated_seconds: float | None
    error_p90: float | None
    """Of the stack, on measurements that its fit did not see."""
    stage: Stage = field(repr=False)
    tallies: tuple[Tally, ...] = field(repr=False)
    examples: int = field(repr=False)
    """That the tallies are an average over."""
    accelerators: int = 1

    @cached_property
    def phases(self) -> tuple[tuple[Phase, float], ...]:
        """What was priced, and how often for an average example: for rooflines and lists of operations."""
        placed = _placed(self.stage, self.tallies, self.accelerators)
        return tuple((p.phase, times / self.examples) for p, times in placed)


@dataclass(frozen=True)
class Price:
    """What an example takes, and what has to be held."""

    stages: tuple[StageSeconds, ...]
    accelerators: int
    """That the accelerator stages are divided over; 0 if all work is the host's."""
    weights_bytes: int
    kv_bytes_per_token: int
    index_bytes: int
    peak_activation_bytes: int

    @property
    def bound_seconds(self) -> float:
        """No ideal implementation is faster."""
        return sum(stage.bound_seconds for stage in self.stages)

    @cached_property
    def calibrated_seconds(self) -> float | None:
        """None unless every stage has a stack that was calibrated."""
        seconds = [stage.calibrated_seconds for stage in self.stages]
        return None if None in seconds else float(np.sum([s for s in seconds if s is not None]))

    @property
    def accelerator_seconds(self) -> float:
        """Of an example, over all accelerators: calibrated where a stack was named, else the bound."""
        mine = [stage for stage in self.stages if stage.device == "accelerator"]
        return self.accelerators * sum(
            s.bound_seconds if s.calibrated_seconds is None else s.calibrated_seconds for s in mine
        )

    @cached_property
    def error_p90(self) -> float | None:
        """Relative error of the calibrated seconds, were all stages off in the same direction.

        A stage of which no error is known counts as wholly wrong. None if that goes for all of them.
        """
        if not self.calibrated_seconds or all(stage.error_p90 is None for stage in self.stages):
            return None
        wrong = [(s.calibrated_seconds or 0.0) * (1.0 if s.error_p90 is None else s.error_p90) for s in self.stages]
        return sum(wrong) / self.calibrated_seconds


def _is_numpy(stage: Stage) -> bool:
    """Whether some of its work is counted as calls of NumPy functions."""
    phases = [*filter(None, [stage.once]), *stage.each.values(), *(phase for _, phase in stage.prompt)]
    return any(operation.kind == "call" for phase in phases for operation in phase.operations)


class Unpriced(InputError):
    """Work that cannot be priced: a stage that is unknown, or counts that are no numbers."""


def price(stages: Sequence[Stage], served: Sequence[Tally], reference: Reference) -> Price:
    """Seconds an example, averaged over all tallies, and the memory that serving needs.

    Raises `Unpriced` for a tally whose stage is not among the stages, `MissingNumber` for an unknown number of the
    hardware, `DoesNotFit` if no number of accelerators holds it.
    """
    known = {stage.name: stage for stage in stages}
    if unknown := [tally.stage for tally in served if tally.stage not in known]:
        raise Unpriced(f"the usage names the stage {unknown[0]!r}, which the model does not describe")
    used = [stage for stage in stages if any(tally.stage == stage.name for tally in served)]
    examples = max((sum(t.examples for t in served if t.stage == s.name) for s in used), default=0)
    accelerators = _accelerators(used, served, reference)
    return Price(
        stages=tuple(
            _stage_seconds(stage, [t for t in served if t.stage == stage.name], examples, accelerators, reference)
            for stage in used
        ),
        accelerators=accelerators,
        weights_bytes=sum(stage.memory.weights_bytes for stage in used),
        kv_bytes_per_token=sum(stage.memory.kv_bytes_per_token for stage in used),
        index_bytes=sum(stage.index_bytes for stage in used),
        peak_activation_bytes=max((stage.peak_bytes for stage in used), default=0),
    )


def _stage_seconds(
    stage: Stage, tallies: Sequence[Tally], examples: int, accelerators: int, reference: Reference
) -> StageSeconds:
    side = reference.side(stage)
    shared = accelerators if stage.device == "accelerator" else 1
    counted = _counted(msgspec.msgpack.encode(stage), tuple(tallies), shared)
    times = counted.times / examples
    least = bounds(counted.counts, side.hardware)
    if not np.isfinite(least).all():
        raise Unpriced(f"a count of the stage {stage.name!r} is no finite number")
    calibrated = None
    if side.stack is not None and len(least):
        seconds = PhaseTable.priced(counted.counts, side.hardware, side.stack).seconds(side.stack.constants)
        calibrated = float(np.sum(times * np.maximum(seconds, least)))
    return StageSeconds(
        name=stage.name,
        device=stage.device,
        hardware=side.hardware.name,
        stack=side.stack.name if side.stack else "",
        bound_seconds=float(np.sum(times * least)),
        calibrated_seconds=calibrated,
        error_p90=side.stack.error_on(side.hardware.name, counted.different) if side.stack else None,
        stage=stage,
        tallies=tuple(tallies),
        examples=examples,
        accelerators=shared,
    )


@dataclass(frozen=True)
class _Counted:
    """What a stage did in a run, on so many accelerators of any kind."""

    counts: Counts
    times: FloatArray
    """[phases]: how often each ran, over all examples."""
    different: tuple[Phase, ...]
    """One phase of each name and arithmetic."""


@lru_cache(maxsize=1000)
def _counted(stage: bytes, tallies: tuple[Tally, ...], accelerators: int) -> _Counted:
    """Kept, because a reader who changes the hardware asks for the same again; `stage` is in MessagePack."""
    placed = _placed(_stages.decode(stage), tallies, accelerators)
    different = {(p.phase.name, *sorted({(o.kind, o.dtype) for o in p.phase.operations})): p.phase for p, _ in placed}
    times = np.array([count for _, count in placed], float)
    return _Counted(Counts.of([p for p, _ in placed]), times, tuple(different.values()))


_stages = msgspec.msgpack.Decoder(Stage)


def _placed(stage: Stage, tallies: Sequence[Tally], accelerators: int) -> list[tuple[Placed, float]]:
    return [found for tally in tallies for found in _phases(stage, tally, accelerators)]


def _phases(stage: Stage, tally: Tally, accelerators: int) -> list[tuple[Placed, float]]:
    """The phases of one tally, and how often each runs."""
    found: list[tuple[Placed, float]] = []
    alone = _alone(stage, tally)
    if alone is not None:
        found.append((Placed(alone, accelerators), tally.examples))
    element = {"float32": 4.0, "float64": 8.0}.get(stage.dtype, 2.0)
    tokens = tally.prompt_tokens + tally.image_tokens
    if stage.prompt and tokens > tally.cached_tokens:
        prompt = _at(stage.prompt, tokens, tally.cached_tokens)
        reduced = stage.hidden_size * (tokens - tally.cached_tokens) * element
        found.append((Placed(prompt, accelerators, reduced), tally.examples))
    if stage.step and tally.output_tokens > 1:
        # Steps cost what their mean context costs, for a linear cost has its mean there.
        step = _at(stage.step, tokens + tally.output_tokens / 2)
        found.append(
            (Placed(step, accelerators, stage.hidden_size * element), tally.examples * (tally.output_tokens - 1))
        )
    return found


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


def _times(operation: Operation, count: float) -> Operation:
    return msgspec.structs.replace(operation, count=operation.count * count)


def _at(counted: Sequence[tuple[int, Phase]], length: float, cached: int = 0) -> Phase:
    if len(counted) == 1:
        return counted[0][1]
    polynomial = Polynomial.through(dict(counted))
    return polynomial.after(cached, length) if cached else polynomial.at(length)


def _accelerators(stages: Sequence[Stage], served: Sequence[Tally], reference: Reference) -> int:
    """As asked, else the fewest that hold the weights and indexes of all stages, and the longest example."""
    on_device = [stage for stage in stages if stage.device == "accelerator"]
    if not on_device or reference.accelerators:
        return (reference.accelerators or 0) if on_device else 0
    longest = {
        stage.name: max(
            (t.prompt_tokens + t.image_tokens + t.output_tokens for t in served if t.stage == stage.name), default=0
        )
        for stage in on_device
    }
    memory = Memory(
        weights_bytes=sum(stage.memory.weights_bytes + stage.index_bytes for stage in on_device),
        state_bytes=sum(
            stage.memory.state_bytes + stage.memory.kv_bytes_per_token * longest[stage.name] for stage in on_device
        ),
    )
    heads = min((stage.heads for stage in on_device if stage.heads), default=0)
    return minimum_accelerators(
        memory, 1, 0, max(s.peak_bytes for s in on_device), reference.accelerator.hardware, heads or None
    )
