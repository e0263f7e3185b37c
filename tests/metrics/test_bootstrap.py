"""Bootstrap intervals: what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contract import Metric
from harness.errors import HarnessError
from harness.metrics import bootstrap
from harness.metrics.aggregate import mean, ratio
from harness.metrics.bootstrap import Interval, intervals

METRICS = [Metric("score", mean("score")), Metric("twice", mean("twice"))]


def columns(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    score = np.random.default_rng(seed).normal(size=n)
    return {"score": score, "twice": 2 * score}


def test_the_value_is_the_metric_over_the_examples_themselves() -> None:
    data = columns(101)
    assert intervals(METRICS, data, 101)["score"].value == pytest.approx(data["score"].mean(), abs=1e-15)


def test_the_same_arguments_give_the_same_bits() -> None:
    assert intervals(METRICS, columns(333), 333) == intervals(METRICS, columns(333), 333)


def test_another_seed_draws_other_examples() -> None:
    first, second = (intervals(METRICS, columns(50), 50, seed=seed)["score"] for seed in (0, 1))
    assert first.value == second.value
    assert first.low != second.low


def test_memory_bound_does_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = intervals(METRICS, columns(37), 37)
    monkeypatch.setattr(bootstrap, "_CELLS_IN_MEMORY", 5 * 37)
    assert intervals(METRICS, columns(37), 37) == whole


def test_metrics_share_their_resamples_so_a_doubled_column_has_a_doubled_interval() -> None:
    found = intervals(METRICS, columns(80), 80)
    assert found["twice"] == Interval(*(2 * x for x in (found["score"].value, found["score"].low, found["score"].high)))


def test_the_interval_of_a_normal_mean_has_the_textbook_width() -> None:
    data = columns(400)
    found = intervals(METRICS, data, 400, resamples=4000)["score"]
    half = 1.96 * data["score"].std() / 20
    assert found.low == pytest.approx(data["score"].mean() - half, abs=0.12 * half)
    assert found.high == pytest.approx(data["score"].mean() + half, abs=0.12 * half)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        found = intervals(METRICS[:1], columns(60, seed), 60, resamples=300, confidence=0.9, seed=seed)["score"]
        covered += found.low <= 0.0 <= found.high
    assert 0.84 <= covered / 300 <= 0.95


def test_more_confidence_is_a_wider_interval() -> None:
    narrow, wide = (intervals(METRICS, columns(60), 60, confidence=c)["score"] for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_single_example_has_no_spread() -> None:
    found = intervals(METRICS[:1], {"score": np.array([0.25])}, 1)
    assert found == {"score": Interval(0.25, 0.25, 0.25)}


def test_a_ratio_keeps_draws_that_have_a_denominator() -> None:
    data = {"right": np.array([1.0, 0.0, 0.0]), "answered": np.array([1.0, 1.0, 0.0])}
    found = intervals([Metric("accuracy", ratio("right", "answered"))], data, 3)["accuracy"]
    assert found == Interval(0.5, 0.0, 1.0)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_statistic_that_is_not_finite_is_refused_with_its_place(broken: float) -> None:
    with pytest.raises(HarnessError, match=r"'score' is (nan|inf) at position 2"):
        intervals(METRICS[:1], {"score": np.array([0.0, 1.0, broken])}, 3)


def test_a_column_that_does_not_match_the_examples_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"'score' has shape \(3,\) for 4 examples"):
        intervals(METRICS[:1], {"score": np.zeros(3)}, 4)


def test_no_examples_is_an_error_and_not_a_number() -> None:
    with pytest.raises(HarnessError, match="no examples"):
        intervals(METRICS[:1], {"score": np.zeros(0)}, 0)


def test_a_metric_without_a_denominator_at_all_is_an_error() -> None:
    data = {"right": np.zeros(2), "answered": np.zeros(2)}
    with pytest.raises(HarnessError, match="'accuracy' is undefined"):
        intervals([Metric("accuracy", ratio("right", "answered"))], data, 2)
