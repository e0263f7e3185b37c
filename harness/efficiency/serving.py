"""Seconds and memory that a run's counted work takes on stated hardware: from stored tallies, without running anything.

Serving means one example at a time, stage after stage. A stage runs on the accelerator, or on the host beside it.
Preparing (indexing, training) is priced apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import msgspec
import numpy as np

from harness.efficiency.counts import Counts
from harness.efficiency.deployment import minimum_accelerators
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Memory, Phase
from harness.efficiency.pricing import PhaseTable, bounds
from harness.efficiency.stacks import Stack
from harness.efficiency.tiling import FloatArray
from harness.efficiency.usage_phases import placed
from harness.efficiency.work import Device, Stage, Tally, by_batch
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
        found = placed(self.stage, self.tallies, self.accelerators)
        return tuple((p.phase, times / self.examples) for p, times in found)


@dataclass(frozen=True)
class Price:
    """What an example takes, and what has to be held."""

    stages: tuple[StageSeconds, ...]
    accelerators: int
    """That the accelerator stages are divided over; 0 if all work is the host's."""
    weights_bytes: int
    kv_bytes_per_token: int
    state_bytes: int
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
    used = _used(stages, served)
    examples = max((sum(t.examples for t in served if t.stage == s.name) for s in used), default=0)
    return _price(used, served, examples, reference)


def price_preparing(stages: Sequence[Stage], preparing: Sequence[Tally], reference: Reference) -> Price:
    """Seconds of all that came before the first example together, in the padded batches that it was done in.

    Raises as `price` does.
    """
    found = _price(_used(stages, preparing), by_batch(preparing), 1, reference)
    # NumPy's stack was tested on searches, so what its error is on indexing nobody knows.
    untested = (replace(stage, error_p90=None) if _is_numpy(stage.stage) else stage for stage in found.stages)
    return replace(found, stages=tuple(untested))


def _used(stages: Sequence[Stage], tallies: Sequence[Tally]) -> list[Stage]:
    """The stages that some tally names."""
    known = {stage.name for stage in stages}
    if unknown := [tally.stage for tally in tallies if tally.stage not in known]:
        raise Unpriced(f"the usage names the stage {unknown[0]!r}, which the model does not describe")
    return [stage for stage in stages if any(tally.stage == stage.name for tally in tallies)]


def _price(used: Sequence[Stage], tallies: Sequence[Tally], examples: int, reference: Reference) -> Price:
    """Seconds of all tallies, over so many examples."""
    accelerators = _accelerators(used, tallies, reference)
    return Price(
        stages=tuple(
            _stage_seconds(stage, [t for t in tallies if t.stage == stage.name], examples, accelerators, reference)
            for stage in used
        ),
        accelerators=accelerators,
        weights_bytes=sum(stage.memory.weights_bytes for stage in used),
        kv_bytes_per_token=sum(stage.memory.kv_bytes_per_token for stage in used),
        state_bytes=sum(stage.memory.state_bytes for stage in used),
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
    found = placed(_stages.decode(stage), tallies, accelerators)
    different = {(p.phase.name, *sorted({(o.kind, o.dtype) for o in p.phase.operations})): p.phase for p, _ in found}
    times = np.array([count for _, count in found], float)
    return _Counted(Counts.of([p for p, _ in found]), times, tuple(different.values()))


_stages = msgspec.msgpack.Decoder(Stage)


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
