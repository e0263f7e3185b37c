"""Code search on the board: which protocol a score is of, what ties make of it, and whether the data leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import registry
from harness.contract import Places
from leaderboard.families import codesearchnet

if TYPE_CHECKING:
    from tests.leaderboard.conftest import Filler, Page


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("codesearchnet/cosqa", "not with MTEB's"),
        ("codesearchnet/csn99-pooled/go", "this pool only"),
        ("codesearchnet/csn99-pooled/go/masked", "this variant only"),
        ("codesearchnet/cosqa/no-docs", "this variant only"),
        ("codesearchnet/stdlib", "no published protocol"),
        ("codesearchnet:mine", "no published protocol"),
    ],
)
def test_it_says_what_a_score_compares_with(task: str, said: str) -> None:
    assert said in codesearchnet.compares_with(task)


def test_every_task_says_it() -> None:
    for task in registry.tasks():
        if task.card.family == "codesearchnet":
            assert codesearchnet.compares_with(task.card.name).startswith("Compare with ")


def record(name: str, words: str) -> str:
    code = f'def {name}(a):\n    """{words}"""\n    b = a\n    return b\n'
    return json.dumps({"code": code, "docstring_tokens": words.split(), "url": name, "language": "python"})


def test_a_real_run_shows_ties_and_leaks(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    """Two functions that the query cannot tell apart: one order is right, one is wrong."""
    folder = filler.path.parent
    lines = [record("one", "give the number back"), record("two", "give the number away"), record("six", "shut it all")]
    (folder / "mine.jsonl").write_text("\n".join(lines))
    (folder / "it.yaml").write_text("name: it\nmodel: {kind: bm25}\n")
    (folder / "floor.yaml").write_text("name: floor\nmodel: {kind: random}\n")
    for file in ("it.yaml", "floor.yaml"):
        command("eval", folder / file, "--task", f"codesearchnet:{folder / 'mine.jsonl'}", "--db", filler.path)
    shown = page(task="codesearchnet:mine")
    assert "Compare with runs on this task only" in shown.text
    table = shown.table("RR of each run with the best and worst order of ties")
    rows = {row["Submission"]: row for row in table.to_dict("records")}
    assert rows["it"]["RR"] == 0
    assert rows["it"]["Ties for it"] == 1, "nothing was found, so it might have been first"
    assert rows["floor"]["RR"] == rows["floor"]["Ties for it"] == rows["floor"]["Ties against it"]
    assert any("order of ties alone moves it" in warning.value for warning in shown.app.warning)
    assert "Leaks" in shown.tables


def test_names_that_answer_are_warned_of() -> None:
    version = {"facts": {}, "audit": {"Leaks": [{"check": codesearchnet._NAMES, "share": 0.42}]}}
    (said,) = codesearchnet.warnings([], version, "RR")
    assert said.startswith("42% of the queries say every word of the name")
    version["audit"] = {"Leaks": [{"check": codesearchnet._NAMES, "share": 0.1}]}
    assert codesearchnet.warnings([], version, "RR") == []


def test_the_check_of_names_is_called_as_the_page_has_it(places: Places) -> None:
    (task,) = (task for task in registry.tasks() if task.card.name == "codesearchnet/stdlib")
    assert codesearchnet._NAMES in [row["check"] for row in task.load(places).audit["Leaks"]]


@pytest.mark.data
def test_the_challenge_shows_both_readings_and_the_floor_of_each(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page], data_root: Path
) -> None:
    submission = filler.path.parent / "floor.yaml"
    submission.write_text("name: floor\nmodel: {kind: random}\n")
    task = "codesearchnet/csn99-pooled/ruby"
    command("eval", submission, "--task", task, "--data", data_root, "--db", filler.path)
    shown = page(task=task)
    (row,) = shown.table("NDCG of each run with and without").to_dict("records")
    assert set(row) == {"Submission", "nDCG_all", "nDCG_within", "Judged@10"}
    assert "nDCG_within 0.0" in shown.text, "the floor of the second reading"
