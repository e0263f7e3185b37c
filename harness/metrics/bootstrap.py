"""Bootstrap intervals: how far a metric would move had the examples been drawn again.

Percentile intervals after Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. A
resample is a vector of counts (how often each example was drawn), so a metric needs no more than a weighted
aggregate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError
from harness.metrics.aggregate import Quotient

if TYPE_CHECKING:
    from harness.contract import FloatArray, Metric

_CELLS_IN_MEMORY = 1 << 18
"""Weights held at once: 2 MiB, which stays in a core's cache."""


@dataclass(frozen=True)
class Interval:
    """A metric's value and the ends of its interval, in the metric's unit."""

    value: float
    low: float
    high: float


def intervals(
    metrics: Sequence[Metric],
    columns: Mapping[str, FloatArray],
    n: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Value and percentile interval of each metric, by name, over `n` examples (columns: [n]).

    All metrics share the same resamples, so their draws are paired, and the same arguments give the same
    bits. With one example the interval has no width: a single example says nothing about spread. Draws in
    which a metric is undefined are left out of its interval. Raises `HarnessError` if there is no example, if
    a column has another length or a value that is not finite, or if a metric is undefined on the examples.
    """
    if n == 0:
        raise HarnessError("there are no examples to score", hint="Check the task's data, and --limit.")
    for name, column in columns.items():
        _check_column(name, column, n)
    (found,) = draws(metrics, [columns], n, resamples, seed)
    everyone = np.ones((1, n))
    return {
        metric.name: _interval(
            metric.name, float(metric.aggregate(columns, everyone)[0]), found[metric.name], confidence
        )
        for metric in metrics
    }


def draws(
    metrics: Sequence[Metric],
    columns: Sequence[Mapping[str, FloatArray]],
    n: int,
    resamples: int = 1000,
    seed: int = 0,
    *,
    to_the_last_bit: bool = True,
) -> list[dict[str, FloatArray]]:
    """Each metric's value on each resample, by name → [resamples], for several runs over the same `n` examples.

    `columns` has an item for each run. All runs and metrics share the same resamples, so their draws are paired.
    Without `to_the_last_bit` means and ratios of many runs take a fraction of the time.
    """
    found: list[dict[str, list[FloatArray]]] = [{metric.name: [] for metric in metrics} for _ in columns]
    for weights in _resamples(n, resamples, seed):
        for metric in metrics:
            values: Iterable[FloatArray] = (metric.aggregate(of_run, weights) for of_run in columns)
            if isinstance(metric.aggregate, Quotient) and not to_the_last_bit:
                values = metric.aggregate.of_runs(columns, weights).T
            for run, drawn in zip(found, values, strict=True):
                run[metric.name].append(drawn)
    return [{name: np.concatenate(parts) for name, parts in run.items()} for run in found]


def percentiles(values: FloatArray, confidence: float = 0.95) -> tuple[float, float]:
    """The ends of the percentile interval of draws [resamples]; draws that are undefined (NaN) are left out."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values[np.isfinite(values)], [tail, 1 - tail])
    return float(low), float(high)


def _check_column(name: str, column: FloatArray, n: int) -> None:
    if column.shape != (n,):
        raise HarnessError(
            f"the scorer's column {name!r} has shape {column.shape} for {n} examples",
            hint="Scorer.columns returns one number for each example id, in their order.",
        )
    broken = np.flatnonzero(~np.isfinite(column))
    if broken.size:
        raise HarnessError(
            f"the scorer's column {name!r} is {column[broken[0]]} at position {broken[0]}",
            hint="Scorer.columns gives a finite number for every example, also for a missing prediction.",
        )


def _resamples(n: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Multinomial counts, [draws, n] at a time; the stream of draws does not depend on the chunk size."""
    # The bit generator is named: NumPy may change what default_rng stands for.
    random = np.random.Generator(np.random.PCG64(seed))
    chunk = max(1, _CELLS_IN_MEMORY // n)
    for start in range(0, resamples, chunk):
        draws = min(chunk, resamples - start)
        drawn = random.integers(n, size=(draws, n))
        drawn += np.arange(draws)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=draws * n)
        yield counts.reshape(draws, n).astype(np.float64)


def _interval(name: str, value: float, drawn: FloatArray, confidence: float) -> Interval:
    if not np.isfinite(value):
        raise HarnessError(
            f"the metric {name!r} is undefined on these examples",
            hint="Its denominator is 0 over all of them; score more examples.",
        )
    return Interval(value, *percentiles(drawn, confidence))
