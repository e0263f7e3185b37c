"""What tallies of usage stand for, as arrays: the phases of `usage_phases.placed` for thousands of runs at once.

A phase at many lengths is a product of matrices: weights of the lengths at which it was counted, times the counts
there. Nothing here depends on the hardware.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from harness.efficiency.batches import batched
from harness.efficiency.closed_form import Polynomial
from harness.efficiency.counts import Block, Counts, amounts_of
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.tiling import FloatArray
from harness.efficiency.usage_phases import ACTIVATION_BYTES, tokens_read
from harness.efficiency.work import UNITS, Stage, Tally

_COUNT, _READ, _WEIGHTS = 0, 2, 4
"""Fields of `Block.amounts`."""
_CACHE_READ = Operation("cached_keys_and_values", "scan", "float32", 1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Uses:
    """What one example of each of several tallies takes, whatever stages they are of.

    Arrays [phases]: `tally` (its index) and `times` (how often the phase runs for an example).
    """

    counts: Counts
    tally: npt.NDArray[np.intp]
    times: FloatArray
    tallies: int

    @classmethod
    def of(cls, parts: Sequence[tuple[Stage, Sequence[Tally], int]]) -> Uses:
        """Of stages with their tallies, each on so many accelerators; tallies are numbered in this order.

        Raises `OtherCalls` if a stage was counted at lengths that are no sizes of the same operations.
        """
        found: list[_Found] = []
        tallies = 0
        for stage, of_stage, accelerators in parts:
            found += [one.shifted(tallies) for one in _blocks(stage, of_stage, accelerators)]
            tallies += len(of_stage)
        return cls(
            counts=Counts.joined([one.block for one in found]),
            tally=np.concatenate([np.empty(0, np.intp), *(one.tally for one in found)]),
            times=np.concatenate([np.empty(0), *(one.times for one in found)]),
            tallies=tallies,
        )

    def per_example(self, amounts: FloatArray) -> FloatArray:
        """Sums of amounts [phases] over all that an example takes [tallies]."""
        sums: FloatArray = np.bincount(self.tally, self.times * amounts, self.tallies).astype(np.float64)
        return sums


@dataclass(frozen=True)
class _Found:
    block: Block
    tally: npt.NDArray[np.intp]
    times: FloatArray

    def shifted(self, by: int) -> _Found:
        return _Found(self.block, self.tally + by, self.times)


def _blocks(stage: Stage, tallies: Sequence[Tally], accelerators: int) -> Iterator[_Found]:
    if alone := _alone(stage, tallies, accelerators):
        yield alone
    element = ACTIVATION_BYTES.get(stage.dtype, 2.0)
    lengths = np.array([tokens_read(tally) for tally in tallies], float)
    cached = np.array([tally.cached_tokens for tally in tallies], float)
    rows = np.array([max(1, tally.batch_rows) for tally in tallies])
    if stage.prompt:
        for batch in np.unique(rows).tolist():
            at = np.flatnonzero((rows == batch) & (lengths > cached))
            if not len(at):
                continue
            sizes = _sizes(msgspec.msgpack.encode(stage.prompt), batch)
            operations, amounts = sizes.after(lengths[at], cached[at], stage.memory.kv_bytes_per_token)
            reduced = stage.hidden_size * (lengths[at] - cached[at]) * batch * element
            block = Block(operations, amounts, sizes.layers, accelerators, reduced)
            yield _Found(block, at, np.full(len(at), 1 / batch))
    further = np.array([tally.output_tokens - 1 for tally in tallies], float)
    at = np.flatnonzero(further > 0)
    if stage.step and len(at):
        sizes = _sizes(msgspec.msgpack.encode(stage.step), 1)
        # Steps cost what their mean context costs, for a linear cost has its mean there.
        amounts = sizes.at(lengths[at] + (further[at] - 1) / 2)
        reduced = np.full(len(at), stage.hidden_size * element)
        yield _Found(Block(sizes.operations, amounts, sizes.layers, accelerators, reduced), at, further[at])


def _alone(stage: Stage, tallies: Sequence[Tally], accelerators: int) -> _Found | None:
    """What an example takes beside tokens."""
    units = [unit for unit in UNITS if unit in stage.each]
    phases = [*filter(None, [stage.once]), *(stage.each[unit] for unit in units)]
    if not phases:
        return None
    counts = np.array([[getattr(tally, unit) / tally.examples for unit in units] for tally in tallies], float)
    once = np.ones((len(tallies), len(phases) - len(units)))
    times = np.hstack([once, counts.reshape(len(tallies), len(units))])
    operations = [o for phase in phases for o in phase.operations]
    amounts = np.repeat(amounts_of(operations)[:, None, :], len(tallies), axis=1)
    amounts[_COUNT] *= np.repeat(times, [len(phase.operations) for phase in phases], axis=1)
    layers = max(phase.layers for phase in phases)
    block = Block(operations, amounts, layers, accelerators, np.zeros(len(tallies)))
    return _Found(block, np.arange(len(tallies)), np.ones(len(tallies)))


@dataclass(frozen=True)
class _Sizes:
    """A phase at any length, as `Polynomial` gives it, at many at once."""

    polynomial: Polynomial

    @property
    def operations(self) -> tuple[Operation, ...]:
        return self.polynomial.phases[0].operations

    @property
    def layers(self) -> int:
        return self.polynomial.phases[0].layers

    @cached_property
    def _counted(self) -> FloatArray:
        """[fields, lengths, operations]"""
        return np.stack([amounts_of(phase.operations) for phase in self.polynomial.phases], axis=1)

    def _weights(self, lengths: FloatArray) -> FloatArray:
        """[lengths asked, lengths counted], of Lagrange's interpolation."""
        known = self.polynomial.lengths
        factors = [
            np.prod([(lengths - other) / (own - other) for other in known if other != own], axis=0) for own in known
        ]
        return np.stack(np.broadcast_arrays(*factors, lengths)[:-1], axis=1).astype(float)

    def at(self, lengths: FloatArray) -> FloatArray:
        """The amounts [fields, lengths, operations]."""
        return self._mixed(self._weights(lengths))

    def after(
        self, lengths: FloatArray, cached: FloatArray, kv_bytes_per_token: int
    ) -> tuple[Sequence[Operation], FloatArray]:
        """Of reading prompts whose first tokens are at hand: as `Polynomial.after`, with what of them is read again."""
        if not cached.any() or len(self.polynomial.lengths) == 1:
            return self.operations, self.at(lengths)
        weights = self._weights
        ahead = (weights(lengths) + weights(lengths - cached) - weights(cached) + weights(0 * lengths)) / 2
        # Without a cache it is F(length) + F(length) - F(0) + F(0), halved: the same sum.
        amounts, read = self._mixed(ahead), cached * kv_bytes_per_token
        attends = np.array([o.kind == "attention" for o in self.operations], bool)
        if attends.any():
            calls = amounts[_COUNT][:, attends].sum(axis=1)
            amounts[_READ][:, attends] += (read / calls)[:, None]
            return self.operations, amounts
        more = np.repeat(amounts_of([_CACHE_READ])[:, None, :], len(lengths), axis=1)
        more[_READ, :, 0] = read
        return [*self.operations, _CACHE_READ], np.concatenate([amounts, more], axis=2)

    def _mixed(self, weights: FloatArray) -> FloatArray:
        amounts: FloatArray = np.einsum("tl,flo->fto", weights, self._counted)
        for place, operation in enumerate(self.operations):
            if operation.routing is not None:
                routings = [phase.operations[place].routing for phase in self.polynomial.phases]
                tokens = weights @ np.array([routing.tokens for routing in routings if routing])
                share = _share(operation.routing.experts, operation.routing.chosen, tokens)
                routed = operation.weight_bytes / operation.routing.share * share
                amounts[_READ, :, place] += routed - amounts[_WEIGHTS, :, place]
                amounts[_WEIGHTS, :, place] = routed
        return amounts


def _share(experts: int, chosen: int, tokens: FloatArray) -> FloatArray:
    """As `ledger.Routing.share`."""
    untouched: FloatArray = (1.0 - min(chosen / experts, 1.0)) ** tokens
    return 1.0 - untouched


@lru_cache(maxsize=2000)
def _sizes(counted: bytes, batch: int) -> _Sizes:
    """Kept, because submissions use the same stages on many tasks; `counted` is in MessagePack."""
    phases = _counted.decode(counted)
    return _Sizes(Polynomial.through({n: batched(phase, batch) if batch > 1 else phase for n, phase in phases}))


_counted = msgspec.msgpack.Decoder(tuple[tuple[int, Phase], ...])
