"""Fusion by hand, and rankings in the evaluator's order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Ranking
from harness.metrics.ranking import first
from harness.retrieval.fusion import ranked, reciprocal_rank, weighted_sum

BM25 = Ranking(["a", "b", "c"], [12.0, 8.0, 4.0])
DENSE = Ranking(["b", "d"], [0.75, 0.25])


def test_reciprocal_ranks_by_hand() -> None:
    fused = reciprocal_rank([BM25, DENSE])
    assert fused == {"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 63, "d": 1 / 62}
    assert ranked(fused).ids == ["b", "a", "d", "c"]
    assert reciprocal_rank([DENSE], k=0) == {"b": 1.0, "d": 0.5}


def test_weighted_sum_by_hand() -> None:
    assert weighted_sum([BM25, DENSE]) == {"a": 1.0, "b": 0.5 + 1.0, "c": 0.0, "d": 0.0}
    assert weighted_sum([BM25, DENSE], [0.25, 0.5]) == {"a": 0.25, "b": 0.625, "c": 0.0, "d": 0.0}


def test_z_scores_by_hand() -> None:
    spread = np.std([12, 8, 4])
    fused = weighted_sum([BM25, DENSE], scale="z")
    assert fused["a"] == pytest.approx(4 / spread - 1), "it counts as much as DENSE's last, one below the mean"
    assert fused["b"] == pytest.approx(0 + 1)
    assert fused["d"] == pytest.approx(-4 / spread - 1)


@pytest.mark.parametrize(("scale", "present", "absent"), [("min_max", 1.0, 0.0), ("z", 0.0, 0.0)])
def test_a_ranking_of_equal_scores_says_only_what_it_holds(scale, present, absent) -> None:  # type: ignore[no-untyped-def]
    fused = weighted_sum([Ranking(["a", "b"], [3.0, 3.0]), Ranking(["c"], [1.0])], [1.0, 0.0], scale)
    assert fused == {"a": present, "b": present, "c": absent}


@pytest.mark.parametrize("scale", ["min_max", "z"])
def test_empty_rankings_add_nothing(scale) -> None:  # type: ignore[no-untyped-def]
    assert weighted_sum([Ranking([], []), Ranking([], [])], scale=scale) == {}
    assert ranked(weighted_sum([Ranking([], []), BM25], scale=scale)).ids == ["a", "b", "c"]
    assert ranked(reciprocal_rank([Ranking([], []), BM25])).ids == ["a", "b", "c"]


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from([0.0, 1.0, 1.00000001, 2.0]), max_size=9))
def test_the_order_is_that_of_the_evaluator(scores: dict[str, float]) -> None:
    ranking = ranked(scores)
    assert sorted(ranking.ids) == sorted(scores)
    for depth in range(len(scores) + 1):
        assert set(ranking.ids[:depth]) == set(first(scores, depth)) if depth else True
        assert ranked(scores, depth).ids == ranking.ids[:depth]
    assert ranking.scores == sorted(ranking.scores, reverse=True)
