"""Paired comparison: known answers, and what must hold whatever the scores."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import Metric
from harness.errors import HarnessError
from harness.metrics.aggregate import mean, ratio
from harness.metrics.significance import difference, holm

ACCURACY = Metric("accuracy", mean("accuracy"))
scores = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=8)


def columns(values: object) -> dict[str, np.ndarray]:
    return {"accuracy": np.asarray(values, dtype=np.float64)}


@settings(max_examples=30, deadline=None)
@given(scores)
def test_the_exchange_test_agrees_with_counting_all_exchanges(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    change = first - second
    every = np.array(list(product([1, -1], repeat=len(change)))) @ change
    exact = np.mean(np.abs(every) >= abs(change.sum()) - 1e-9)
    assert difference(ACCURACY, columns(first), columns(second), len(change)).p == pytest.approx(exact, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(scores)
def test_exchanging_the_runs_turns_the_sign(pairs: list[tuple[float, float]]) -> None:
    first, second = (columns(side) for side in np.array(pairs).T)
    one, other = difference(ACCURACY, first, second, len(pairs)), difference(ACCURACY, second, first, len(pairs))
    assert one.value == -other.value
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    assert one.p == pytest.approx(other.p, abs=1e-9)


def test_a_run_does_not_differ_from_itself() -> None:
    same = columns([0, 1, 1, 0, 1])
    found = difference(ACCURACY, same, same, 5)
    assert (found.value, found.p, found.effect, found.detectable, found.ties) == (0, 1, None, 0, 5)


def test_effect_and_detectable_difference_of_a_known_case() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(0.3, 1, 1000), random.normal(0, 1, 1000)
    found = difference(ACCURACY, columns(first), columns(second), 1000)
    change = first - second
    assert found.effect == pytest.approx(change.mean() / change.std(ddof=1))
    assert found.standard_error == pytest.approx(change.std(ddof=1) / np.sqrt(1000), rel=0.1)
    assert found.detectable == pytest.approx(2.8016 * found.standard_error, rel=1e-4)
    assert found.low < change.mean() < found.high


def test_of_very_many_examples_the_normal_distribution_says_the_same() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0.03, 1, 6000), random.normal(0, 1, 6000)
    many = difference(ACCURACY, columns(first), columns(second), 6000)
    few = difference(ACCURACY, columns(first[:5000]), columns(second[:5000]), 5000)
    assert 0 < many.p < 1
    assert abs(np.log(many.p / few.p)) < 3


def test_a_metric_that_is_no_mean_is_tested_without_an_effect() -> None:
    precision = Metric("precision", ratio("hit", "said"))
    first = {"hit": np.array([1.0, 1, 1, 0]), "said": np.array([1.0, 1, 1, 1])}
    second = {"hit": np.array([0.0, 1, 0, 0]), "said": np.array([1.0, 1, 1, 0])}
    found = difference(precision, first, second, 4)
    assert found.value == pytest.approx(3 / 4 - 1 / 3)
    assert found.effect is None
    assert 0 < found.p <= 1


def test_a_statistic_that_is_not_stored_is_named() -> None:
    with pytest.raises(HarnessError, match="'said'"):
        difference(Metric("precision", ratio("hit", "said")), {"hit": np.ones(2)}, {"hit": np.ones(2)}, 2)


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=10))
def test_a_correction_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
