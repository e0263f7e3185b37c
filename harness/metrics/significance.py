"""Is one run really better than another, over the same examples?

Paired throughout: both runs are drawn, or exchanged, example by example. The test exchanges the answers of the two
runs (Fisher's randomization test; Smucker, Allan and Carterette 2007, section 3), which asks nothing of how scores are
spread and works for any metric that is an aggregate of per-example statistics. Several comparisons are corrected
after Holm (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError
from harness.metrics.bootstrap import draws, percentiles

if TYPE_CHECKING:
    from harness.contract import FloatArray, Metric

EXCHANGES = 9_999
"""Random exchanges of a test, so that the smallest p-value is 1/10,000."""
_MOST_EXCHANGED = 5_000
"""Examples; of more, the difference is as good as normal, and exchanging them takes long."""
_CELLS = 1 << 18
_QUANTILES = 1.959964 + 0.841621
"""Of the normal distribution: two-sided 5 % significance, and 80 % power."""


@dataclass(frozen=True)
class Difference:
    """What one run has over another by a metric, over the same n examples, in the metric's unit."""

    metric: str
    n: int
    value: float
    """The first run's score less the second's."""
    low: float
    """Ends of the 95 % bootstrap interval of the paired difference."""
    high: float
    p: float
    """Two-sided: how often a difference as large comes about if the runs are exchangeable."""
    standard_error: float
    effect: float | None
    """Mean of the per-example differences over their standard deviation (Cohen's d for pairs); None if the metric is
    no mean, or the runs never differ."""
    wins: int
    """Examples on which the first run is better; 0 with `losses` and `ties` if the metric is no mean."""
    losses: int
    ties: int

    @property
    def detectable(self) -> float:
        """The smallest true difference that would be found 4 times in 5, at 5 % (Cohen 1988, section 2)."""
        return _QUANTILES * self.standard_error


def difference(
    metric: Metric, first: Mapping[str, FloatArray], second: Mapping[str, FloatArray], n: int, seed: int = 0
) -> Difference:
    """Compare two runs by the statistics of their examples (columns: [n], aligned). Deterministic.

    Raises `HarnessError` if the metric cannot be worked out of the columns, or is undefined on them.
    """
    try:
        everyone = np.ones((1, n))
        value = float(metric.aggregate(first, everyone)[0] - metric.aggregate(second, everyone)[0])
    except KeyError as missing:
        raise HarnessError(
            f"{metric.name} cannot be compared: the statistic {missing} of its examples is not stored",
            hint="Choose another metric, or run the submissions again.",
        ) from missing
    if not np.isfinite(value):
        raise HarnessError(f"{metric.name} is undefined on these examples", hint="Choose another metric.")
    drawn = draws([metric], [first, second], n, seed=seed)
    paired = drawn[0][metric.name] - drawn[1][metric.name]
    error = float(np.std(paired[np.isfinite(paired)], ddof=1))
    each = _per_example(metric, first, second, n)
    sign = 1 if metric.higher_is_better else -1
    return Difference(
        metric.name,
        n,
        value,
        *percentiles(paired),
        p=_p_value(metric, first, second, n, value, error, seed),
        standard_error=error,
        effect=_effect(each),
        wins=0 if each is None else int(np.sum(sign * each > 0)),
        losses=0 if each is None else int(np.sum(sign * each < 0)),
        ties=0 if each is None else int(np.sum(each == 0)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for how many there are (Holm 1979): the chance of a single false alarm among all."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = largest
    return corrected


def _p_value(
    metric: Metric,
    first: Mapping[str, FloatArray],
    second: Mapping[str, FloatArray],
    n: int,
    value: float,
    error: float,
    seed: int,
) -> float:
    if n > _MOST_EXCHANGED:
        return erfc(abs(value) / error / sqrt(2)) if error else float(value == 0)
    both = {name: np.concatenate([first[name], second[name]]) for name in first.keys() & second.keys()}
    random = np.random.Generator(np.random.PCG64(seed))
    chunk = max(1, _CELLS // (2 * n))
    as_large = 1  # the runs as they are
    for start in range(0, EXCHANGES, chunk):
        kept = random.random((min(chunk, EXCHANGES - start), n)) < 0.5
        one = metric.aggregate(both, np.concatenate([kept, ~kept], axis=1).astype(np.float64))
        other = metric.aggregate(both, np.concatenate([~kept, kept], axis=1).astype(np.float64))
        # Exchanges that come out equal differ in the last bits, by the order in which they are added.
        as_large += int(np.sum(np.nan_to_num(np.abs(one - other)) >= abs(value) - 1e-12))
    return as_large / (1 + EXCHANGES)


def _per_example(
    metric: Metric, first: Mapping[str, FloatArray], second: Mapping[str, FloatArray], n: int
) -> FloatArray | None:
    """The differences [n], if the metric is the mean of a column of its name."""
    if metric.name not in first or metric.name not in second:
        return None
    for columns in (first, second):
        whole = float(metric.aggregate(columns, np.ones((1, n)))[0])
        if not np.isclose(whole, columns[metric.name].mean(), rtol=1e-9, atol=1e-12):
            return None
    found: FloatArray = first[metric.name] - second[metric.name]
    return found


def _effect(each: FloatArray | None) -> float | None:
    if each is None or len(each) < 2:
        return None
    spread = float(each.std(ddof=1))
    return float(each.mean()) / spread if spread else None
