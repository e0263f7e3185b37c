"""Skewness of k-occurrences by hand, and against a corpus with hubs."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contract import Ranking
from harness.metrics.hubness import hubness


def ranking(ids: str) -> Ranking:
    return Ranking(list(ids), [float(-place) for place in range(len(ids))])


def test_by_hand() -> None:
    # Four documents; a is first for two queries, b for one, c and d never: counts 2, 1, 0, 0, mean 0.75.
    found = hubness([ranking("ab"), ranking("ac"), ranking("ba")], documents=4, k=1)
    deviations = np.array([2, 1, 0, 0]) - 0.75
    assert found == pytest.approx((deviations**3).mean() / (deviations**2).mean() ** 1.5)


def test_documents_that_are_never_found_count() -> None:
    rankings = [ranking("a"), ranking("b")]
    few, many = hubness(rankings, documents=4), hubness(rankings, documents=400)
    assert few is not None and many is not None
    assert few == pytest.approx(0.0)
    assert many > 10, "two of 400 documents take every place"


def test_only_the_first_k_count_in_the_evaluators_order() -> None:
    tied = Ranking(["a", "b", "c"], [1.0, 1.0, 1.0])
    assert hubness([tied], documents=3, k=1) == hubness([ranking("c")], documents=3, k=1)


def test_it_is_unknown_where_all_documents_occur_as_often() -> None:
    assert hubness([ranking("ab")], documents=2) is None
    assert hubness([], documents=5) is None
