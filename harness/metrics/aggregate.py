"""How columns of per-example statistics become one number for each set of example weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.contract import Aggregate, FloatArray


def mean(column: str) -> Aggregate:
    """Weighted mean of a column: columns [n] and weights [draws, n] in, [draws] out."""

    def aggregate(columns: Mapping[str, FloatArray], weights: FloatArray) -> FloatArray:
        return _quotient(_weighted_sum(columns[column], weights), weights.sum(axis=-1))

    return aggregate


def ratio(numerator: str, denominator: str) -> Aggregate:
    """Weighted sum of one column over that of another: [draws], NaN for a draw whose denominator is 0."""

    def aggregate(columns: Mapping[str, FloatArray], weights: FloatArray) -> FloatArray:
        return _quotient(_weighted_sum(columns[numerator], weights), _weighted_sum(columns[denominator], weights))

    return aggregate


def _weighted_sum(column: FloatArray, weights: FloatArray) -> FloatArray:
    # Not `weights @ column`: the order in which BLAS adds depends on its build and number of threads, and
    # scores have to come out the same to the last bit.
    total: FloatArray = (weights * column).sum(axis=-1)
    return total


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    undefined = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)
