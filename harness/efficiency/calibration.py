"""Fit the constants of a software stack to measured times, by robust least squares on relative errors.

Minimises the sum over measurements of sqrt(r² + s²), r = log(predicted / measured): absolute relative errors, smooth
below s, so that a few models with an effect of their own (misaligned matrices) do not bend the constants. A weak prior
keeps constants that the measurements do not determine where software usually is. Damped Gauss-Newton steps on the
logarithms of the constants, within bounds (efficiencies at most 1).
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
_PRIOR = {
    "compute_efficiency": (0.6, 0.3),
    "bandwidth_efficiency": (0.8, 0.2),
    "pointwise_factor": (1.0, 1.0),
    "host_seconds_per_layer": (1e-4, 2.0),
    "allreduce_latency_seconds": (1e-5, 1.0),
}
"""Centre, and spread of the logarithm: engineering judgement, set before any fit and the same for all stacks."""
_CENTRE: FloatArray = np.log([centre for centre, _ in _PRIOR.values()])
_SPREAD = np.array([spread for _, spread in _PRIOR.values()])
_LOWEST = np.log([0.1, 0.1, 0.05, 1e-7, 1e-8])
_HIGHEST = np.log([1.0, 1.0, 20.0, 1e-1, 1e-2])


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
    candidates = [_descended(measurements, start) for start in _starts()]
    return _constants(min(candidates, key=lambda x: _loss(x, _residuals(measurements, x))))


def _starts() -> list[FloatArray]:
    """Latencies over their plausible range: where launches overlap, one that never shows has no slope to follow."""
    starts = [_CENTRE]
    for host, allreduce in itertools.product((1e-4, 1e-3), (1e-6, 1e-5, 1e-4)):
        starts.append(np.concatenate([_CENTRE[:3], np.log([host, allreduce])]))
    return starts


def _descended(measurements: Measurements, start: FloatArray) -> FloatArray:
    x, damping = start, 1e-2
    r = _residuals(measurements, x)
    for _ in range(_STEPS):
        slopes = _slopes(measurements, x, r)
        weights = 1.0 / np.sqrt(r**2 + _SMOOTH**2)
        curvature = slopes.T @ (slopes * weights[:, None]) + np.diag(_SPREAD**-2.0)
        gradient = slopes.T @ (weights * r) + (x - _CENTRE) / _SPREAD**2
        for _ in range(_TRIALS):
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), -gradient)
            candidate = np.clip(x + np.clip(step, -0.7, 0.7), _LOWEST, _HIGHEST)
            candidate_r = _residuals(measurements, candidate)
            gain = _loss(x, r) - _loss(candidate, candidate_r)
            if gain > 0:
                break
            damping *= 4
        else:
            break
        x, r, damping = candidate, candidate_r, max(damping / 5, 1e-7)
        if gain < 1e-6 * len(r):
            break
    return x


def _residuals(measurements: Measurements, x: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(measurements.predicted(_constants(x)) / measurements.seconds)
    return logs


def _loss(x: FloatArray, r: FloatArray) -> float:
    return float(np.sum(np.sqrt(r**2 + _SMOOTH**2)) + 0.5 * np.sum(((x - _CENTRE) / _SPREAD) ** 2))


def _constants(logarithms: FloatArray) -> Constants:
    return Constants(**{name: float(np.exp(x)) for name, x in zip(_PRIOR, logarithms, strict=True)})


def _slopes(measurements: Measurements, x: FloatArray, at_x: FloatArray) -> FloatArray:
    """Forward differences [measurements, constants]; backward where a bound is in the way."""
    width = np.where(x + 1e-5 > _HIGHEST, -1e-5, 1e-5)
    columns = [(_residuals(measurements, x + step) - at_x) / step.sum() for step in np.diag(width)]
    return np.stack(columns, axis=1)
