"""What the settings of a sweep are worth: main effects over a full grid, each with an interval over seeds.

A seed gives one score for every cell of the grid. The mean of a value of a setting is that of all cells with it, so
what else is set weighs the same for each; the share of a setting is its part of the variance between cells (eta
squared of a factorial design: Fisher 1925, chapter VII). Each seed is one measurement, and intervals are Student's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.contract import FloatArray


@dataclass(frozen=True)
class Trial:
    """What one run of a sweep was set to, and its score."""

    settings: Mapping[str, str]
    seed: int
    score: float


@dataclass(frozen=True)
class Measured:
    """A mean over seeds with its 95 % interval; without one if there is a single seed."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Level:
    """One value of a setting."""

    setting: str
    value: str
    score: Measured
    """Over all cells that have it."""
    behind: Measured
    """How much less that is than the best value's, seed by seed."""


@dataclass(frozen=True)
class Setting:
    """One thing that the sweep varies."""

    name: str
    share: Measured
    """Of the variance between cells, 0 to 1."""
    levels: Sequence[Level]
    """The best first."""


def effects(trials: Iterable[Trial], *, higher_is_better: bool = True) -> list[Setting]:
    """The settings that vary, the one that matters most first; empty unless a seed has run the whole grid.

    Seeds that have not are left out.
    """
    scores = {(tuple(sorted(trial.settings.items())), trial.seed): trial.score for trial in trials}
    names = sorted({name for cell, _ in scores for name, _ in cell})
    values = {name: sorted({dict(cell)[name] for cell, _ in scores if name in dict(cell)}) for name in names}
    varied = [name for name in names if len(values[name]) > 1]
    if prod(len(values[name]) for name in names) > len(scores):  # so that of a random sweep no grid is laid out
        return []
    cells = [tuple(zip(names, chosen, strict=True)) for chosen in product(*(values[name] for name in names))]
    seeds = sorted({seed for _, seed in scores if all((cell, seed) in scores for cell in cells)})
    if not seeds or not varied:
        return []
    shape = [len(values[name]) for name in names]
    grid = np.array([[scores[cell, seed] for cell in cells] for seed in seeds]).reshape(len(seeds), *shape)
    found = [_setting(name, values[name], grid, names.index(name) + 1, higher_is_better) for name in varied]
    return sorted(found, key=lambda setting: -setting.share.value)


def _setting(name: str, values: Sequence[str], grid: FloatArray, axis: int, higher_is_better: bool) -> Setting:
    """`grid` is [seeds, values of each setting …]."""
    others = tuple(other for other in range(1, grid.ndim) if other != axis)
    means = grid.mean(axis=others)  # [seeds, values]
    flat = grid.reshape(len(grid), -1)
    share = np.divide(means.var(axis=1), flat.var(axis=1), out=np.zeros(len(grid)), where=flat.var(axis=1) > 0)
    sign = 1 if higher_is_better else -1
    order = np.argsort(-sign * means.mean(axis=0), kind="stable")
    best = means[:, order[0]]
    levels = [Level(name, values[i], measured(means[:, i]), measured(sign * (best - means[:, i]))) for i in order]
    return Setting(name, measured(share), levels)


def measured(by_seed: FloatArray) -> Measured:
    """The mean of [seeds], with Student's interval."""
    from scipy.special import stdtrit

    value, count = float(by_seed.mean()), len(by_seed)
    if count < 2:
        return Measured(value, None, None)
    half = float(stdtrit(count - 1, 0.975) * by_seed.std(ddof=1) / np.sqrt(count))
    return Measured(value, value - half, value + half)
