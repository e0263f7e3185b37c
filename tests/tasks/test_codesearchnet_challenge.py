"""The challenge's NDCG is that of its script, less what could be gamed."""

from __future__ import annotations

from itertools import permutations
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Failure, Places, Prediction, Ranking
from harness.errors import DataError, InvalidPrediction
from tasks.codesearchnet.challenge_scorer import DEPTH, ChallengeScorer, ideal_gain, ndcg, random_ndcg
from tasks.codesearchnet.csn99 import Csn99
from tasks.codesearchnet.judgements import read_judgements

RELEVANCE = {"a": 3.0, "b": 1.5, "c": 0.0}
IDEAL = 7 / log2(2) + (2**1.5 - 1) / log2(3)


def listed(*ids: str) -> tuple[list[str], list[float]]:
    return list(ids), [float(len(ids) - place) for place in range(len(ids))]


def test_the_best_order_scores_one() -> None:
    assert ideal_gain(RELEVANCE) == pytest.approx(IDEAL)
    found = ndcg(*listed("a", "b", "c"), RELEVANCE)
    assert (found.within, found.all) == pytest.approx((1, 1))


def test_what_nobody_judged_takes_a_place_in_all_and_none_within() -> None:
    found = ndcg(*listed("x", "a", "y", "b"), RELEVANCE)
    assert found.within == pytest.approx(1)
    assert found.all == pytest.approx((7 / log2(3) + (2**1.5 - 1) / log2(5)) / IDEAL)


def test_three_hundred_copies_score_what_one_does() -> None:
    """The published script gives them up to 41."""
    attack, once = ndcg(*listed(*["a"] * DEPTH), RELEVANCE), ndcg(*listed("a"), RELEVANCE)
    assert (attack.within, attack.all) == (once.within, once.all)
    assert attack.all < 1
    scorer = ChallengeScorer({"q": RELEVANCE}, ["a", "b", "c"])
    with pytest.raises(InvalidPrediction, match="more than once"):
        scorer.check(Prediction("q", Ranking(*listed("a", "a"))))


@given(st.lists(st.tuples(st.sampled_from("abcxyz"), st.sampled_from([0.5, 1.0, 2.0])), max_size=40))
def test_no_ranking_scores_more_than_one(rows: list[tuple[str, float]]) -> None:
    found = ndcg([id for id, _ in rows], [score for _, score in rows], RELEVANCE)
    assert 0 <= found.all <= found.within + 1e-12
    assert found.within <= 1 + 1e-12


@pytest.mark.parametrize("ids", ["abx", "axb", "bcxy"])
def test_ties_gain_the_mean_of_all_orders(ids: str) -> None:
    tied = ndcg(list(ids), [1.0] * len(ids), RELEVANCE)
    every = [ndcg(*listed(*order), RELEVANCE) for order in permutations(ids)]
    assert tied.within == pytest.approx(np.mean([each.within for each in every]))
    assert tied.all == pytest.approx(np.mean([each.all for each in every]))


def test_only_three_hundred_are_read() -> None:
    others = [f"x{place}" for place in range(DEPTH)]
    assert ndcg(*listed(*others, "a"), RELEVANCE).within == 0
    assert ndcg(*listed(*others[1:], "a"), RELEVANCE).within > 0


def test_the_random_floor_is_the_mean_of_random_orders() -> None:
    ids = ["a", "b", "c", *(f"x{place}" for place in range(400))]
    random = np.random.default_rng(0)
    drawn = [ndcg(*listed(*random.permutation(ids).tolist()), RELEVANCE) for _ in range(2000)]
    floor = random_ndcg(RELEVANCE, len(ids))
    assert floor.within == pytest.approx(np.mean([each.within for each in drawn]), abs=0.02)
    assert floor.all == pytest.approx(np.mean([each.all for each in drawn]), abs=0.01)


def test_a_query_without_an_answer_scores_nothing() -> None:
    scorer = ChallengeScorer({"q": RELEVANCE, "r": RELEVANCE}, ["a"])
    columns = scorer.columns(["q", "r"], {"q": Prediction("q", Failure("unanswered"))})
    assert {name: values.tolist() for name, values in columns.items()} == {key: [0, 0] for key in columns}
    with pytest.raises(InvalidPrediction, match="not in the corpus"):
        scorer.check(Prediction("q", Ranking(["https://nowhere"], [1.0])))


def test_judgements_are_means_over_annotators(tmp_path: Path) -> None:
    file = tmp_path / "store.csv"
    file.write_text(
        "Language,Query,GitHubUrl,Relevance,Notes\n"
        'Python,Sort List,https://A,3,\nPython,sort list,https://a,2,"a, b"\nGo,sort list,https://b,1,\n'
    )
    assert read_judgements(file, "python") == {"sort list": {"https://a": 2.5}}
    file.write_text("Language,Query,GitHubUrl,Relevance\nPython,q,https://a,7\n")
    with pytest.raises(DataError, match="line 2: the relevance '7'"):
        read_judgements(file, "python")


@pytest.mark.data
def test_the_pool_has_the_known_counts(data_root: Path, tmp_path: Path) -> None:
    found = Csn99("go").read(Places(data=data_root, cache=tmp_path))
    assert (len(found.queries), len(found.codes)) == (68, 10_165)
    assert found.oddities.counts["queries_without_relevant"] == 15
