"""How columns of per-example statistics become one number for each set of example weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.contract import Aggregate, FloatArray


@dataclass(frozen=True)
class Quotient:
    """Weighted sum of a column over that of another: columns [n] and weights [draws, n] in, [draws] out.

    NaN for a draw whose denominator is 0.
    """

    numerator: str
    denominator: str | None = None
    """None for the sum of the weights."""

    def __call__(self, columns: Mapping[str, FloatArray], weights: FloatArray) -> FloatArray:
        below = weights if self.denominator is None else weights * columns[self.denominator]
        # Not `weights @ column`: the order in which BLAS adds depends on its build and number of threads, and
        # scores have to come out the same to the last bit.
        return _quotient((weights * columns[self.numerator]).sum(axis=-1), below.sum(axis=-1))

    def of_runs(self, columns: Sequence[Mapping[str, FloatArray]], weights: FloatArray) -> FloatArray:
        """Of several runs at once, [draws, runs], many times as fast; the last bits are BLAS's."""
        above = weights @ np.stack([of_run[self.numerator] for of_run in columns], axis=1)
        if self.denominator is None:
            return _quotient(above, np.broadcast_to(weights.sum(axis=-1, keepdims=True), above.shape))
        return _quotient(above, weights @ np.stack([of_run[self.denominator] for of_run in columns], axis=1))


def mean(column: str) -> Aggregate:
    """Weighted mean of a column."""
    return Quotient(column)


def ratio(numerator: str, denominator: str) -> Aggregate:
    """Weighted sum of one column over that of another."""
    return Quotient(numerator, denominator)


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    undefined = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)
