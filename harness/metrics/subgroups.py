"""How unevenly a score is spread over subgroups, beside how unevenly it would be by chance.

MacroStd is the "macro average on the weighted standard deviations across classes" of Chiu et al. (2022), "Better May
Not Be Fairer", arXiv:2212.08649. The paper says so in words; read here as: with n_cg examples of class c in group g,
weights w_g = n_cg / n_c and mean scores a_cg, s_c = sqrt(sum_g w_g (a_cg - m_c)^2) with m_c = sum_g w_g a_cg, and
MacroStd is the mean of s_c over classes. It is never 0 in a sample: groups that do not differ give a noise floor, which
is found by giving the group names of each class to its examples at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.contract import FloatArray

    IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

PERMUTATIONS = 1000
FEW = 20
"""Examples, below which a group says little by itself."""


@dataclass(frozen=True)
class Group:
    """A subgroup over all classes."""

    name: str
    n: int
    score: float
    low: float
    high: float
    """Of the 95 % Wilson interval, exact only where an example scores 0 or 1."""

    @property
    def is_small(self) -> bool:
        return self.n < FEW


@dataclass(frozen=True)
class Discrepancy:
    """What subgroups make of a score."""

    macro_std: float
    noise: float
    """What MacroStd is in the mean if groups do not matter."""
    p_value: float
    """Share of permutations that are at least as uneven, (1 + such) / (1 + all)."""
    groups: tuple[Group, ...]
    """The lowest score first, groups of fewer than `FEW` examples last."""


def discrepancy(
    scores: Sequence[float],
    groups: Sequence[str],
    classes: Sequence[str] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Discrepancy:
    """MacroStd of scores [n] over groups [n] within classes [n] (one class if None), with its floor and p-value.

    Raises `HarnessError` if there are no examples, or only one group.
    """
    n = len(scores)
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not n or len(names) < 2:
        raise HarnessError("subgroups can be compared only where there are at least two", hint="Choose another group.")
    kinds = np.unique(np.asarray(classes if classes is not None else [""] * n, dtype=str), return_inverse=True)[1]
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(kinds, kind="stable")
    values, group, kinds = values[order], group[order], kinds[order]
    observed = macro_std(values, group, kinds, len(names))
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = np.array(
        [macro_std(values, _shuffled(group, kinds, random), kinds, len(names)) for _ in range(permutations)]
    )
    as_uneven = int((drawn >= observed - 1e-12).sum())
    found = [_group(str(name), values[group == place]) for place, name in enumerate(names)]
    return Discrepancy(
        macro_std=observed,
        noise=float(drawn.mean()) if permutations else math.nan,
        p_value=(1 + as_uneven) / (1 + permutations),
        groups=tuple(sorted(found, key=lambda one: (one.is_small, one.score))),
    )


def macro_std(values: FloatArray, group: IntArray, classes: IntArray, count: int) -> float:
    """MacroStd of values [n], with groups 0 to `count` - 1 [n] and classes from 0 on [n]."""
    cells = classes * count + group
    size = count * (int(classes.max()) + 1)
    n = np.bincount(cells, minlength=size).reshape(-1, count)
    total = np.bincount(cells, weights=values, minlength=size).reshape(-1, count)
    mean = total / np.maximum(n, 1)
    weights = n / n.sum(axis=1, keepdims=True)
    centre = (weights * mean).sum(axis=1, keepdims=True)
    return float(np.sqrt((weights * (mean - centre) ** 2).sum(axis=1)).mean())


def wilson(right: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The ends of Wilson's interval (1927) for a share of `right` in `n`: 95 % by default."""
    if not n:
        return 0.0, 1.0
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _shuffled(group: IntArray, classes: IntArray, random: np.random.Generator) -> IntArray:
    """Group names given to other examples of the same class; examples are sorted by class."""
    order: IntArray = np.lexsort((random.random(len(group)), classes))
    return group[order]


def _group(name: str, values: FloatArray) -> Group:
    low, high = wilson(float(values.sum()), len(values))
    return Group(name, len(values), float(values.mean()), low, high)
