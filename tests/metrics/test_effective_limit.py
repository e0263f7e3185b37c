"""An effective limit is where a score gives way, and says so where that was not seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.metrics.effective_limit import FIXED, contour, fixed, relative

SIZES = (1000, 2000, 4000, 8000)


def exactly(scores: np.ndarray) -> np.ndarray:
    """Resamples that all agree."""
    return np.repeat(scores[:, None], 5, axis=1)


def limits(*scores: float, threshold: float = 0.8, share: float = 0.85) -> tuple[float, float, float]:
    values = np.array(scores)
    drawn = exactly(values)
    return (
        fixed(SIZES, values, drawn, threshold).value,
        relative(SIZES, values, drawn, share).value,
        contour(SIZES, values, drawn, threshold).value,
    )


def test_a_score_that_gives_way() -> None:
    at, share, line = limits(1.0, 0.9, 0.7, 0.2)
    assert (at, share) == (2000, 2000)
    assert line == pytest.approx(2000 * math.sqrt(2)), "halfway between 0.9 and 0.7, on a logarithmic axis"


def test_a_weak_model_has_a_relative_limit_only() -> None:
    assert limits(0.5, 0.45, 0.1, 0.1) == (0, 2000, 0)


def test_beyond_the_largest_size_nothing_was_measured() -> None:
    assert limits(1, 1, 0.9, 0.9) == (math.inf, math.inf, math.inf)
    assert str(fixed(SIZES, np.ones(4), np.ones((4, 9)), 0.8)) == "> 8,000"
    assert str(fixed(SIZES, np.zeros(4), np.zeros((4, 9)), 0.8)) == "< 1,000"


def test_a_recovery_does_not_count() -> None:
    """The limit is the first size that fails: a later peak is luck or a change of format."""
    assert limits(1, 0.1, 1, 1)[0] == 1000


def test_nothing_right_is_no_relative_limit() -> None:
    assert limits(0, 0, 0, 0, threshold=0) == (0, 0, 0)


def test_the_ends_of_the_interval_may_lie_beyond() -> None:
    random = np.random.default_rng(0)
    drawn = random.binomial(20, np.array([1, 0.95, 0.9, 0.86])[:, None], (4, 1000)) / 20
    limit = fixed(SIZES, np.array([1, 0.95, 0.9, 0.86]), drawn)
    assert limit.value == math.inf
    assert limit.low in SIZES
    assert str(limit) == f"> 8,000 [{limit.low:,.0f}, > 8,000]"


def test_rulers_own_rule_on_rulers_own_scores() -> None:
    """RULER's table, as the project publishes it: Llama3.1-70B to 64K, Llama3.1-8B to 32K, GPT-4-1106 to 64K."""
    sizes = (4096, 8192, 16384, 32768, 65536, 131072)
    published = {
        (96.5, 95.8, 95.4, 94.8, 88.4, 66.6): 65536,
        (95.5, 93.8, 91.6, 87.4, 84.7, 77.0): 32768,
        (96.6, 96.3, 95.2, 93.2, 87.0, 81.2): 65536,
    }
    for scores, limit in published.items():
        values = np.array(scores) / 100
        assert fixed(sizes, values, exactly(values), FIXED).value == limit
    gemini = np.array([96.7, 95.8, 96.0, 95.9, 95.9, 94.4]) / 100
    assert str(fixed(sizes, gemini, exactly(gemini), FIXED)) == "> 131,072"


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0.01, 1))
def test_the_contour_lies_between_the_fixed_limit_and_the_next_size(scores: list[float], threshold: float) -> None:
    values = np.array(scores)
    at = fixed(SIZES, values, exactly(values), threshold).value
    line = contour(SIZES, values, exactly(values), threshold).value
    following = {0: 0, 1000: 2000, 2000: 4000, 4000: 8000, math.inf: math.inf}
    assert at <= line * (1 + 1e-9) and line <= following[at] * (1 + 1e-9)


def test_sizes_have_to_increase() -> None:
    with pytest.raises(HarnessError, match="do not increase"):
        fixed((2, 1), np.ones(2), np.ones((2, 3)))
