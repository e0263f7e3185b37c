"""The published answers, rescored through `replay`, give the published scores and those of the reference table."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contract import Prediction, Texts
from harness.errors import DataError
from tasks.flowlearn import published_answers
from tasks.flowlearn.questions import question_id
from tasks.flowlearn.scorer import scorer_class
from tasks.flowlearn.sources import Official

TABLE = Path(__file__).parents[2] / "harness/reference/tables/flowlearn.csv"
SETS = {"sim-word": "word", "sim-char": "char", "scientific": "scientific"}
# Where the table was made with other rules than ours; docs/flowlearn.md explains each.
EXPLAINED = {
    ("sim-word/num-arrows", "llava16-34b", "unparsed"): 0.1575,  # a number of hundreds of digits is no count here
    # A sentence ends with its line, and `The answer is:` is no part of the first label.
    ("sim-word/to-description", "claude", "node_f1"): 0.8881,
    ("sim-word/to-description", "claude", "link_f1"): 0.2487,
    ("sim-word/to-description", "qwen-vl-chat", "node_f1"): 0.1267,
    ("sim-word/to-mermaid", "deepseek-vl-7b-chat", "node_f1"): 0.3128,  # nodes out of brackets without an id
    ("sim-word/to-mermaid", "qwen-vl-chat", "node_f1"): 0.1047,
    ("sim-word/to-mermaid", "qwen-vl-chat", "link_f1"): 0.0253,
    ("sim-word/to-mermaid", "qwen-vl", "node_f1"): 0.0003,  # prose, of which words were taken for nodes
}
WHOLE = {"textflow-100": "sim-word", "scientific-100": "scientific"}
"""Where the table is about the first 100 charts, these are the charts that the answers name anyway."""


def table() -> dict[tuple[str, str, str], float]:
    with TABLE.open() as file:
        rows = [row for row in csv.DictReader(file) if "/results/" in row["source"] or " results/" in row["source"]]
    found = {}
    for row in rows:
        _, subset, kind = row["task"].split("/")
        found[f"{WHOLE.get(subset, subset)}/{kind}", row["model"], row["metric"]] = float(row["value"])
    return found


def rescored(folder: Path, data: Path) -> dict[tuple[str, str, str], float]:
    """Each metric over the examples that a file answers, as the table has it."""
    from harness.contract import Places

    found: dict[tuple[str, str, str], float] = {}
    questions: dict[tuple[str, str], Any] = {}
    names = {subset: name for name, subset in SETS.items()}
    for model, subset, kind, texts in published_answers.answers(folder):
        if (subset, kind) not in questions:
            questions[subset, kind] = Official(subset).questions(kind, Places(data=data, cache=data))
        asked = {q.id: q for q in questions[subset, kind]}
        said = {question_id(subset, kind, key): text for key, text in texts.items()}
        ids = [id for id in asked if id in said]
        scorer = scorer_class([kind])([asked[id] for id in ids])
        columns = scorer.columns(ids, {id: Prediction(id, Texts([said[id]])) for id in ids})
        for metric in scorer.metrics:
            value = float(metric.aggregate(columns, np.ones((1, len(ids))))[0])
            found[f"{names[subset]}/{kind}", model, metric.name] = value
    return found


@pytest.mark.data
def test_every_score_of_the_table_comes_out(data_root: Path) -> None:
    ours = rescored(data_root / "flowlearn/published_predictions", data_root)
    theirs = table()
    assert len(theirs) > 200
    off = {key: (ours[key], value) for key, value in theirs.items() if abs(ours[key] - value) > 0.002}
    assert set(off) == set(EXPLAINED)
    for key, value in EXPLAINED.items():
        assert ours[key] == pytest.approx(value, abs=5e-5)
    assert ours["sim-word/num-nodes", "gpt4v", "accuracy"] == 0.58
    assert ours["sim-word/ocr", "claude", "exact_match"] == 0.83


@pytest.mark.data
def test_replayed_answers_score_as_published(data_root: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    results = data_root / "flowlearn/published_predictions"
    submissions = {path.stem: path for path in published_answers.write(results, tmp_path / "published")}
    kinds = ("num-nodes", "between", "ocr")
    tasks = [part for kind in kinds for part in ("--task", f"flowlearn/textflow-100/{kind}")]
    ended = command("eval", submissions["gpt4v"], submissions["claude"], *tasks, "--data", data_root)
    assert ended.code == 0, ended.err
    shown = json.loads(command("results", "--json").out)
    said = {(row["submission"].split()[0], row["task"], row["metric"]): row["value"] for row in shown}
    assert said["gpt4v", "flowlearn/textflow-100/num-nodes", "accuracy"] == 0.58
    assert said["claude", "flowlearn/textflow-100/ocr", "exact_match"] == 0.83
    scores = {(row["task"], row["metric"]): row for row in shown if row["submission"].startswith("gpt4v")}
    between = "flowlearn/textflow-100/between"
    assert scores[between, "balanced_accuracy"]["value"] == pytest.approx((0.28 + 0.77) / 2)
    assert scores[between, "corrected_accuracy"]["value"] > 0


@pytest.mark.data
def test_answers_to_a_part_are_shown_as_such(data_root: Path, tmp_path: Path, command: Callable[..., Any]) -> None:
    results = data_root / "flowlearn/published_predictions"
    submissions = {path.stem: path for path in published_answers.write(results, tmp_path / "published")}
    ended = command("eval", submissions["gpt4v"], "--task", "flowlearn/sim-char/num-nodes", "--data", data_root)
    assert ended.code == 0, ended.err
    assert "coverage 0.5%" in ended.out, "10 of 2,000"


def answers_file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_all_kinds_of_a_model_are_in_one_file(tmp_path: Path) -> None:
    one = json.dumps({"1.jpeg": {"prediction": "7", "reference": "8"}, "2.jpeg": {"prediction": None}}).encode()
    answers_file(tmp_path / "r/SimFlowchart-word/m_Num_Nodes_2-shot.json", one)
    answers_file(tmp_path / "r/SimFlowchart-word/m_Num_Arrows_2-shot.json.gz", gzip.compress(one))
    (submission,) = published_answers.write(tmp_path / "r", tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out/m.jsonl").read_text().splitlines()]
    assert submission.name == "m.yaml"
    texts = defaultdict(list)
    for line in lines:
        texts[line["text"]].append(line["id"])
    assert len(texts["7"]) == len(texts[""]) == 2


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"a": 1}', b'{"a": {"x": 1}}'])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    answers_file(tmp_path / "SciFlowchart/m_ocr_2-shot.json", content)
    if content == b"[]":
        with pytest.raises(DataError, match="m_ocr_2-shot"):
            list(published_answers.answers(tmp_path))
    else:
        with pytest.raises(DataError, match="m_ocr_2-shot"):
            published_answers.write(tmp_path, tmp_path / "out")


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no published answers"):
        published_answers.write(tmp_path, tmp_path / "out")
