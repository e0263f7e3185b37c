"""Which is the best within limits, and is it really better than the next?"""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from harness.contract import Ranking
from leaderboard import app

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])


def frontier(**address: str) -> tuple[list[dict[str, Any]], str]:
    page = AppTest.from_file(app.__file__, default_timeout=30)
    for name, value in address.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    (table,) = [one.value for one in page.dataframe if one.proto.alt.startswith("Submissions within")] or [None]
    return ([] if table is None else table.to_dict("records")), " ".join(e.proto.body for e in page.get("html"))


def test_a_limit_on_cost_takes_out_what_is_slower(filler, page) -> None:
    filler.run("good and slow", GOOD, cpu_seconds=50.0)
    filler.run("poor and quick", BAD, cpu_seconds=1.0)
    rows, said = frontier(over="beir/tiny", cost=costs_label("cpu"))
    assert [row["Submission"] for row in rows] == ["good and slow", "poor and quick"]
    assert [row["Pareto-best"] for row in rows] == ["✓", "✓"]
    assert "Against the next, poor and quick" in said
    rows, said = frontier(over="beir/tiny", cost=costs_label("cpu"), ms="10.0")
    assert [row["Submission"] for row in rows] == ["poor and quick"]
    rows, said = frontier(over="beir/tiny", cost=costs_label("cpu"), ms="0.5")
    assert not rows and "Nothing is within these limits" in said


def test_a_limit_on_memory(filler, page) -> None:
    filler.run("fifty megabytes", GOOD)
    assert [row["Memory (MB)"] for row in frontier(over="beir/tiny", mb="60.0")[0]] == [50]
    assert not frontier(over="beir/tiny", mb="40.0")[0]


def test_an_address_of_when_the_board_was_the_landing_page_leads_to_the_board(filler, page) -> None:
    filler.run("good", GOOD)
    shown = AppTest.from_file(app.__file__, default_timeout=30)
    shown.query_params["task"] = "beir/tiny"
    shown.run()
    assert [one.proto.alt for one in shown.dataframe] == ["Runs of the task, best nDCG@10 first"]


def costs_label(basis: str) -> str:
    """The address holds the label of a choice."""
    from leaderboard.costs import BASES

    return BASES[basis]
