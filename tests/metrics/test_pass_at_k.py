"""pass@k is the chance that one of k samples drawn without replacement is right."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.metrics.bootstrap import intervals
from harness.metrics.pass_at_k import pass_at_k, sample_columns, sample_metrics


@given(st.integers(1, 9), st.data())
def test_it_is_the_share_of_draws_with_a_right_sample(samples: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    drawn = list(combinations([True] * right + [False] * (samples - right), k))
    assert pass_at_k(samples, np.array([right]), k)[0] == pytest.approx(np.mean([any(some) for some in drawn]))


def test_known_values() -> None:
    """Section 2.1 of Chen et al. (2021) as written, for 200 samples."""
    right = np.array([0, 1, 7, 100, 199, 200])
    for k in (1, 10, 100, 200):
        expected = [1 - comb(200 - c, k) / comb(200, k) for c in right.tolist()]
        np.testing.assert_allclose(pass_at_k(200, right, k), expected, rtol=1e-12)


def test_pass_at_1_is_the_mean_and_more_samples_never_hurt() -> None:
    right = np.arange(11)
    np.testing.assert_allclose(pass_at_k(10, right, 1), right / 10)
    by_k = np.array([pass_at_k(10, right, k) for k in range(1, 11)])
    assert (np.diff(by_k, axis=0) >= 0).all()


@pytest.mark.parametrize("k", [0, 6, -1])
def test_no_more_than_the_samples_can_say(k: int) -> None:
    with pytest.raises(HarnessError, match="5 samples"):
        pass_at_k(5, np.array([1]), k)


def test_it_is_a_metric_like_any_other() -> None:
    verdicts = [[True, False, False, False], [False] * 4, [True] * 4, [True]]
    columns = sample_columns(verdicts, 4, (1, 2))
    found = intervals(sample_metrics(4, (1, 2)), columns, n=4)
    assert found["pass@1"].value == pytest.approx((0.25 + 0 + 1 + 0.25) / 4), "missing samples are wrong ones"
    assert found["pass@2"].value == pytest.approx((0.5 + 0 + 1 + 0.5) / 4)
    assert found["any_of_4"].value == pytest.approx(0.75)
    with pytest.raises(HarnessError, match="5 samples"):
        sample_columns([[True] * 5], 4, (1,))
