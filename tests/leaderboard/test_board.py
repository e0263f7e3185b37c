"""The board shows the runs of one task, best first, with what each took. Hostile names are text."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from pyarrow.ipc import open_stream as read_stream

from harness.contract import Failure, Ranking
from leaderboard import rows
from leaderboard.downloads import csv
from leaderboard.text import frame

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the task"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://example.com/beacon.png)",
    "[x](javascript:alert(1)) :smile: $x$ **bold**",
    '=HYPERLINK("http://example.com")',
    "abc\u202edef\x1b[31m\x00",
]
SHOWN = [*HOSTILE[:-1], "abc\\u202edef\\x1b[31m\\x00"]


def test_runs_are_ranked_best_first_with_interval_and_costs(filler, page):
    filler.run("poor", BAD, cpu_seconds=3.0)
    filler.run("good", GOOD, cpu_seconds=2.0)
    table = page().table(RUNS)
    assert list(table["Submission"]) == ["good", "poor"]
    assert list(table["Rank"]) == [1, 2]
    best = table.iloc[0]
    assert best["95 % interval"] == f"{best['nDCG@10'] - 0.05:.4f} – {best['nDCG@10'] + 0.05:.4f}"
    assert (best["Prepare (CPU s)"], best["Predict (CPU s)"]) == (2.0, 2.0)
    assert (best["Memory (MB)"], best["Index (MB)"], best["n"]) == (50.0, 2.0, 2)


def test_a_run_that_is_finished_meanwhile_is_seen_at_the_next_look(filler, page):
    filler.run("first", BAD)
    shown = page()
    for name in ("second", "third"):
        shown.app.run()  # from memory, as nothing has changed
        filler.run(name, GOOD)
        shown.app.run()
        assert name in list(shown.table(RUNS)["Submission"])


def test_equal_scores_share_a_rank(filler, page):
    for name, answer in (("a", GOOD), ("b", GOOD), ("c", BAD)):
        filler.run(name, answer)
    assert list(page().table(RUNS)["Rank"]) == [1, 1, 3]


def test_the_chart_names_the_runs_that_no_other_beats(filler, page):
    filler.run("cheap", BAD, cpu_seconds=0.5)
    filler.run("good", GOOD, cpu_seconds=2.0)
    filler.run("wasteful", BAD, cpu_seconds=5.0)
    best = page().chart.partition("Pareto-best:")[2]
    assert "cheap" in best
    assert "good" in best
    assert "wasteful" not in best


def test_what_a_reader_must_know_is_marked(filler, page):
    filler.run("mine", GOOD, runs_code=True, cached=True)
    filler.run("silent", Failure("refused"))
    table = page().table(RUNS).set_index("Submission")
    assert list(table.loc["mine", "Marks"]) == ["own code", "cached"]
    assert list(table.loc["silent", "Marks"]) == ["0.0% answered"]


def test_partial_and_older_runs_are_shown_on_request_and_unranked(filler, page):
    filler.run("bm25", GOOD)
    filler.run("bm25", GOOD, limit=1)
    shown = page()
    assert list(shown.table(RUNS)["Submission"]) == ["bm25"]
    shown.app.toggle(key="all").set_value(True).run()
    both = shown.table(RUNS)
    assert len(both) == 2
    assert list(both.iloc[1]["Marks"]) == ["partial: 1 of 2"]
    assert both["Rank"].isna().tolist() == [False, True]


def test_only_the_latest_run_of_a_submission_is_ranked_and_on_the_front(filler, page):
    filler.run("bm25", GOOD, cpu_seconds=0.1)
    latest = filler.run("bm25", BAD, cpu_seconds=2.0, rerun=True)
    filler.run("other", BAD, cpu_seconds=1.0)
    shown = page()
    shown.app.toggle(key="all").set_value(True).run()
    table = shown.table(RUNS)
    ranked = table[table["Rank"].notna()]
    assert sorted(ranked["Submission"]) == ["bm25", "other"]
    assert latest in set(ranked["Run"])
    assert set(ranked["Rank"]) == {1}
    assert [list(marks) for marks in table[table["Rank"].isna()]["Marks"]] == [["older run"]]
    assert "for 2 runs" in shown.chart
    assert "bm25" not in shown.chart.partition("Pareto-best:")[2]


def test_model_kind_and_settings_are_shown(filler, page):
    filler.run("mine")
    shown = page()
    assert list(shown.table(RUNS)["Model"]) == ["random"]
    assert "random: no settings" in shown.text


def test_settings_of_stages_are_shown_one_after_the_other():
    bm25, random = {"kind": "bm25", "k1": 0.9, "batch_size": None}, {"kind": "random", "prefix": ""}
    stages = [bm25, random, {"kind": "fuse", "k": 60}]
    assert rows.settings({"settings": {"stages": stages}}) == "bm25 (k1 0.9), then random, then fuse (k 60)"
    assert rows.settings({"settings": {"kind": "bm25", "k1": 0.9, "b": 0.4}}) == "k1 0.9, b 0.4"


def test_an_interval_without_width_is_explained(filler, page):
    filler.run("certain", half_width=0.0)
    assert "there is no spread among these examples" in page().text


def test_names_in_the_chart_do_not_overprint(filler, page):
    for i in range(6):
        filler.run(f"the same place {i}", GOOD)
    (stored,) = page().app.get("vega_lite_chart")[0].proto.datasets
    assert sorted(read_stream(stored.data.data).read_all()["place"].to_pylist()) == ["", "", "", "", "above", "below"]


def test_an_unfinished_run_can_be_opened(filler, page):
    key = filler.run("heavy", state="failed")
    shown = page()
    chooser = next(box for box in shown.app.selectbox if box.label == "Open an unfinished run")
    chooser.select_index(0).run()
    assert f"run {key}" in shown.text
    assert "This run failed" in shown.text


def test_parameters_of_a_run_leave_the_address_of_the_board(filler, page):
    filler.run("bm25")
    shown = page(run="abc", example="q1")
    assert not {"run", "example"} & set(shown.app.query_params)


def test_further_metrics_are_columns_on_request(filler, page):
    filler.run("bm25")
    shown = page()
    assert "AP" not in shown.table(RUNS)
    shown.app.multiselect(key="columns").set_value(["AP"]).run()
    assert "AP" in shown.table(RUNS)


def test_a_run_that_is_not_done_says_why_and_what_to_do(filler, page):
    filler.run("heavy", state="failed")
    filler.run("lost", state="killed")
    shown = page()
    assert RUNS not in " ".join(shown.tables)
    row = shown.table("Runs that are not finished").set_index("Submission").loc["heavy"]
    assert (row["State"], row["Reason"], row["Next step"]) == (
        "failed",
        "it ran out of memory",
        "Give it more memory.",
    )


def test_the_address_chooses_the_task_and_its_card_is_shown(filler, page):
    filler.run("bm25")
    filler.card = dataclasses.replace(filler.card, name="beir/other", generated=True, description="Another one.")
    filler.run("bm25")
    shown = page(task="beir/other")
    assert shown.app.selectbox(key="task").value == "beir/other"
    for words in ("Another one.", "generated data", "beir-1", "Dangling judgements", "Normalised discounted"):
        assert words in shown.text


def test_an_unknown_task_in_the_address_suggests_the_nearest(filler, page):
    filler.run("bm25")
    assert "Did you mean 'beir/tiny'?" in page(task="beir/tinny").text


def test_other_data_under_the_same_name_is_never_ranked_together(filler, page):
    filler.run("old", GOOD)
    filler.data = "b" * 64
    filler.run("new", BAD)
    assert list(page().table(RUNS)["Submission"]) == ["new"]


def test_a_new_result_appears_without_a_restart(filler, page):
    filler.run("first")
    shown = page()
    filler.run("second")
    shown.app.run()
    assert sorted(shown.table(RUNS)["Submission"]) == ["first", "second"]


def test_opening_a_run_leads_to_its_page(filler, page):
    key = filler.run("bm25")
    shown = page()
    chooser = next(box for box in shown.app.selectbox if box.label == "Open a run")
    chooser.select_index(0).run()
    assert not shown.app.exception
    assert f"run {key}" in shown.text


@pytest.mark.parametrize("name, as_shown", list(zip(HOSTILE, SHOWN, strict=True)))
def test_a_hostile_name_is_shown_as_text(filler, page, name, as_shown):
    filler.run(name)
    filler.card = dataclasses.replace(filler.card, name=name, description=name, licence=name)
    filler.run(name)
    shown = page(task=as_shown)
    assert list(shown.table(RUNS)["Submission"]) == [as_shown]
    assert as_shown in shown.chart
    assert as_shown in shown.text
    assert not shown.app.markdown
    for element in shown.app.get("html"):
        assert "<script" not in element.proto.body
        assert "<img" not in element.proto.body


def test_a_formula_leaves_as_text_in_the_download():
    saved = csv(frame([{"Submission": "=1+1", "Marks": ["@own"], "nDCG@10": -0.5}])).decode()
    assert saved.splitlines()[1] == "'=1+1,'@own,-0.5"


def test_an_empty_database_says_what_to_run(filler, page):
    from harness.store import open_database

    open_database(str(filler.path), create=True).close()
    shown = page()
    assert "There are no results yet" in shown.text
    assert "harness eval" in shown.app.code[0].value


def test_a_missing_database_says_what_to_run(page):
    shown = page()
    assert "There is no database" in shown.text
    assert "harness eval" in shown.app.code[0].value


def test_a_file_that_is_no_database_says_so(filler, page):
    filler.path.write_text("this is not a database, however long one reads it " * 100)
    assert "not a database" in page().text


def test_the_app_loads_neither_models_nor_the_loop():
    imports = "import sys, leaderboard.app, leaderboard.board, leaderboard.run_page; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=True).stdout.split()
    assert "leaderboard.examples" in loaded
    assert not {"torch", "transformers", "harness.loop", "tasks"} & set(loaded)


def test_a_file_that_answers_a_part_of_the_task_has_no_rank(filler, page):
    filler.run("whole file", BAD, observes_cost=False)
    filler.run("half a file", Failure("unanswered"), observes_cost=False)
    filler.run("a model that fails", Failure("out of memory"))
    table = page().table(RUNS).set_index("Submission")
    assert table["Rank"].isna().to_dict() == {"whole file": False, "half a file": True, "a model that fails": False}
    assert list(table.loc["half a file", "Marks"]) == ["0.0% answered"]
    shown = page(file="frontier_page.py", over="beir/tiny")
    assert "half a file" not in list(shown.table("Submissions within")["Submission"])
