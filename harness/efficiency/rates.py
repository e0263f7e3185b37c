"""Seconds of one example of each different usage, worked out for the stages of all runs of a board at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from harness.efficiency.hardware import Hardware
from harness.efficiency.pricing import PhaseTable, bounds
from harness.efficiency.stacks import Stack
from harness.efficiency.tiling import FloatArray
from harness.efficiency.usage_counts import Uses
from harness.efficiency.usage_phases import placed, tokens_read
from harness.efficiency.work import Stage, Tally
from harness.errors import InputError


@dataclass(frozen=True)
class Side:
    """Hardware, and the software on it; without a stack there is a bound and nothing else."""

    hardware: Hardware
    stack: Stack | None = None


@dataclass(frozen=True)
class Placement:
    """What a run did of a stage, and how many accelerators divide it."""

    stage: Stage
    tallies: Sequence[Tally]
    accelerators: int


@dataclass(frozen=True)
class Rated:
    """Seconds of all examples of a placement, one after the other."""

    side: Side
    bound_seconds: float
    calibrated_seconds: float | None
    error_p90: float | None
    """Of the stack, on measurements that its fit did not see."""


def rated(placements: Sequence[Placement], side_of: Callable[[Stage], Side]) -> list[Rated | InputError]:
    """What each placement takes on its side, or why it cannot be priced."""
    stages: dict[tuple[bytes, int], _Stage] = {}
    known: dict[int, bytes] = {}  # runs with the same ledger share its stages
    found: list[tuple[_Stage, list[int]]] = []
    for placement in placements:
        stage = placement.stage
        packed = known.setdefault(id(stage), b"") or msgspec.msgpack.encode(stage)
        known[id(stage)] = packed
        key = packed, placement.accelerators
        if key not in stages:
            stages[key] = _Stage(stage, placement.accelerators, side_of(stage))
        found.append((stages[key], [stages[key].place(tally) for tally in placement.tallies]))
    _price_by_side(list(stages.values()))
    return [stage.rated(places, p.tallies) for (stage, places), p in zip(found, placements, strict=True)]


@dataclass
class _Stage:
    """A stage with the different usages that runs made of it, and their seconds once they are known."""

    stage: Stage
    accelerators: int
    side: Side
    usages: dict[tuple[float, ...], int] = field(default_factory=dict)
    """What an example takes → its place among the tallies."""
    tallies: list[Tally] = field(default_factory=list)
    kinds: list[Tally] = field(default_factory=list)
    bound: FloatArray = field(default_factory=lambda: np.empty(0))
    calibrated: FloatArray | None = None
    error: InputError | None = None
    errors: dict[frozenset[Tally], float | None] = field(default_factory=dict)
    """The stack's on usages of these kinds."""

    @property
    def part(self) -> tuple[Stage, Sequence[Tally], int]:
        return self.stage, self.tallies, self.accelerators

    def place(self, tally: Tally) -> int:
        """Where a usage like the tally's is."""
        usage = _usage(tally)
        place = self.usages.get(usage)
        if place is None:
            place = self.usages[usage] = len(self.tallies)
            self.tallies.append(tally)
            self.kinds.append(_kind(tally))
        return place

    def rated(self, places: list[int], tallies: Sequence[Tally]) -> Rated | InputError:
        if self.error is not None:
            return self.error
        examples = np.array([tally.examples for tally in tallies], float)
        bound = float(examples @ self.bound[places])
        if not np.isfinite(bound):
            return Unpriced(f"a count of the stage {self.stage.name!r} is no finite number")
        calibrated = None if self.calibrated is None else float(examples @ self.calibrated[places])
        return Rated(self.side, bound, calibrated, self._error_p90(frozenset([self.kinds[place] for place in places])))

    def _error_p90(self, kinds: frozenset[Tally]) -> float | None:
        stack = self.side.stack
        if stack is not None and kinds not in self.errors:
            phases = [p.phase for p, _ in placed(self.stage, list(kinds), 1)]
            self.errors[kinds] = stack.error_on(self.side.hardware.name, phases)
        return self.errors.get(kinds)


class Unpriced(InputError):
    """Work that cannot be priced: a stage that is unknown, or counts that are no numbers."""


def _usage(tally: Tally) -> tuple[float, ...]:
    """What an example of the tally takes."""
    n = tally.examples
    return (
        *(tally.prompt_tokens, tally.cached_tokens, tally.output_tokens, tally.image_tokens),
        *(tally.batch_rows, tally.batch_tokens, tally.postings / n, tally.nodes / n, tally.documents / n),
    )


def _kind(tally: Tally) -> Tally:
    """What decides which operations it takes: what there is of it, not how much."""
    cached = min(1, tally.cached_tokens)
    return Tally(
        stage="",
        examples=1,
        prompt_tokens=cached + (tokens_read(tally) > tally.cached_tokens),
        cached_tokens=cached,
        output_tokens=min(2, tally.output_tokens),
        postings=min(1, tally.postings),
        nodes=min(1, tally.nodes),
        documents=min(1, tally.documents),
    )


def _price_by_side(stages: Sequence[_Stage]) -> None:
    together: dict[tuple[str, str], list[_Stage]] = {}
    for stage in stages:
        name = stage.side.hardware.name, stage.side.stack.name if stage.side.stack else ""
        together.setdefault(name, []).append(stage)
    for same in together.values():
        try:
            _price(same)
        except InputError:  # of some stage: the others have their price nevertheless
            for stage in same:
                _price_alone(stage)


def _price(same: Sequence[_Stage]) -> None:
    """Fill in the seconds of stages of one side."""
    side = same[0].side
    uses = Uses.of([stage.part for stage in same])
    least = bounds(uses.counts, side.hardware)
    bound, calibrated = uses.per_example(least), None
    if side.stack is not None:
        seconds = PhaseTable.priced(uses.counts, side.hardware, side.stack).seconds(side.stack.constants)
        calibrated = uses.per_example(np.maximum(seconds, least))
    runs = np.bincount(uses.tally, minlength=uses.tallies) > 0
    first = 0
    for stage in same:
        mine = slice(first, first + len(stage.tallies))
        first = mine.stop
        stage.bound = bound[mine]
        stage.calibrated = calibrated[mine] if calibrated is not None and runs[mine].any() else None


def _price_alone(stage: _Stage) -> None:
    try:
        _price([stage])
    except InputError as error:
        stage.error = error
