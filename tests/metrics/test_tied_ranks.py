"""Reciprocal rank under ties is the mean over all orders, between the best and the worst of them."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.tied_ranks import FirstFound, first_found, random_reciprocal_rank, recall

FEW = st.lists(st.tuples(st.sampled_from([1.0, 2.0, 3.0]), st.booleans()), min_size=1, max_size=6)


def found(scores: list[float], right: list[bool], total: int | None = None) -> FirstFound:
    return first_found(np.float32(scores), np.array(right), sum(right), len(scores) if total is None else total)


def by_trying_all(scores: list[float], right: list[bool], cut: int) -> list[float]:
    """Reciprocal ranks in every order that the scores allow."""
    orders = []
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            rank = next((place for place, i in enumerate(order, start=1) if right[i]), cut + 1)
            orders.append(1 / rank if rank <= cut else 0.0)
    return orders


@given(FEW, st.integers(1, 7))
def test_it_is_the_mean_of_all_orders(documents: list[tuple[float, bool]], cut: int) -> None:
    scores, right = [s for s, _ in documents], [r for _, r in documents]
    if any(right):
        tried, it = by_trying_all(scores, right, cut), found(scores, right)
        assert it.expected(cut) == pytest.approx(np.mean(tried))
        assert (it.best(cut), it.worst(cut)) == pytest.approx((max(tried), min(tried)))


def test_without_ties_it_is_one_over_the_rank() -> None:
    it = found([5, 4, 3, 2], [False, False, True, False])
    assert it.expected(9) == it.best(9) == it.worst(9) == 1 / 3


def test_a_rank_beyond_the_cut_is_nothing() -> None:
    it = found([5, 4, 3], [False, False, True])
    assert (it.expected(2), it.expected(3)) == (0, 1 / 3)


def test_a_score_of_zero_is_a_miss() -> None:
    """A term match that found nothing did not rank the document last: it did not find it."""
    it = found([2, 0, 0], [False, True, False])
    assert (it.expected(9), it.worst(9)) == (0, 0)
    assert it.best(9) == 1 / 2, "it would be the first of what was missed"


def test_what_was_not_returned_is_a_miss() -> None:
    it = found([2, 1], [False, False], total=10)
    assert (it.expected(99), it.best(99), it.worst(99)) == (0, 1 / 3, 0)


def test_negative_scores_are_scores() -> None:
    assert found([-1, -2], [False, True]).expected(9) == 1 / 2


def test_recall_shares_a_tie_that_the_cut_divides() -> None:
    scores, right = np.float32([3, 1, 1, 1]), np.array([False, True, False, False])
    assert [recall(scores, right, 1, k) for k in (1, 2, 3, 4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_the_floor_is_a_harmonic_number() -> None:
    assert random_reciprocal_rank(1, 4, 1000) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert random_reciprocal_rank(1, 6267, 1000) == pytest.approx(sum(1 / r for r in range(1, 1001)) / 6267)
    assert random_reciprocal_rank(0, 10, 10) == 0
