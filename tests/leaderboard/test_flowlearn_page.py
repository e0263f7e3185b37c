"""What the board shows of a flowchart: graphs that cannot be mistaken for syntax, and only pictures that it knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from leaderboard.families.flowlearn import Graph, chart_picture, difference, dot, quoted
from tasks.flowlearn.generated import TEST_SEED
from tasks.flowlearn.generator import draw
from tasks.flowlearn.questions import question_id

if TYPE_CHECKING:
    from tests.leaderboard.conftest import Filler, Page


def test_a_picture_is_shown_only_with_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "chart.png"
    Image.new("RGB", (4, 3)).save(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    shown = chart_picture(str(file), digest)
    assert shown is not None
    assert shown.size == (4, 3)
    assert chart_picture(str(file), "0" * 64) is None
    assert chart_picture(str(file), "") is None
    assert chart_picture("", digest) is None
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    assert chart_picture(str(secret), hashlib.sha256(b"key").hexdigest()) is None, "no picture at all"


def test_labels_are_never_syntax() -> None:
    assert quoted('a"];b') == '"a\\"];b"'
    assert quoted("a\\") == '"a\\\\"'
    assert dot(['x"];y', "z"], [('x"];y', "z")]).count("->") == 1


def test_the_difference_colours_what_is_missing_and_too_much() -> None:
    drawn = difference(Graph(["A", "b"], [("a", "b")]), Graph(["a", "B", "c"], [("b", "a")]))
    lines = {line.partition(" [")[0]: line for line in drawn.splitlines()}
    assert "2E7D32" in lines["n0"] and "2E7D32" in lines["n1"]
    assert "EF6C00" in lines["n2"]
    assert "dashed" in lines["n0 -> n1"]
    assert "EF6C00" in lines["n1 -> n0"]


def test_runs_are_held_against_each_other_on_the_same_charts(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    sizes = {drawn.key: len(drawn.chart.nodes) for drawn in draw(TEST_SEED, 200)}
    folder = filler.path.parent
    for name, said in (("counts", lambda size: size), ("fives", lambda size: 5)):
        ids = {key: question_id("generated graphviz", "num-nodes", key) for key in sizes}
        lines = (json.dumps({"id": ids[key], "text": str(said(size))}) for key, size in sizes.items())
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
        (folder / f"{name}.yaml").write_text(f"name: {name}\nmodel: {{kind: replay, path: {name}.jsonl}}\n")
        command("eval", folder / f"{name}.yaml", "--task", "flowlearn/generated/num-nodes", "--db", filler.path)
    shown = page(task="flowlearn/generated/num-nodes")
    fives = sum(size == 5 for size in sizes.values()) / len(sizes)
    (row,) = shown.table("The best run against the others").to_dict("records")
    assert (row["Against"], row["Verdict"], row["n"]) == ("fives", "better", 200)
    assert row["Difference"] == pytest.approx(1 - fives)
    shares = shown.table("Right answers with intervals").to_dict("records")
    assert [share["Submission"] for share in shares] == ["counts", "fives"]
    assert shares[0]["From"] < 1, "Wilson's interval has a width at 1"
