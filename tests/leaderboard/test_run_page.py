"""The run page explains a number: scores, costs, examples with their answers, attempts, and how to make it again."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import yaml

from harness.contract import Classes, Failure, Ranking, Texts
from harness.provenance import code_version

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])


@pytest.fixture
def run_page(page):
    return lambda **parameters: page(file="run_page.py", **parameters)


def test_scores_costs_and_environment_are_shown(filler, run_page):
    shown = run_page(run=filler.run("bm25"))
    scores = shown.table("Scores with").set_index("Metric")
    assert scores.loc["RR@10", "Value"] == 1.0
    costs = shown.table("Costs by phase").set_index("Phase")
    assert list(costs["CPU s"]) == [1.0, 1.0]
    origin = shown.table("Environment").set_index("What")["Value"]
    assert (origin["Code version"], origin["Seed"]) == (code_version(), "0")
    assert (origin["Python"], origin["numpy"]) == (platform.python_version(), np.__version__)


def test_the_submission_and_the_command_make_it_again(filler, run_page):
    shown = run_page(run=filler.run("my; model $(x)", seed=7, limit=1, runs_code=True))
    submission, command = (code.value for code in shown.app.code[:2])
    assert yaml.safe_load(submission) == {"name": "my; model $(x)", "model": {"kind": "random"}}
    assert command == "harness eval my-model-x.yaml --task beir/tiny --seed 7 --limit 1 --allow-code"


def test_every_example_has_its_scores(filler, run_page):
    examples = run_page(run=filler.run("bm25")).table("Scores of every example").set_index("Example")
    assert examples.loc["q1", "Question"] == "what is first?"
    assert examples.loc["q2", "nDCG@10"] == 1.0


def test_a_query_shows_ranked_documents_with_grades_and_what_was_missed(filler, run_page):
    shown = run_page(run=filler.run("bm25"), example="q1")
    assert "what is first?" in shown.text
    first = shown.table("Ranked documents").iloc[0]
    assert (first["Rank"], first["Relevant"], first["Grade"]) == (1, "✓", 1)
    assert (first["Document"], first["Title"], first["Score"]) == ("d1", "The first document", 3.0)
    grades = shown.table("Ranked documents")["Grade"]
    assert grades.isna().tolist() == [False, True, False]
    missed = shown.table("Relevant documents that are not in the list")
    assert list(missed["Document"]) == ["lost"]


def test_a_ranking_is_shown_in_the_order_that_is_scored(filler, run_page):
    tied = 1.0 + 1e-12  # the same number as 1.0 in float32
    key = filler.run("unsorted", Ranking(["d1", "d3", "q1", "d2"], [tied, 1.0, 9.0, 2.0]))
    shown = run_page(run=key, example="q1")
    ranked = shown.table("Ranked documents")
    assert list(ranked["Document"]) == ["d2", "d3", "d1"]
    assert list(ranked["Rank"]) == [1, 2, 3]
    assert shown.text[shown.text.index("First relevant") :].split("  ")[:2] == ["First relevant at rank", "3"]
    assert shown.table("Scores with").set_index("Metric").loc["RR@10", "Value"] == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert "The query's own document was taken out." in shown.text
    assert "taken out" not in run_page(run=key, example="q2").text


def test_work_from_a_cache_is_marked_in_both_phases(filler, run_page):
    shown = run_page(run=filler.run("dense", cached=True))
    assert list(shown.table("Costs by phase")["Work"]) == ["partly from a cache, charged at first cost"] * 2
    assert "Charged:" in shown.text


def test_answers_made_elsewhere_have_no_cost(filler, run_page):
    shown = run_page(run=filler.run("replayed", observes_cost=False))
    assert "The answers were made elsewhere: no cost is known." in shown.text
    assert "Costs by phase" not in shown.tables
    assert not [name for name in shown.table("Worker processes") if "CPU" in name]


def test_an_interval_without_width_is_explained(filler, run_page):
    assert "no spread among these examples" in run_page(run=filler.run("certain", half_width=0.0)).text
    assert "no spread" not in run_page(run=filler.run("unsure")).text


@pytest.mark.parametrize(
    "answer, words",
    [(Classes("cat", {"cat": 0.9}), "cat"), (Failure("over_limit", "it is too long"), "it is too long")],
)
def test_other_kinds_of_answer_are_shown_beside_the_right_one(filler, run_page, answer, words):
    shown = run_page(run=filler.run("other", answer), example="q2")
    assert words in shown.text
    assert any('"d1": 1' in code.value for code in shown.app.code)


def test_a_text_answer_is_shown_as_it_is(filler, run_page):
    shown = run_page(run=filler.run("writer", Texts(["**4**\n<b>"])), example="q2")
    assert shown.app.code[0].value == "**4**\n<b>"


def test_an_unknown_example_suggests_the_nearest(filler, run_page):
    shown = run_page(run=filler.run("bm25"), example="q11")
    assert "No example 'q11'" in shown.text
    assert "Did you mean 'q1'?" in shown.text


@pytest.mark.parametrize("key", ["", "no-such-run", "<script>"])
def test_an_unknown_run_leads_back_to_the_board(filler, run_page, key):
    filler.run("bm25")
    shown = run_page(run=key)
    assert "The board lists the runs" in shown.text
    assert not shown.tables


def test_killed_attempts_stand_apart_and_their_logs_are_text(filler, run_page):
    filler.run("bm25", state="killed")
    filler.release()
    key = filler.run("bm25", log="warm\x1b[31m :red[up] <b>\ndone")
    shown = run_page(run=key)
    assert list(shown.table("Killed")["State"]) == ["killed"]
    assert list(shown.table("Worker processes")["Attempt"]) == [2]
    assert any(code.value == "warm\\x1b[31m :red[up] <b>\ndone" for code in shown.app.code)


def test_a_run_that_failed_says_why_and_keeps_its_answers(filler, run_page):
    shown = run_page(run=filler.run("heavy", state="failed"), example="q1")
    assert "it ran out of memory" in shown.text
    assert "Give it more memory." in shown.text
    assert len(shown.table("Ranked documents")) == 3


def test_hostile_questions_ids_and_titles_are_shown_as_text(filler, run_page):
    hostile = "<img src=x onerror=alert(1)>\u202e"
    filler.questions = {"q1": hostile, hostile: "second"}
    filler.titles = {"d1": hostile}
    key = filler.run(hostile)
    shown = run_page(run=key, example="q1")
    as_shown = "<img src=x onerror=alert(1)>\\u202e"
    assert as_shown in shown.text
    assert shown.table("Ranked documents").iloc[0]["Title"] == as_shown
    assert as_shown in set(shown.table("Scores of every example")["Example"])
    assert not shown.app.markdown
    assert all("<img" not in element.proto.body for element in shown.app.get("html"))
    assert as_shown in run_page(run=key, example=hostile).text
