"""The examples of a run: a page of them at a time, words among all, and one by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.store import open_database, read_examples
from tests.leaderboard.conftest import GOOD

MANY = {f"q{n}": f"Question {n}, Straße" for n in range(2450)}


@pytest.fixture
def long_run(filler: Any) -> str:
    """A run over three blocks of examples."""
    filler.questions = {"q1": MANY["q1"], "q2": MANY["q2"]} | MANY
    return str(filler.run("good", GOOD))


def shown_ids(shown: Any) -> list[str]:
    return list(shown.table("Scores of examples")["Example"])


def test_a_long_run_shows_a_page_and_turns_it(long_run: str, page: Callable[..., Any]) -> None:
    shown = page(file="run_page.py", run=long_run)
    assert shown_ids(shown) == ["q1", "q2", "q0", *(f"q{n}" for n in range(3, 200))]
    shown.app.number_input(key="page of 13").set_value(13).run()
    assert shown_ids(shown) == [f"q{n}" for n in range(2400, 2450)]


def test_words_are_found_on_any_page(long_run: str, page: Callable[..., Any]) -> None:
    shown = page(file="run_page.py", run=long_run)
    shown.app.text_input(key="find").set_value("question 244").run()
    assert shown_ids(shown) == ["q244", *(f"q{n}" for n in range(2440, 2450))]


def test_the_wrong_ones_alone(long_run: str, page: Callable[..., Any]) -> None:
    shown = page(file="run_page.py", run=long_run)
    everything = page(file="run_page.py", run=long_run).table("Scores of examples")
    shown.app.selectbox(key="show").set_value("highest nDCG@10 first").run()
    best = shown.table("Scores of examples")["nDCG@10"].tolist()
    assert best == sorted(best, reverse=True)
    assert best[0] == everything["nDCG@10"].max()
    shown.app.selectbox(key="show").set_value("nDCG@10 0").run()
    assert set(shown.table("Scores of examples")["nDCG@10"]) == {0.0}


def test_only_the_wanted_questions_are_read_in_any_order(long_run: str, filler: Any) -> None:
    database = open_database(str(filler.path), create=False)
    found = read_examples.example_questions(database, long_run, [2449, 0, 1000])
    assert found == [("q2449", MANY["q2449"]), ("q1", MANY["q1"]), ("q1000", MANY["q1000"])]
    assert read_examples.examples_with(database, long_run, "QUESTION 1000") == [1000]
    assert len(read_examples.examples_with(database, long_run, "STRAẞE")) == len(MANY)
    assert read_examples.examples_with(database, long_run, "nowhere") == []
    assert read_examples.example(database, long_run, "q2449").text == MANY["q2449"]
    database.close()


@pytest.mark.parametrize("asked", ["javascript:alert(1)", "no such question"])
def test_an_example_that_is_not_there_says_so(filler: Any, page: Callable[..., Any], asked: str) -> None:
    shown = page(file="run_page.py", run=filler.run("good", GOOD), example=asked)
    assert f"No example {asked!r} in this task" in shown.text
