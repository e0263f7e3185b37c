"""`harness code-style` computes CSSim for a file of pairs, by both definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import DataError
from harness.metrics.code_style import CodeStyle
from harness.source_code import style_command

SUM = "def f(numbers):\n    total = sum(numbers)\n    return total\n"
MOST = "def g(values):\n    größe = max(values)\n    return größe\n"


def written(path: Path, *pairs: Any) -> str:
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return str(path)


def test_pairs_of_a_file_are_compared_by_both_definitions(tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.jsonl", {"code": SUM, "other": MOST, "id": "mine"}, {"code": SUM, "other": SUM})
    result = CliRunner().invoke(cli, ["code-style", file, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    for definition in ("paper", "repo"):
        styles = CodeStyle([(SUM, MOST), (SUM, SUM)], "python", definition).styles()
        assert [row[definition] for row in found["each"]] == pytest.approx([style.similarity for style in styles])
        assert found[definition]["similarity"] == pytest.approx(sum(style.similarity for style in styles) / 2)
    assert [row["id"] for row in found["each"]] == ["mine", 1]


def test_code_that_does_not_parse_is_compared_and_counted(tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.jsonl", {"code": SUM, "other": "def f(:\n x ="})
    shown = CliRunner().invoke(cli, ["code-style", file, "--each"])
    assert "1 codes do not parse whole" in shown.output
    assert "paper" in shown.output and "repo" in shown.output


@pytest.mark.parametrize(
    ("content", "fault"),
    [("", "holds no pairs"), ('{"code": "x"}\n', "line 1"), ('{"code": 1, "other": "x"}\n', "line 1")],
)
def test_a_file_without_pairs_is_named(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(content)
    with pytest.raises(DataError, match=fault):
        style_command.run(tmp_path / "pairs.jsonl", language="python", each=False, as_json=False)
