"""Retrieval metrics: trec_eval's answers, whatever the run."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Mapping
from math import log2
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import Classes, Failure, Output, Prediction, Ranking
from harness.errors import InvalidPrediction
from harness.metrics.bootstrap import intervals
from harness.metrics.ranking import NAMES, RankingScorer

CORPUS = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
TREC_EVAL = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "R@1000": "recall_1000", "AP": "map"}
MANY = [f"d{i:02}" for i in range(30)]


def score(
    qrels: Mapping[str, int], run: Mapping[str, float] | Output, *, depth: int = 1000, drop_self: bool = True
) -> dict[str, float]:
    """The metrics of one query `q`."""
    output = Ranking(list(run), list(run.values())) if isinstance(run, Mapping) else run
    scorer = RankingScorer({"q": dict(qrels)}, [*CORPUS, *MANY], depth=depth, drop_self=drop_self)
    columns = scorer.columns(["q"], {"q": Prediction("q", output)})
    return {name: float(column[0]) for name, column in columns.items()}


def test_the_columns_are_the_metrics_and_the_first_is_primary() -> None:
    assert tuple(score({"a": 1}, {"a": 1.0})) == NAMES == tuple(m.name for m in RankingScorer.metrics)
    assert NAMES[0] == "nDCG@10"


def test_gain_is_the_grade_and_the_ideal_is_over_all_judged_documents() -> None:
    found = score({"a": 1, "b": 3, "c": 2, "z": 0}, {"a": 3.0, "z": 2.0, "b": 1.0})
    ideal = 3 + 2 / log2(3) + 1 / 2
    assert found["nDCG@10"] == pytest.approx((1 + 3 / 2) / ideal, abs=1e-12)
    assert found["AP"] == pytest.approx((1 + 2 / 3) / 3, abs=1e-12)
    assert found["R@100"] == found["R@1000"] == pytest.approx(2 / 3, abs=1e-12)
    assert (found["RR@10"], found["Judged@10"]) == (1.0, 1.0)


def test_ties_go_to_the_greater_id() -> None:
    assert score({"a": 1}, {"a": 1.0, "b": 1.0})["RR@10"] == 0.5
    assert score({"b": 1}, {"a": 1.0, "b": 1.0})["RR@10"] == 1.0


def test_scores_that_differ_beyond_float32_are_ties() -> None:
    run = {"a": 1.000000002, "b": 1.000000001}
    assert score({"a": 1}, run)["nDCG@10"] == pytest.approx(1 / log2(3), abs=1e-12)
    assert score({"b": 1}, run, depth=1)["nDCG@10"] == 1.0
    assert score({"a": 1}, run, depth=1)["nDCG@10"] == 0.0


@pytest.mark.parametrize(("rank", "expected"), [(1, 1.0), (10, 0.1), (11, 0.0)])
def test_reciprocal_rank_counts_the_first_ten(rank: int, expected: float) -> None:
    assert score({MANY[rank - 1]: 1}, {id: -float(i) for i, id in enumerate(MANY)})["RR@10"] == expected


def test_reciprocal_rank_cuts_ties_as_trec_eval_orders_them() -> None:
    tied = dict.fromkeys(MANY[:12], 1.0)
    assert score({"d02": 1}, tied)["RR@10"] == 0.1
    assert score({"d01": 1}, tied)["RR@10"] == 0.0


def test_judged_is_over_what_was_retrieved_and_follows_the_same_order() -> None:
    tied = dict.fromkeys(MANY[:12], 1.0)
    assert score({"d11": 1, "d01": 1, "d02": 0, "d03": -1}, tied)["Judged@10"] == 0.3
    assert score({"a": 1}, {"a": 2.0, "b": 1.0})["Judged@10"] == 0.5


def test_a_negative_judgement_is_not_relevant_but_judged() -> None:
    found = score({"a": -2, "b": 1}, {"a": 2.0, "b": 1.0})
    assert found["nDCG@10"] == pytest.approx(1 / log2(3), abs=1e-12)
    assert (found["AP"], found["RR@10"], found["Judged@10"]) == (0.5, 0.5, 1.0)


@pytest.mark.parametrize("qrels", [{}, {"a": 0}, {"a": -1}])
def test_a_query_without_a_relevant_document_scores_zero(qrels: dict[str, int]) -> None:
    found = score(qrels, {"a": 1.0})
    assert [found[name] for name in NAMES if name != "Judged@10"] == [0.0] * 5


def test_judgements_that_crash_pytrec_eval_are_scored() -> None:
    qrels = {f"q{i}": {"z": -2} if i % 2 else {"a": 3, "b": 0} for i in range(2000)}
    predictions = {id: Prediction(id, Ranking(CORPUS, [-float(i) for i in range(26)])) for id in qrels}
    columns = RankingScorer(qrels, CORPUS).columns(list(qrels), predictions)
    assert columns["nDCG@10"].tolist() == [1.0, 0.0] * 1000


@pytest.mark.parametrize("output", [Failure("refused"), Ranking([], [])])
def test_a_failure_and_an_empty_ranking_score_zero(output: Output) -> None:
    assert set(score({"a": 1}, output).values()) == {0.0}


def test_every_example_counts_also_without_a_prediction() -> None:
    scorer = RankingScorer({"1": {"a": 1}, "2": {"a": 1}, "3": {"a": 0}}, CORPUS)
    columns = scorer.columns(["3", "1", "2"], {"1": Prediction("1", Ranking(["a"], [1.0]))})
    assert columns["nDCG@10"].tolist() == [0.0, 1.0, 0.0]
    assert intervals(scorer.metrics, columns, 3)["nDCG@10"].value == pytest.approx(1 / 3, abs=1e-12)


def test_a_subset_of_the_queries_is_scored_alone() -> None:
    scorer = RankingScorer({"1": {"a": 1}, "2": {"a": 1}}, CORPUS)
    columns = scorer.columns(["2"], {"2": Prediction("2", Ranking(["a"], [1.0]))})
    assert columns["AP"].tolist() == [1.0]


def test_the_query_itself_is_taken_out_before_the_cut() -> None:
    run = {"q": 3.0, "a": 2.0, "b": 1.0}
    assert score({"b": 1}, run, depth=2)["RR@10"] == 0.5
    assert score({"b": 1}, run, depth=2, drop_self=False)["RR@10"] == 0.0


def test_scoring_leaves_the_prediction_as_it_was() -> None:
    ranking = Ranking(["q", "a", "b"], [1.0, 3.0, 2.0])
    score({"a": 1}, ranking, depth=1)
    assert ranking == Ranking(["q", "a", "b"], [1.0, 3.0, 2.0])


def test_the_answer_key_is_the_judgements() -> None:
    scorer = RankingScorer({"q": {"a": 2, "b": -1}}, CORPUS)
    assert scorer.gold("q") == {"a": 2, "b": -1}
    assert scorer.gold("unknown") == {}


GRADES = st.dictionaries(st.sampled_from(CORPUS), st.integers(-2, 4), max_size=12)
RUNS = st.dictionaries(
    st.sampled_from(CORPUS), st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-9, 1 + 1e-6, -3.5, 1e30]), max_size=26
)


def cut_as_trec_eval_sorts(run: Mapping[str, float], depth: int) -> dict[str, float]:
    order = sorted(run, key=lambda id: (np.float32(run[id]), id.encode()), reverse=True)
    return {id: run[id] for id in order[:depth]}


@settings(max_examples=150, deadline=None)
@given(GRADES, RUNS, st.integers(1, 26))
def test_any_run_full_of_ties_scores_as_in_pytrec_eval(
    qrels: dict[str, int], run: dict[str, float], depth: int
) -> None:
    run = {id: score for id, score in run.items() if id != "q"}
    found = score(qrels, run, depth=depth)
    kept = cut_as_trec_eval_sorts(run, depth)
    expected = dict.fromkeys(TREC_EVAL.values(), 0.0)
    if any(grade > 0 for grade in qrels.values()):  # pytrec_eval itself can crash without one
        expected = pytrec_eval.RelevanceEvaluator({"q": qrels}, set(expected)).evaluate({"q": kept})["q"]
    assert {name: found[name] for name in TREC_EVAL} == {name: expected[its] for name, its in TREC_EVAL.items()}
    top = list(kept)[:10]
    ranks = [rank for rank, id in enumerate(top, start=1) if qrels.get(id, 0) > 0]
    assert found["RR@10"] == (1 / ranks[0] if ranks else 0.0)
    assert found["Judged@10"] == (sum(id in qrels for id in top) / len(top) if top else 0.0)


def check(output: Output) -> None:
    RankingScorer({"q7": {"a": 1}}, CORPUS, depth=2).check(Prediction("q7", output))


def test_rankings_and_failures_pass_also_if_longer_than_the_depth() -> None:
    check(Ranking(["a", "b", "c", "d"], [4.0, 3.0, 2.0, 1.0]))
    check(Ranking([], []))
    check(Failure("over_limit"))


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (Classes("a"), "Classes"),
        (Ranking(["a", "b"], [1.0]), "2 ids and 1 scores"),
        (Ranking(["a", "b"], [1.0, float("nan")]), "'b' with nan"),
        (Ranking(["a"], [float("-inf")]), "'a' with -inf"),
        (Ranking(["a"], [3.5e38]), "'a' with 3.5e\\+38"),
        (Ranking(["a", "b", "a"], [3.0, 2.0, 1.0]), "'a' more than once"),
        (Ranking(["a", "A"], [2.0, 1.0]), "'A', which is not in the corpus"),
    ],
)
def test_what_breaks_the_protocol_is_refused_by_name(output: Output, complaint: str) -> None:
    with pytest.raises(InvalidPrediction, match=f"'q7'.*{complaint}") as refusal:
        check(output)
    assert refusal.value.hint


def test_the_leaderboard_can_import_it_without_the_evaluators() -> None:
    code = "import sys, harness.metrics.ranking; print({'pytrec_eval', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.data
def test_on_scifact_the_values_are_pytrec_evals_means(data_root: Path) -> None:
    qrels: dict[str, dict[str, int]] = {}
    with (data_root / "beir/scifact/qrels/test.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    corpus = sorted({document for judged in qrels.values() for document in judged})
    random = np.random.default_rng(0)
    run = {query: dict(zip(corpus, random.integers(0, 40, len(corpus)) / 8, strict=True)) for query in qrels}
    predictions = {query: Prediction(query, Ranking(list(r), list(r.values()))) for query, r in run.items()}
    scorer = RankingScorer(qrels, corpus, drop_self=False)
    found = intervals(scorer.metrics, scorer.columns(list(qrels), predictions), len(qrels))
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL.values())).evaluate(run)
    assert len(expected) == 300
    for name, its in TREC_EVAL.items():
        assert found[name].value == pytest.approx(np.mean([v[its] for v in expected.values()]), abs=1e-12)
        assert found[name].low <= found[name].value <= found[name].high
