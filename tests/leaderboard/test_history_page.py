"""How a submission's score moved from version to version, and why."""

from __future__ import annotations

import dataclasses

from harness.contract import Ranking

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the submission"


def test_each_run_says_what_changed_since_the_one_before(filler, page):
    first = filler.run("mine", BAD)
    dataclasses.replace(filler, model={"kind": "bm25", "k1": 1.2}, version="2").run("mine", GOOD)
    filler.run("another", GOOD)
    shown = page(file="history_page.py", submission="mine")
    table = shown.table(RUNS)
    assert list(table["Changed"]) == ["kind: random → bm25; k1: None → 1.2", "the first"]
    assert [version[0] for version in table["Version"]] == ["2", "1"]
    assert table["Run"].iloc[-1] == first
    assert "nDCG@10 over time" in shown.chart and "2 runs of 2 versions" in shown.text


def test_unfinished_and_partial_runs_are_listed_and_not_drawn(filler, page):
    filler.run("mine", GOOD, limit=1)
    filler.run("mine", GOOD, state="failed", seed=1)
    shown = page(file="history_page.py", submission="mine")
    assert sorted(shown.table(RUNS)["State"]) == ["done", "failed"]
    assert not shown.app.get("vega_lite_chart")


def test_an_unknown_submission_suggests_the_nearest(filler, page):
    filler.run("bm25", GOOD)
    assert "Did you mean 'bm25'?" in page(file="history_page.py", submission="bm26").text


def test_without_results_it_says_what_to_run(filler, page):
    assert "There are no results yet" in page(file="history_page.py").text
