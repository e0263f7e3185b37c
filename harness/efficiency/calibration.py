"""Fit the constants of a software stack to measured times, by robust least squares on relative errors.

Minimises the sum over measurements of sqrt(r² + s²), r = log(predicted / measured): absolute relative errors, smooth
below s, so that a few models with an effect of their own (misaligned matrices) do not bend the constants. A weak prior
keeps constants that the measurements do not determine where software usually is: one for accelerators, a wider one for
CPUs, where less is known. Damped Gauss-Newton steps on the logarithms of the constants, within bounds (efficiencies at
most 1).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.efficiency.pricing import FloatArray, PhaseTable
from harness.efficiency.stacks import Constants

BoolArray = npt.NDArray[np.bool_]

_SMOOTH = 0.02
_STEPS, _TRIALS = 60, 10


class _Prior:
    """What is believed of the constants before any measurement; arrays [constants], of logarithms."""

    def __init__(
        self, table: dict[str, tuple[float, float, float, float]], starts: dict[str, tuple[float, ...]]
    ) -> None:
        self.names = list(table)
        self.centre, self.lowest, self.highest = (np.log([row[i] for row in table.values()]) for i in (0, 2, 3))
        self.spread = np.array([row[1] for row in table.values()])
        self._starts = starts

    def starts(self) -> list[FloatArray]:
        """Where to descend from: a latency that hides behind the device has no slope to follow, so a range of them."""
        points = [self.centre]
        for values in itertools.product(*self._starts.values()):
            point = self.centre.copy()
            point[[self.names.index(name) for name in self._starts]] = np.log(values)
            points.append(point)
        return points

    def loss(self, x: FloatArray) -> float:
        return float(0.5 * np.sum(((x - self.centre) / self.spread) ** 2))

    def constants(self, x: FloatArray) -> Constants:
        return Constants(**{name: float(np.exp(value)) for name, value in zip(self.names, x, strict=True)})


_ACCELERATORS = _Prior(
    {
        "compute_efficiency": (0.6, 0.3, 0.1, 1.0),
        "bandwidth_efficiency": (0.8, 0.2, 0.1, 1.0),
        "pointwise_factor": (1.0, 1.0, 0.05, 20.0),
        "host_seconds_per_layer": (1e-4, 2.0, 1e-7, 1e-1),
        "allreduce_latency_seconds": (1e-5, 1.0, 1e-8, 1e-2),
    },
    starts={"host_seconds_per_layer": (1e-4, 1e-3), "allreduce_latency_seconds": (1e-6, 1e-5, 1e-4)},
)
_CPUS = _Prior(
    {
        "compute_efficiency": (0.6, 0.3, 0.1, 1.0),
        "bandwidth_efficiency": (0.3, 1.0, 0.01, 1.0),
        "pointwise_factor": (1.0, 1.0, 0.05, 20.0),
        "host_seconds_per_layer": (1e-5, 3.0, 1e-8, 1e-1),
        "allreduce_latency_seconds": (1e-5, 1.0, 1e-8, 1e-2),
        "gather_efficiency": (0.1, 1.0, 0.001, 1.0),
    },
    starts={"host_seconds_per_layer": (1e-6, 1e-4)},
)
"""Name: centre, spread of the logarithm, least and most. Engineering judgement, set before any fit, the same for all
stacks of a kind."""


@dataclass(frozen=True)
class Measurements:
    """Measured seconds, and the phases that each is the sum of.

    `seconds` [measurements]; `owner`, `times` [phases]: which measurement a phase belongs to, and how often it ran.
    """

    table: PhaseTable
    owner: npt.NDArray[np.intp]
    times: FloatArray
    seconds: FloatArray

    def predicted(self, constants: Constants) -> FloatArray:
        """Calibrated seconds [measurements]."""
        seconds = self.times * self.table.seconds(constants)
        totals: FloatArray = np.bincount(self.owner, seconds, len(self.seconds)).astype(np.float64)
        return totals

    def relative_errors(self, constants: Constants) -> FloatArray:
        """Predicted over measured, less 1 [measurements]."""
        errors: FloatArray = self.predicted(constants) / self.seconds - 1.0
        return errors

    def only(self, chosen: BoolArray) -> Measurements:
        """The chosen measurements [measurements]."""
        phases = chosen[self.owner]
        renumbered = np.cumsum(chosen) - 1
        return replace(
            self,
            table=self.table.only(phases),
            owner=renumbered[self.owner[phases]],
            times=self.times[phases],
            seconds=self.seconds[chosen],
        )


def fit(measurements: Measurements) -> Constants:
    """The constants that explain the measurements best; deterministic."""
    prior = _CPUS if measurements.table.on_cpu else _ACCELERATORS
    candidates = [_descended(measurements, prior, start) for start in prior.starts()]
    return prior.constants(min(candidates, key=lambda x: _loss(prior, x, _residuals(measurements, prior, x))))


def _descended(measurements: Measurements, prior: _Prior, start: FloatArray) -> FloatArray:
    x, damping = start, 1e-2
    r = _residuals(measurements, prior, x)
    for _ in range(_STEPS):
        slopes = _slopes(measurements, prior, x, r)
        weights = 1.0 / np.sqrt(r**2 + _SMOOTH**2)
        curvature = slopes.T @ (slopes * weights[:, None]) + np.diag(prior.spread**-2.0)
        gradient = slopes.T @ (weights * r) + (x - prior.centre) / prior.spread**2
        for _ in range(_TRIALS):
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), -gradient)
            candidate = np.clip(x + np.clip(step, -0.7, 0.7), prior.lowest, prior.highest)
            candidate_r = _residuals(measurements, prior, candidate)
            gain = _loss(prior, x, r) - _loss(prior, candidate, candidate_r)
            if gain > 0:
                break
            damping *= 4
        else:
            break
        x, r, damping = candidate, candidate_r, max(damping / 5, 1e-7)
        if gain < 1e-6 * len(r):
            break
    return x


def _residuals(measurements: Measurements, prior: _Prior, x: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(measurements.predicted(prior.constants(x)) / measurements.seconds)
    return logs


def _loss(prior: _Prior, x: FloatArray, r: FloatArray) -> float:
    return float(np.sum(np.sqrt(r**2 + _SMOOTH**2))) + prior.loss(x)


def _slopes(measurements: Measurements, prior: _Prior, x: FloatArray, at_x: FloatArray) -> FloatArray:
    """Forward differences [measurements, constants]; backward where a bound is in the way."""
    width = np.where(x + 1e-5 > prior.highest, -1e-5, 1e-5)
    columns = [(_residuals(measurements, prior, x + step) - at_x) / step.sum() for step in np.diag(width)]
    return np.stack(columns, axis=1)
