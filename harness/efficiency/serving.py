"""Seconds and memory that a run's counted work takes on stated hardware: from stored tallies, without running anything.

Serving means one example at a time, stage after stage. A stage runs on the accelerator, or on the host beside it.
Preparing (indexing, training) is priced apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from harness.efficiency.deployment import minimum_accelerators
from harness.efficiency.ledger import Memory, Phase
from harness.efficiency.rates import Placement, Rated, Side, Unpriced, rated
from harness.efficiency.usage_phases import placed
from harness.efficiency.work import Device, Stage, Tally, by_batch
from harness.errors import InputError

T = TypeVar("T")


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


def price(stages: Sequence[Stage], served: Sequence[Tally], reference: Reference) -> Price:
    """Seconds an example, averaged over all tallies, and the memory that serving needs.

    Raises `Unpriced` for a tally whose stage is not among the stages, `MissingNumber` for an unknown number of the
    hardware, `DoesNotFit` if no number of accelerators holds it.
    """
    return _only(price_all([(stages, served)], reference))


def price_all(
    works: Iterable[tuple[Sequence[Stage], Sequence[Tally]]], reference: Reference
) -> list[Price | InputError]:
    """The price of each of many runs, or the error that `price` raises: much less work than one after the other."""
    return _prices([(stages, served, None) for stages, served in works], reference)


def price_preparing(stages: Sequence[Stage], preparing: Sequence[Tally], reference: Reference) -> Price:
    """Seconds of all that came before the first example together, in the padded batches that it was done in.

    Raises as `price` does.
    """
    found = _only(_prices([(stages, by_batch(preparing), 1)], reference))
    # NumPy's stack was tested on searches, so what its error is on indexing nobody knows.
    untested = (replace(stage, error_p90=None) if _is_numpy(stage.stage) else stage for stage in found.stages)
    return replace(found, stages=tuple(untested))


def _only(found: Sequence[Price | InputError]) -> Price:
    (one,) = found
    if isinstance(one, InputError):
        raise one
    return one


@dataclass(frozen=True)
class _Asked:
    """A run to be priced: the stages that it used, and over how many examples its seconds are averaged."""

    placements: Sequence[Placement]
    accelerators: int
    examples: int


def _prices(
    works: Sequence[tuple[Sequence[Stage], Sequence[Tally], int | None]], reference: Reference
) -> list[Price | InputError]:
    """Seconds of all tallies of each work, over so many examples, or as many as its most used stage had."""
    asked = [_or_error(_ask, *work, reference) for work in works]
    placements = [placement for one in asked if isinstance(one, _Asked) for placement in one.placements]
    seconds = iter(rated(placements, reference.side))
    return [
        _or_error(_price, one, [next(seconds) for _ in one.placements]) if isinstance(one, _Asked) else one
        for one in asked
    ]


def _or_error(make: Callable[..., T], *arguments: Any) -> T | InputError:
    try:
        return make(*arguments)
    except InputError as error:
        return error


def _ask(stages: Sequence[Stage], tallies: Sequence[Tally], examples: int | None, reference: Reference) -> _Asked:
    by_stage: dict[str, list[Tally]] = {}
    for tally in tallies:
        by_stage.setdefault(tally.stage, []).append(tally)
    if unknown := by_stage.keys() - {stage.name for stage in stages}:
        raise Unpriced(f"the usage names the stage {min(unknown)!r}, which the model does not describe")
    used = [stage for stage in stages if stage.name in by_stage]
    accelerators = _accelerators(used, by_stage, reference)
    if examples is None:
        examples = max((sum(tally.examples for tally in found) for found in by_stage.values()), default=0)
    return _Asked(
        placements=[
            Placement(stage, by_stage[stage.name], accelerators if stage.device == "accelerator" else 1)
            for stage in used
        ],
        accelerators=accelerators,
        examples=examples,
    )


def _price(asked: _Asked, seconds: Sequence[Rated | InputError]) -> Price:
    used = [placement.stage for placement in asked.placements]
    return Price(
        stages=tuple(
            _stage_seconds(placement, of_all, asked.examples)
            for placement, of_all in zip(asked.placements, seconds, strict=True)
        ),
        accelerators=asked.accelerators,
        weights_bytes=sum(stage.memory.weights_bytes for stage in used),
        kv_bytes_per_token=sum(stage.memory.kv_bytes_per_token for stage in used),
        state_bytes=sum(stage.memory.state_bytes for stage in used),
        index_bytes=sum(stage.index_bytes for stage in used),
        peak_activation_bytes=max((stage.peak_bytes for stage in used), default=0),
    )


def _stage_seconds(placement: Placement, of_all: Rated | InputError, examples: int) -> StageSeconds:
    if isinstance(of_all, InputError):
        raise of_all
    side, calibrated = of_all.side, of_all.calibrated_seconds
    return StageSeconds(
        name=placement.stage.name,
        device=placement.stage.device,
        hardware=side.hardware.name,
        stack=side.stack.name if side.stack else "",
        bound_seconds=of_all.bound_seconds / examples,
        calibrated_seconds=None if calibrated is None else calibrated / examples,
        error_p90=of_all.error_p90,
        stage=placement.stage,
        tallies=tuple(placement.tallies),
        examples=examples,
        accelerators=placement.accelerators,
    )


def _accelerators(stages: Sequence[Stage], tallies: Mapping[str, Sequence[Tally]], reference: Reference) -> int:
    """As asked, else the fewest that hold the weights and indexes of all stages, and the longest example."""
    on_device = [stage for stage in stages if stage.device == "accelerator"]
    if not on_device or reference.accelerators:
        return (reference.accelerators or 0) if on_device else 0
    longest = {
        stage.name: max(t.prompt_tokens + t.image_tokens + t.output_tokens for t in tallies[stage.name])
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
