"""The page of a suite: data sets as columns, the average only beside its coverage, ranks only among its like."""

from __future__ import annotations

import dataclasses
import re

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


def ours(table):
    """The averages of runs, without those of scores that were made elsewhere."""
    return table[table["Verified"].isin(["recomputed", "rescored"])]


def test_data_sets_are_columns_and_the_average_stands_beside_its_coverage(stored, suite_page):
    for task in ("beir/scifact", "beir/nfcorpus"):
        stored(task, "good", GOOD)
        stored(task, "poor", BAD)
    stored("beir/scifact", "narrow", GOOD)
    table = ours(suite_page(suite="beir/18").table(AVERAGES))
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
    assert list(ours(suite_page(suite="beir/cqadupstack").table(AVERAGES))["Coverage"]) == ["11 of 12"]
    stored(FORUMS[-1], "bm25", GOOD)
    row = ours(suite_page(suite="beir/18").table(AVERAGES)).iloc[0]
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
    (row,) = ours(shown.table(AVERAGES)).to_dict("records")
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


def test_published_averages_follow_in_grey_without_a_rank(stored, suite_page):
    stored("beir/scifact", "good", GOOD)
    shown = suite_page(suite="beir/18")
    table = shown.table(AVERAGES)
    assert table[["Submission", "Verified"]].values.tolist()[0] == ["good", "recomputed"]
    published = table[table["Verified"] == "published"].set_index("Submission")
    assert published["Rank"].isna().all()
    flat = published.loc["bm25-flat"]
    assert (flat["Coverage"], flat["scifact"], round(flat["Mean nDCG@10"], 4)) == ("18 of 18", 0.6789, 0.4244)
    assert published.loc["all-MiniLM-L6-v2", "Coverage"] == "1 of 18"
    (element,) = [e for e in shown.app.dataframe if e.proto.alt.startswith(AVERAGES)]
    grey = {int(row) for row in re.findall(r"_row(\d+)_col4\b", element.proto.arrow_data.styler.styles)}
    assert grey == set(range(1, len(table)))
    shown.app.toggle(key="others").set_value(False).run()
    assert list(shown.table(AVERAGES)["Submission"]) == ["good"]


def test_reproduced_data_sets_are_counted(filler, stored, suite_page):
    filler.model = {
        "kind": "bm25",
        **{
            "k1": 0.9,
            "b": 0.4,
            "tokenizer": "lucene",
            "stopwords": "lucene",
            "stemmer": "porter",
            "lucene_norms": True,
        },
    }
    for task in ("beir/scifact", "beir/nfcorpus"):
        stored(task, "mine", GOOD)
    filler.model = {"kind": "random"}
    stored("beir/scifact", "random", BAD)
    table = ours(suite_page(suite="beir/18").table(AVERAGES)).set_index("Submission")
    assert table.loc["mine", "Reproduced"] == "2 off"
    assert table["Reproduced"].notna().sum() == 1
