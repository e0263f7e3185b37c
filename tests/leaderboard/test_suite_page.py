"""The page of a suite: data sets as columns, the average only beside its coverage, ranks only among its like."""

from __future__ import annotations

import dataclasses

import pytest

from harness import registry
from harness.contract import Ranking

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
AVERAGES = "Averages over"
FORUMS = list(registry.suite("beir/cqadupstack").tasks())


@pytest.fixture
def stored(filler):
    """Stores a run on a task of BEIR."""

    def run(task: str, name: str, answer=GOOD, **options):
        filler.card = dataclasses.replace(filler.card, name=task)
        return filler.run(name, answer, **options)

    return run


@pytest.fixture
def suite_page(page):
    return lambda **parameters: page(file="suite_page.py", **parameters)


def test_data_sets_are_columns_and_the_average_stands_beside_its_coverage(stored, suite_page):
    for task in ("beir/scifact", "beir/nfcorpus"):
        stored(task, "good", GOOD)
        stored(task, "poor", BAD)
    stored("beir/scifact", "narrow", GOOD)
    table = suite_page(suite="beir/18").table(AVERAGES)
    assert list(table["Submission"]) == ["good", "poor", "narrow"]
    assert list(table["Coverage"]) == ["2 of 18", "2 of 18", "1 of 18"]
    assert list(table["Rank"]) == [1, 2, 1]
    assert [name for name in table.columns if name in ("scifact", "nfcorpus", "fiqa")] == ["nfcorpus", "scifact"]
    best = table.iloc[0]
    assert best["Mean nDCG@10"] == pytest.approx((best["scifact"] + best["nfcorpus"]) / 2)
    low, high = map(float, best["95 % interval"].split(" – "))
    assert low <= best["Mean nDCG@10"] <= high
    assert table["nfcorpus"].isna().tolist() == [False, False, True]


def test_a_suite_within_the_suite_counts_once_and_only_whole(stored, suite_page):
    stored("beir/scifact", "bm25", BAD)
    for forum in FORUMS[:-1]:
        stored(forum, "bm25", GOOD)
    assert "cqadupstack" not in suite_page(suite="beir/18").table(AVERAGES)
    assert list(suite_page(suite="beir/cqadupstack").table(AVERAGES)["Coverage"]) == ["11 of 12"]
    stored(FORUMS[-1], "bm25", GOOD)
    row = suite_page(suite="beir/18").table(AVERAGES).iloc[0]
    assert row["Coverage"] == "2 of 18"
    assert row["Mean nDCG@10"] == pytest.approx((row["cqadupstack"] + row["scifact"]) / 2)
    assert row["cqadupstack"] > row["scifact"]


def test_other_metrics_are_averaged_on_request(stored, suite_page):
    stored("beir/scifact", "bm25")
    shown = suite_page(suite="beir/small")
    shown.app.selectbox(key="metric").set_value("AP").run()
    assert "Mean AP" in shown.table(AVERAGES)
    assert "Average precision" in shown.text


def test_suites_without_results_are_not_offered_and_what_lacks_a_result_is_named(stored, suite_page):
    stored("beir/scifact", "bm25")
    shown = suite_page()
    assert shown.app.selectbox(key="suite").options == ["beir/18", "beir/14", "beir/small"]
    assert shown.app.selectbox(key="suite").value == "beir/18"
    assert "Without a result" in shown.text
    assert "beir/trec-covid" in shown.text
    assert "Did you mean 'beir/small'?" in suite_page(suite="beir/smal").text


def test_choosing_a_score_leads_to_its_run(stored, suite_page):
    key = stored("beir/scifact", "bm25")
    shown = suite_page(suite="beir/small")
    chooser = next(box for box in shown.app.selectbox if box.label == "Open a run")
    chooser.select_index(0).run()
    assert not shown.app.exception
    assert f"run {key}" in shown.text


def test_the_board_leads_to_the_averages_of_its_task(stored, page):
    stored("beir/tiny", "bm25")
    assert not page().app.get("page_link")
    stored("beir/scifact", "bm25")
    (link,) = page(task="beir/scifact").app.get("page_link")
    assert link.proto.query_string == "suite=beir%2F18"


def test_own_code_is_marked_and_a_hostile_name_is_text(stored, suite_page):
    name = "<img src=x onerror=alert(1)> ![x](http://example.com/b.png) \u202e"
    stored("beir/scifact", name, runs_code=True)
    shown = suite_page(suite="beir/18")
    (row,) = shown.table(AVERAGES).to_dict("records")
    assert row["Submission"] == name.replace("\u202e", "\\u202e")
    assert list(row["Marks"]) == ["own code"]
    assert not shown.app.markdown


def test_parameters_of_other_pages_leave_the_address(stored, suite_page):
    stored("beir/scifact", "bm25")
    shown = suite_page(suite="beir/18", run="abc", task="beir/scifact")
    assert set(shown.app.query_params) <= {"suite"}


def test_without_results_it_says_what_to_run(filler, suite_page):
    filler.run("bm25")
    assert "There are no results yet" in suite_page().text
