"""`harness limits` says up to which size a submission's scores hold, for all that ran."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.store import open_database, read_examples

SUBMISSIONS = Path(__file__).parent.parent / "submissions"
# A model that reads 2,000 bytes and no more: the ceiling below, nothing above.
SHORT_SIGHTED = """
import json

class ShortSighted:
    def prepare(self, resources):
        pass

    def predict(self, examples):
        return [self.answer(*example.input.text.partition("\\n")[::2]) for example in examples]

    def answer(self, haystack, question):
        if len(haystack) > 5000:
            return "too much"
        return json.dumps(json.loads(haystack)[question.split('"')[1]])
"""


def test_a_long_prompt_is_shown_with_its_question(ran: Callable[..., Any], tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "results.db"), create=False)
    (run,) = [row["run"] for row in json.loads(ran("results", "--task", "needle/single/100", "--json").out)][:1]
    texts = read_examples.example_texts(database, run)
    assert all(text.startswith('{"') and text.endswith("Corresponding value: ") for text in texts)
    assert max(map(len, texts)) < 600
    assert read_examples.example_gold(database, run)[0]["haystack_bytes"] == 8000


@pytest.fixture
def ran(command: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "short.py").write_text(SHORT_SIGHTED)
    (tmp_path / "short.yaml").write_text(
        "name: short\nmodel:\n  kind: python\n  path: short.py:ShortSighted\n  offers: [texts]\n"
    )
    tasks = [f"--task=needle/single/{pairs}" for pairs in (25, 50, 100)]
    done = command("eval", "short.yaml", SUBMISSIONS / "needle-lookup.yaml", *tasks, "--allow-code")
    assert done.code == 0, done.err
    return command


def test_limits_and_coverage(ran: Callable[..., Any]) -> None:
    rows = {row["submission"]: row for row in json.loads(ran("limits", "needle/single", "--json").out)}
    short, lookup = rows["short"], rows["needle lookup"]
    assert (short["covered"], short["sizes"]) == (3, 12)
    assert short["scores"] == {"2000": 1, "4000": 1, "8000": 0}
    assert short["fixed"] == {"value": 4000, "low": 4000, "high": 4000, "text": "4,000"}
    assert 4000 < short["contour"]["value"] < 8000
    assert (lookup["fixed"]["value"], lookup["fixed"]["text"]) == (None, "> 8,000")
    shown = ran("limits", "needle/single").out
    assert "> 8,000" in shown and "3 of 12" in shown
    by_depth = json.loads(ran("limits", "needle/single", "--by", "depth", "--metric", "strict_accuracy", "--json").out)
    assert [row["group"] for row in by_depth if row["submission"] == "short"] == [str(d) for d in range(0, 101, 10)]
    assert {row["fixed"]["text"] for row in by_depth if row["submission"] == "short"} == {"4,000"}
    for arguments, message in [
        (("needle/25",), "not sizes of one task"),
        (("needle/nothing",), "no suite"),
        (("needle/single", "--metric", "acuracy"), "accuracy"),
        (("needle/single", "--by", "dept"), "depth"),
    ]:
        refused = ran("limits", *arguments)
        assert refused.code == 2
        assert message in refused.err
    assert "No results" in ran("limits", "needle/branched").out
