"""The main job as a user meets it: `harness serve`, a real browser, the board, a run, a query."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from harness import registry
from harness.contract import Ranking
from harness.reference.published import ReportedScore
from harness.store import open_database, reports
from tests.leaderboard.serving import served, tick_row

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
_LOCAL = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
_GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
_BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
_SENT = ReportedScore(
    "beir/tiny", "theirs", "nDCG@10", 0.65, 2, "theirs.json", verification="self-reported", kind="", digest="d" * 64
)
_HOSTILE = "<img src=x onerror=document.title='owned'> ![x](http://example.com/beacon.png)"


@pytest.fixture
def board(filler: Any) -> Iterator[tuple[str, str]]:
    """A served database with a good and a hostile submission, and between them a self-reported score.

    Gives the board's address and the good run's key. Another task has more runs, so that it is the one that is shown
    where none is asked for.
    """
    key = filler.run("good", _GOOD, cpu_seconds=2.0)
    filler.run(_HOSTILE, _BAD, cpu_seconds=1.0)
    other = dataclasses.replace(filler, card=dataclasses.replace(filler.card, name="beir/other", description="Other."))
    for seed in range(3):
        other.run("good", _GOOD, seed=seed)
    database = open_database(str(filler.path), create=False)
    reports.add(database, "theirs.json", [_SENT], replace=False)
    database.close()
    with served(filler.path) as address:
        yield address, key


def test_from_the_board_to_a_run_to_a_query_and_back(board: tuple[str, str], tab: Any, tmp_path: Path) -> None:
    address, key = board
    requested: list[str] = []
    tab.on("request", lambda request: requested.append(request.url))
    tab.goto(f"{address}/board?task=beir/tiny")

    tab.get_by_text("Three documents.").wait_for()
    assert tab.title() == "Tasks · Equal Footing"
    assert "task=beir/tiny" in tab.url
    tab.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
    table = tab.get_by_test_id("stDataFrame").first
    for cell in ("good", "0.6400 – 0.7400", _HOSTILE):
        table.locator("canvas td", has_text=cell).wait_for(state="attached")
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Download CSV").click()
    saved.value.save_as(tmp_path / "board.csv")
    assert "good" in (tmp_path / "board.csv").read_text()

    tick_row(table, 1)
    tab.get_by_text("theirs was made elsewhere: theirs.json").wait_for()
    tick_row(table, 0)
    tab.get_by_role("heading", name="good", exact=True).wait_for()
    tab.go_back()
    tab.get_by_text("Three documents.").wait_for()
    tab.wait_for_url(lambda url: "task=beir/tiny" in unquote(url) and "run=" not in url)

    tick_row(table, 0)
    tab.get_by_role("heading", name="good", exact=True).wait_for()
    assert f"run={key}" in tab.url
    assert tab.title() == "good on beir/tiny · Equal Footing"
    tab.get_by_text("How this number was made").wait_for()

    tick_row(tab.locator(".st-key-examples"), 0)
    tab.get_by_role("heading", name="Example q1").wait_for()
    assert "example=q1" in tab.url
    tab.get_by_text("what is first?", exact=True).last.wait_for()
    tab.get_by_text("Relevant, but not in the list").wait_for()

    tab.goto(tab.url)
    tab.get_by_role("heading", name="Example q1").wait_for()
    tab.get_by_role("link", name="Board").click()
    tab.get_by_text("Three documents.").wait_for()

    assert tab.get_by_test_id("stException").count() == 0
    assert [url for url in requested if not url.startswith(_LOCAL)] == []


def test_from_the_board_to_the_averages_to_a_run(filler: Any, tab: Any) -> None:
    filler.card = dataclasses.replace(filler.card, name="beir/nfcorpus")
    key = filler.run("good", _GOOD)
    for forum in registry.suite("beir/cqadupstack").tasks():
        filler.card = dataclasses.replace(filler.card, name=forum)
        filler.run("good", _BAD)
    with served(filler.path) as address:
        tab.goto(f"{address}/board?task=beir/nfcorpus")
        tab.get_by_role("link", name="Averages over data sets").click()
        tab.get_by_text("All 18 zero-shot collections").wait_for()
        assert "suite=beir%2F18" in tab.url or "suite=beir/18" in tab.url
        table = tab.get_by_test_id("stDataFrame")
        for cell in ("2 of 18", "good", "0.6900"):
            table.locator("canvas td", has_text=cell).first.wait_for(state="attached")

        # The table is a canvas, so its cells are found by place: nfcorpus and cqadupstack are left of the marks.
        canvas = table.locator("canvas").first
        canvas.click(position={"x": 700, "y": 50}, force=True)
        tab.get_by_role("heading", name="good", exact=True).wait_for()
        assert f"run={key}" in tab.url
        tab.go_back()
        tab.get_by_text("All 18 zero-shot collections").wait_for()
        tab.wait_for_url(lambda url: "suite=beir/18" in unquote(url) and "run=" not in url)

        tab.goto(f"{address}/suite?suite=beir/18")
        table.locator("canvas td", has_text="2 of 18").first.wait_for(state="attached")
        canvas.click(position={"x": 805, "y": 50}, force=True)
        tab.get_by_text("The twelve forums of CQADupStack.").wait_for()
        table.locator("canvas td", has_text="12 of 12").first.wait_for(state="attached")
        assert tab.get_by_test_id("stException").count() == 0
