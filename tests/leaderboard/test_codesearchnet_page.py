"""Code search on the board: which protocol a score is of, what ties make of it, and whether the data leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness import registry
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
