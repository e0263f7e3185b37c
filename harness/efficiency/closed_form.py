"""A decoder's counts as exact polynomials of the token counts, from a few ledgers: T(p, o) = F(p) + (o - 1)·g.

FLOPs and bytes of each operation of a prefill are quadratic in the prompt length p (attention), of a decode step linear
in the context. Three prefills and two decode steps fix them for every p and every context; nothing is looked up in a
table of prompt lengths. The form, without the context terms, is Narayanan et al. 2023 (arXiv 2305.02440, equation 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.efficiency.counts import Placed
from harness.efficiency.hardware import Hardware
from harness.efficiency.ledger import Phase, combined
from harness.efficiency.pricing import Estimate, PhaseTable, bound_seconds
from harness.efficiency.stacks import Stack
from harness.errors import InputError


class OtherCalls(InputError):
    """Phases that are no sizes of the same operations."""


@dataclass(frozen=True)
class Polynomial:
    """Phases of one kind over a length; `lengths` are where they were counted."""

    lengths: tuple[int, ...]
    phases: tuple[Phase, ...]

    @classmethod
    def through(cls, phases: Mapping[int, Phase]) -> Polynomial:
        """Raises `OtherCalls` if the phases are not the same operations in the same order."""
        names = {tuple((o.name, o.kind, o.dtype) for o in phase.operations) for phase in phases.values()}
        if len(names) != 1:
            raise OtherCalls(
                f"the phases at lengths {sorted(phases)} differ in more than their sizes",
                hint="At one of them two operations have the same size by chance, and were counted together.",
            )
        lengths = tuple(sorted(phases))
        return cls(lengths, tuple(phases[length] for length in lengths))

    def at(self, length: float) -> Phase:
        """The phase at any length, by Lagrange interpolation of its counts; peak bytes are not interpolated."""
        return self._mixed(self._weights(length))

    def after(self, cached: int, length: float) -> Phase:
        """The phase of the tokens after the first `cached`, which are at hand: n = length - cached new ones.

        A constant (the weights are read) stays, what is linear is in n, and what is quadratic, attention, in n·length:
        each new token looks at all. That is half of F(length) + F(n) - F(cached) + F(0), whatever the coefficients.
        Reading the keys and values that are at hand is not in it.
        """
        whole, new, known, always = (np.array(self._weights(at)) for at in (length, length - cached, cached, 0))
        return self._mixed(((whole + new - known + always) / 2).tolist())

    def mean(self, lengths: Mapping[int, int]) -> Phase:
        """The average phase over calls of several lengths, each so many times."""
        calls = sum(lengths.values())
        weights = np.sum([np.array(self._weights(length)) * times for length, times in lengths.items()], axis=0)
        return self._mixed((weights / calls).tolist())

    def _weights(self, length: float) -> list[float]:
        return [
            float(np.prod([(length - other) / (own - other) for other in self.lengths if other != own]))
            for own in self.lengths
        ]

    def _mixed(self, weights: list[float]) -> Phase:
        columns = zip(*(phase.operations for phase in self.phases), strict=True)
        first = self.phases[0]
        return Phase(
            name=first.name,
            operations=tuple(combined(column, weights) for column in columns),
            layers=first.layers,
            unpriced=first.unpriced,
        )


def averaged(phases: Sequence[tuple[Phase, float]]) -> Phase:
    """The mean of phases that are sizes of the same operations, each with how often it runs."""
    first, often = phases[0][0], sum(times for _, times in phases)
    weights = [times / often for _, times in phases]
    columns = zip(*(phase.operations for phase, _ in phases), strict=True)
    return msgspec.structs.replace(first, operations=tuple(combined(column, weights) for column in columns))


@dataclass(frozen=True)
class Request:
    """One request of `batch` sequences, each with p prompt tokens and o output tokens."""

    batch: int
    prompt_tokens: int
    output_tokens: int

    def __post_init__(self) -> None:
        for field in ("batch", "prompt_tokens", "output_tokens"):
            if getattr(self, field) < 1:
                raise InputError(f"{field} is {getattr(self, field)}, but has to be at least 1")


@dataclass(frozen=True)
class Decoder:
    """What a model does for a batch: prefill over p (three or more lengths), decode over the context (two or more)."""

    prefill: Polynomial
    decode: Polynomial
    hidden_size: int
    element_bytes: float = 2.0

    def phases(self, request: Request) -> tuple[Phase, Phase, int]:
        """Prefill, the mean decode step, and how many of those there are: the prefill makes the first token."""
        mean_context = request.prompt_tokens + request.output_tokens / 2
        return self.prefill.at(request.prompt_tokens), self.decode.at(mean_context), request.output_tokens - 1


def request_estimate(
    decoder: Decoder, request: Request, hardware: Hardware, stack: Stack | None, accelerators: int = 1
) -> Estimate:
    """Seconds of a whole request. Decode steps are priced at their mean context, where a linear cost has its mean.

    The decoder's ledgers must have been made for the batch of the request.
    """
    prefill, step, steps = decoder.phases(request)
    bound = bound_seconds(prefill, hardware, accelerators) + steps * bound_seconds(step, hardware, accelerators)
    if stack is None:
        return Estimate(bound)
    reduced = request.batch * decoder.hidden_size * decoder.element_bytes
    placed = [Placed(prefill, accelerators, reduced * request.prompt_tokens), Placed(step, accelerators, reduced)]
    seconds = PhaseTable.of(placed, hardware, stack).seconds(stack.constants)
    error = stack.error_on(hardware.name, [prefill, step] if steps else [prefill])
    return Estimate(bound, max(bound, float(seconds[0] + steps * seconds[1])), error)
