"""The needle pages: curves of ours and of the paper together, limits, heat maps, and what became of answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.store import open_database
from harness.suite import entries
from leaderboard.families import needle
from tasks.needle_threading.answers import CLASSES

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
TASKS = ("--task=needle/single/2", "--task=needle/single/25", "--task=needle/threads/25")


@pytest.fixture
def ran(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "results.db"
    monkeypatch.setenv("HARNESS_DB", str(path))
    done = command("eval", SUBMISSIONS / "needle-lookup.yaml", SUBMISSIONS / "needle-last-value.yaml", *TASKS)
    assert done.code == 0, done.err
    return path


def test_every_class_of_the_scorer_has_a_colour() -> None:
    assert set(needle.OUTCOMES) == set(CLASSES)
    assert len(set(needle.OUTCOMES.values())) == len(CLASSES)


def test_a_task_shows_what_became_of_the_answers_and_the_papers_scores(ran: Path, page: Callable[..., Any]) -> None:
    opened = page(task="needle/single/25")
    alts = [chart.proto.alt for chart in opened.app.get("vega_lite_chart")]
    assert "What became of the answers of 2 runs, as shares of the questions" in alts
    table = opened.table("Runs of the task")
    assert {"needle lookup", "GPT-4o", "Claude 3 Haiku"} <= set(table["Submission"])
    strict = table.set_index("Submission")["strict_accuracy"]
    assert strict["GPT-4o"] == strict["needle lookup"] == 1, "the paper's parsing beside ours, without asking for it"
    assert "over the best floor, last value (0.0909)" in opened.text


def test_shares_are_of_all_questions(ran: Path) -> None:
    database = open_database(str(ran), create=False)
    suite = registry.suite("needle/small")
    found = entries(database, suite, suite.metrics)["accuracy"]
    by_name = {entry.submission: entry for entry in found}
    run = by_name["needle last value"].scores["needle/single/25"].run
    shares = needle.outcomes(database, run)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["right"] == pytest.approx(1 / 11)
    cells = needle.heat(database, suite, suite.metrics[0], by_name["needle last value"])
    assert set(cells["depth", "100", 2000]) == {1.0} and set(cells["depth", "0", 2000]) == {0.0}


def test_a_suite_shows_curves_limits_and_a_heat_map(ran: Path, page: Callable[..., Any]) -> None:
    opened = page(file="suite_page.py", suite="needle/threads")
    alts = [chart.proto.alt for chart in opened.app.get("vega_lite_chart")]
    assert any(alt.startswith("strict_accuracy of 6 models over the bytes") for alt in alts), alts
    assert any(alt.endswith("by direction and bytes of context") for alt in alts), alts
    limits = opened.table("Effective limits").set_index("Submission")
    assert limits.loc["needle lookup", "Contour"] == "> 2,000"
    assert limits.loc["needle last value", "Sizes"] == "1 of 12"
    assert "its own haystacks" in opened.text
