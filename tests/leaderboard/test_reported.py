"""Scores made elsewhere stand among the runs: greyed, without a rank, with their source, and held against ours."""

from __future__ import annotations

import dataclasses
import hashlib
import re

import pytest

from harness.contract import Ranking
from harness.reference.published import ReportedScore
from harness.store import open_database, reports
from leaderboard.downloads import csv

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])  # nDCG@10 .69
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the task"
BM25 = {
    "kind": "bm25",
    **{"k1": 0.9, "b": 0.4, "tokenizer": "lucene", "stopwords": "lucene", "stemmer": "porter", "lucene_norms": True},
}


@pytest.fixture
def send(filler):
    """Stores self-reported scores of a model."""

    def send(metrics, model="theirs", task="beir/tiny"):
        scores = [
            ReportedScore(
                task=task,
                model=model,
                metric=metric,
                value=value,
                digits=4,
                source="theirs.json",
                note="results file of BEIR",
                kind="",
                verification="self-reported",
                digest=hashlib.sha256(f"{model} {task}".encode()).hexdigest(),
            )
            for metric, value in metrics.items()
        ]
        database = open_database(str(filler.path), create=True)
        reports.add(database, "theirs.json", scores, replace=False)
        database.close()

    return send


def of_scifact(filler):
    filler.card = dataclasses.replace(filler.card, name="beir/scifact")
    return filler


def test_published_scores_stand_among_the_runs_without_a_rank(filler, page):
    of_scifact(filler).run("good", GOOD)
    filler.run("poor", BAD)
    table = page().table(RUNS).set_index("Submission")
    assert list(table.index[:4]) == ["bge-base-en-v1.5.faiss", "bge-base-en-v1.5.lucene-flat", "splade-pp-ed", "good"]
    assert list(table.index[-2:]) == ["all-MiniLM-L6-v2", "poor"]
    assert dict(table["Rank"].dropna()) == {"good": 1, "poor": 2}
    published = table.loc["bm25-flat"]
    assert (published["nDCG@10"], published["Verified"]) == (0.6789, "published")
    assert published[["95 % interval", "Memory (MB)", "Observed (ms)", "Reproduced"]].isna().all()
    assert table.loc["good", "Verified"] == "recomputed"


def test_what_was_made_elsewhere_is_greyed(filler, page):
    of_scifact(filler).run("good", GOOD)
    shown = page()
    (element,) = [e for e in shown.app.dataframe if e.proto.alt.startswith(RUNS)]
    grey = {int(row) for row in re.findall(r"_row(\d+)_col1\b", element.proto.arrow_data.styler.styles)}
    table = shown.table(RUNS)
    assert grey == set(table.index[table["Verified"] == "published"])


def test_equal_scores_show_the_run_first(filler, page, send):
    filler.run("ours", GOOD)
    value = page().table(RUNS)["nDCG@10"].iloc[0]
    send({"nDCG@10": round(value, 4)})
    assert list(page().table(RUNS)["Submission"]) == ["ours", "theirs"]


def test_self_reported_scores_are_never_ranked_and_on_no_front(filler, page, send):
    filler.run("ours", BAD)
    send({"nDCG@10": 0.99, "AP": 0.9})
    shown = page()
    table = shown.table(RUNS)
    assert list(table["Submission"]) == ["theirs", "ours"]
    assert list(table["Verified"]) == ["self-reported", "recomputed"]
    assert table["Rank"].isna().tolist() == [True, False]
    assert "theirs" not in shown.chart.partition("Pareto-best:")[2].partition("Made elsewhere")[0]
    assert "Made elsewhere, at the edge: theirs 0.9900" in shown.chart
    shown.app.multiselect(key="columns").set_value(["AP"]).run()
    assert shown.table(RUNS)["AP"].iloc[0] == 0.9


def test_they_can_be_left_out(filler, page):
    of_scifact(filler).run("good", GOOD)
    shown = page()
    shown.app.toggle(key="others").set_value(False).run()
    assert list(shown.table(RUNS)["Submission"]) == ["good"]
    assert "Made elsewhere" not in shown.chart


def test_every_score_made_elsewhere_has_its_source(filler, page, send):
    of_scifact(filler).run("good", GOOD)
    send({"nDCG@10": 0.7}, task="beir/scifact")
    sources = page().table("Sources of the scores").set_index("Model")["Source"]
    assert sources["bm25-flat"] == "castorini/pyserini@0a0be29:pyserini/2cr/beir.yaml"
    assert sources["theirs"] == "theirs.json · results file of BEIR"


def test_a_reproduction_is_shown_with_its_tolerance(filler, page):
    of_scifact(filler).run("random", GOOD)
    filler.model = BM25
    key = filler.run("mine", GOOD)
    shown = page()
    table = shown.table(RUNS).set_index("Submission")
    assert table.loc["mine", "Reproduced"] == f"off {table.loc['mine', 'nDCG@10'] - 0.6789:+.4f}"
    assert table["Reproduced"].notna().sum() == 1
    said = "mine against bm25-flat, published as 0.6789: OK up to a difference of 0 in 4 decimals, close up to 0.0005."
    assert said in shown.text
    of_run = page(file="run_page.py", run=key)
    scores = of_run.table("Scores").set_index("Metric")
    assert scores.loc["R@1000", "Published"] == 0.9767
    assert scores.loc["nDCG@10", "Reproduced"] == table.loc["mine", "Reproduced"]
    assert "recomputed" in of_run.text
    assert "castorini/pyserini" in of_run.text


def test_answers_from_a_file_are_marked_as_rescored(filler, page):
    key = filler.run("run file", GOOD, observes_cost=False)
    assert list(page().table(RUNS)["Verified"]) == ["rescored"]
    assert "rescored" in page(file="run_page.py", run=key).text


def test_a_task_that_did_not_run_here_shows_what_was_sent(page, send):
    send({"nDCG@10": 0.5, "AP": 0.4}, task="beir/nfcorpus")
    shown = page()
    assert shown.app.selectbox(key="task").value == "beir/nfcorpus"
    table = shown.table(RUNS).set_index("Submission")
    assert table.loc["theirs", "nDCG@10"] == 0.5
    assert table.loc["bm25-flat", "nDCG@10"] == 0.3218
    assert "No finished run over the whole task yet" in shown.text


def test_hostile_text_of_a_results_file_is_text(filler, page, send):
    filler.run("ours", GOOD)
    send({"nDCG@10": 0.9}, model="=1+1\u202e<b>")
    shown = page()
    table = shown.table(RUNS)
    assert table["Submission"].iloc[0] == "=1+1\\u202e<b>"
    assert "'=1+1" in csv(table).decode()
    assert all("<b>" not in element.proto.body for element in shown.app.get("html"))
