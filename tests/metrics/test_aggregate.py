"""Weighted aggregates of columns."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.aggregate import mean, ratio

COLUMNS = {"hit": np.array([1.0, 0.0, 4.0]), "bytes": np.array([2.0, 8.0, 0.0])}


def test_mean_weights_each_example_by_how_often_it_was_drawn() -> None:
    weights = np.array([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
    assert mean("hit")(COLUMNS, weights) == pytest.approx([5 / 3, 1.0, 8 / 3])


def test_ratio_divides_sums_and_does_not_average_quotients() -> None:
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]])
    assert ratio("hit", "bytes")(COLUMNS, weights) == pytest.approx([5 / 10, 2 / 12])


def test_a_draw_without_a_denominator_is_undefined_and_spares_the_others() -> None:
    weights = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0]])
    undefined, defined = ratio("hit", "bytes")(COLUMNS, weights)
    assert np.isnan(undefined)
    assert defined == 0.5
