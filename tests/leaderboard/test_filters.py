"""Filters take rows away and never change a rank; what does not say is left out; the address keeps them."""

from __future__ import annotations

import dataclasses

from harness.contract import Ranking

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the task"


def two_kinds(filler) -> None:
    filler.run("good words", GOOD, facts={"parameters": 22_700_000})
    dataclasses.replace(filler, model={"kind": "bm25", "k1": 1.2}).run("poor words", BAD)


def names(shown) -> list[str]:
    return list(shown.table(RUNS)["Submission"])


def test_a_kind_that_the_address_names_is_all_that_is_shown_with_its_rank(filler, page):
    two_kinds(filler)
    shown = page(kind="bm25")
    assert names(shown) == ["poor words"]
    assert list(shown.table(RUNS)["Rank"]) == [2]
    assert "1 of 2 runs pass the filters." in shown.text


def test_words_are_looked_for_in_names_kinds_settings_and_marks(filler, page):
    two_kinds(filler)
    assert names(page(q="WORDS")) == ["good words", "poor words"]
    assert names(page(q="words 1.2")) == ["poor words"]
    assert RUNS not in " ".join(page(q="nothing like it").tables)


def test_a_size_leaves_out_the_larger_and_those_that_do_not_say(filler, page):
    two_kinds(filler)
    assert names(page(size="30")) == ["good words"]
    assert list(page(size="30").table(RUNS)["Params (M)"]) == [22.7]
    assert "0 of 2 runs pass the filters." in page(size="10").text


def test_the_frontier_has_the_same_filters(filler, page):
    two_kinds(filler)
    shown = page(file="frontier_page.py", kind="bm25", over="beir/tiny")
    assert list(shown.table("Submissions within")["Submission"]) == ["poor words"]
    assert "1 of 2 are outside the limits and filters." in shown.text


def test_what_the_address_asks_for_and_nobody_has_is_no_error(filler, page):
    two_kinds(filler)
    assert "0 of 2 runs pass the filters." in page(kind="<script>", since="2999-01-01").text
    assert names(page(since="yesterday", size="much")) == ["good words", "poor words"]


def test_more_columns_are_kept_in_the_address(filler, page):
    two_kinds(filler)
    shown = page(columns="AP")
    assert "AP" in shown.table(RUNS).columns
    assert "no such" not in page(columns="no such").table(RUNS).columns
