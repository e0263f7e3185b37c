"""What the board shows of a flowchart: graphs that cannot be mistaken for syntax, and only pictures that it knows."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from leaderboard.families.flowlearn import Graph, chart_picture, difference, dot, quoted


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
