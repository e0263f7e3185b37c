"""MacroStd by hand, its floor by simulation, and an effect that is really there."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.metrics.subgroups import discrepancy, wilson


def test_by_hand() -> None:
    # Class x: groups of 1 and 3, scores 1 and 0: mean 1/4, s = sqrt(1/4 · 9/16 + 3/4 · 1/16) = sqrt(3)/4. Class y: 0.
    scores, groups, classes = [1, 0, 0, 0, 1, 1], ["a", "b", "b", "b", "a", "b"], ["x"] * 4 + ["y"] * 2
    found = discrepancy(scores, groups, classes)
    assert found.macro_std == pytest.approx(3**0.5 / 8)
    assert [(group.name, group.n, group.score) for group in found.groups] == [("b", 4, 0.25), ("a", 2, 1.0)]


def test_without_an_effect_it_is_about_its_floor() -> None:
    random = np.random.default_rng(1)
    scores = (random.random(5000) < 0.9).astype(float)
    groups = random.choice(list("abcdefgh"), 5000).tolist()
    classes = random.choice(list("xyz"), 5000).tolist()
    found = discrepancy(scores.tolist(), groups, classes, permutations=200)
    assert found.macro_std > 0
    assert found.macro_std == pytest.approx(found.noise, rel=0.6)
    assert found.p_value > 0.01


def test_an_effect_is_found_and_the_worst_group_named() -> None:
    scores = [1.0] * 90 + [0.0] * 10 + [1.0] * 50 + [0.0] * 50
    found = discrepancy(scores, ["good"] * 100 + ["bad"] * 100, permutations=500)
    assert found.macro_std == pytest.approx(0.2)
    assert found.noise < 0.05
    assert found.p_value == pytest.approx(1 / 501)
    assert found.groups[0].name == "bad"
    assert (found.groups[0].low, found.groups[0].high) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_small_groups_come_last() -> None:
    found = discrepancy([0.0] * 5 + [1.0] * 40, ["few"] * 5 + ["many"] * 40, permutations=10)
    assert [(group.name, group.is_small) for group in found.groups] == [("many", False), ("few", True)]


def test_wilson_stays_between_0_and_1() -> None:
    assert wilson(58, 100) == pytest.approx((0.4821, 0.6720), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_one_group_is_nothing_to_compare() -> None:
    with pytest.raises(HarnessError, match="at least two"):
        discrepancy([1.0, 0.0], ["a", "a"])
