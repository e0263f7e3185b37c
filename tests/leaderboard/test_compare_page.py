"""Runs side by side: who is better, why they may differ, and on which examples."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from harness.contract import Ranking
from leaderboard import app

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])


def test_a_link_names_the_runs(filler, page):
    good, bad = filler.run("good", GOOD), filler.run("bad <b>", BAD)
    app_at = AppTest.from_file(app.__file__, default_timeout=30).run().switch_page("compare_page.py")
    app_at.query_params["task"] = "beir/tiny"
    app_at.query_params["runs"] = [good, bad]
    app_at.run()
    assert not app_at.exception
    tables = {element.proto.alt: element.value for element in app_at.dataframe}
    (row,) = tables["good against the others by nDCG@10"].to_dict("records")
    assert row["Against"] == "bad <b>"
    assert row["Difference"] > 0
    assert row["Win / tie / loss"] == "2 / 0 / 0"
    assert list(tables["What the runs do not share"]["What"]) == ["Name"]
    assert set(tables["Examples that score differently"]["Example"]) == {"q1", "q2"}


def test_nothing_chosen_and_runs_that_are_gone_are_said(filler, page):
    filler.run("good", GOOD)
    assert "Choose two runs or more" in page(file="compare_page.py").text
    assert "Choose two runs or more" in page(file="compare_page.py", task="beir/tiny", runs="0123456789ab").text
