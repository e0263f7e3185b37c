"""How far a score holds up as the context grows: effective limits, with intervals and honest ends.

Three definitions, each over the sizes that were run, in increasing order:

- fixed: the largest size up to which the score is at least a threshold at every size. RULER (Hsieh et al. 2024) takes
  85.6 %, what Llama-2-7B scores at 4K.
- relative: the same with a share of the model's own score at its smallest size. NoLiMa (Modarressi et al. 2025) takes
  85 % of a base score.
- contour: where the score first falls below the threshold, between two sizes, linear in the logarithm of size, as
  the iso-accuracy lines of Needle Threading (Roberts et al. 2025).

A limit beyond the largest size was not measured: it is infinite, and shown as "> largest". One below the smallest is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.contract import FloatArray

FIXED = 0.856
RELATIVE = 0.85


@dataclass(frozen=True)
class Limit:
    """An effective limit in the unit of the sizes, with the ends of its interval; 0 and infinity lie outside them."""

    value: float
    low: float
    high: float
    sizes: tuple[float, ...]
    """Those that were run."""

    def __str__(self) -> str:
        value, low, high = (bounded(end, self.sizes) for end in (self.value, self.low, self.high))
        return value if low == value == high else f"{value} [{low}, {high}]"


def bounded(value: float, sizes: Sequence[float]) -> str:
    """The limit as text: "> largest" or "< smallest" where it lies outside the sizes that were run."""
    if np.isinf(value):
        return f"> {sizes[-1]:,.0f}"
    return f"{value:,.0f}" if value else f"< {sizes[0]:,.0f}"


def fixed(sizes: Sequence[float], scores: FloatArray, draws: FloatArray, threshold: float = FIXED) -> Limit:
    """The largest size up to which the score holds: scores [sizes], their resamples [sizes, draws].

    Raises `HarnessError` for sizes that do not increase.
    """
    return _limit(sizes, _largest(sizes, scores[:, None], threshold), _largest(sizes, draws, threshold))


def relative(sizes: Sequence[float], scores: FloatArray, draws: FloatArray, share: float = RELATIVE) -> Limit:
    """As `fixed`, with a share of the score at the smallest size; the base is resampled with the rest.

    A model that scores 0 at its smallest size has no context that it uses: its limit is below the smallest.
    """
    return _limit(sizes, _largest(sizes, scores[:, None], share * scores[0]), _largest(sizes, draws, share * draws[0]))


def contour(sizes: Sequence[float], scores: FloatArray, draws: FloatArray, threshold: float) -> Limit:
    """Where the score first falls below the threshold, interpolated: arguments as `fixed`."""
    return _limit(sizes, _crossing(sizes, scores[:, None], threshold), _crossing(sizes, draws, threshold))


def _largest(sizes: Sequence[float], scores: FloatArray, threshold: float | FloatArray) -> FloatArray:
    outcomes = np.array([0.0, *sizes[:-1], np.inf])
    found: FloatArray = outcomes[_held(scores, threshold)]
    return found


def _crossing(sizes: Sequence[float], scores: FloatArray, threshold: float) -> FloatArray:
    held = _held(scores, threshold)
    before, after = np.clip(held - 1, 0, None), np.clip(held, None, len(sizes) - 1)
    column = np.arange(scores.shape[1])
    above, below = scores[before, column] - threshold, threshold - scores[after, column]
    share = np.divide(above, above + below, out=np.zeros(above.shape), where=above + below > 0)
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    between = np.exp(logs[before] + share * (logs[after] - logs[before]))
    return np.where(held == 0, 0.0, np.where(held == len(sizes), np.inf, between))


def _held(scores: FloatArray, threshold: float | FloatArray) -> FloatArray:
    """How many sizes, from the smallest on, have a score that is not 0 and at least the threshold: [draws]."""
    # A mean of many ones is not always one to the last bit.
    enough = (scores >= np.asarray(threshold) - 1e-12) & (scores > 0)
    held: FloatArray = np.logical_and.accumulate(enough, axis=0).sum(axis=0)
    return held


def _limit(sizes: Sequence[float], value: FloatArray, drawn: FloatArray) -> Limit:
    if not len(sizes) or any(a >= b for a, b in pairwise(sizes)) or sizes[0] <= 0:
        raise HarnessError(f"the sizes {list(sizes)} do not increase from above 0")
    # No interpolation between draws: halfway to infinity is nowhere.
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return Limit(float(value[0]), float(low), float(high), tuple(sizes))
