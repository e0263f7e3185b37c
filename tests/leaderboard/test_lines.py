"""Scores are held against floors and rungs; what is odd about the data, and how a run learnt, are shown."""

from __future__ import annotations

import dataclasses

import pytest

from harness.contract import Line, Ranking

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the task"


def test_gain_is_counted_from_the_best_floor_and_never_from_a_rung(filler, page):
    filler.lines = (Line("majority", 0.1, "floor"), Line("first", 0.2, "floor"), Line("exact to depth 1", 0.3, "rung"))
    filler.run("mine", GOOD)
    opened = page()
    (row,) = opened.table(RUNS).to_dict("records")
    assert row["Gain"] == pytest.approx(row["nDCG@10"] - 0.2)
    assert "over the best floor, first (0.2000)" in opened.text


def test_a_submission_may_be_the_floor(filler, page):
    filler.run("poor", BAD, floor=True)
    filler.run("good", GOOD)
    table = page().table(RUNS).set_index("Submission")
    assert table.loc["poor", "Gain"] == 0
    assert table.loc["good", "Gain"] == pytest.approx(table.loc["good", "nDCG@10"] - table.loc["poor", "nDCG@10"])
    assert "floor" in table.loc["poor", "Marks"]


def test_without_a_floor_there_is_no_gain(filler, page):
    filler.run("mine", GOOD)
    assert "Gain" not in page().table(RUNS)


def test_what_is_odd_about_the_data_stands_below_the_runs(filler, page):
    filler.audit = {"Duplicates": [{"of": "<script>", "rows": 3}]}
    filler.card = dataclasses.replace(filler.card, marks=("random split",))
    filler.run("mine", GOOD)
    opened = page()
    assert opened.table("Duplicates").to_dict("records") == [{"of": "<script>", "rows": 3}]
    assert "random split" in opened.text


def test_a_run_that_trained_shows_how_it_learnt(filler, page):
    run = filler.run("mine", GOOD, curves={"loss": [(0, 2.0), (10, 1.0)]})
    assert page(file="run_page.py", run=run).chart == "loss by training step, from 2 at step 0 to 1 at step 10"


def test_an_unknown_family_has_no_part_of_its_own(filler, page):
    filler.card = dataclasses.replace(filler.card, family="os.path")
    filler.run("mine", GOOD)
    assert page().tables
