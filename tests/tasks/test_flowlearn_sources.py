"""FlowLearn's own folders are read, what is missing or broken is named, and what contradicts the chart is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.contract import Places, Prompt
from harness.errors import DataError

CODE = "```mermaid\nflowchart TB\nentity0(a b)\nentity1(c)\nentity0 --> entity1\n```"
ITEM: dict[str, Any] = {
    "Num_Nodes": 2,
    "Num_Arrows": 1,
    "ocr": "a b",
    "Flowchart-to-Mermaid": CODE,
    "Flowchart-to-Description": "a b points to c. ",
    "Arrow_AtoB": {"true": {"a": "a b", "b": "c"}, "false": {"a": "c", "b": "a b"}},
    "Arrow_betweenAB": {"true": {"a": "a b", "b": "c"}, "false": {"a": "c", "b": "a b"}},
}


def official(places: Places, items: Any) -> Path:
    test = places.data / "flowlearn/SimFlowchart/word/VQA/test.json"
    test.parent.mkdir(parents=True)
    test.write_text(items if isinstance(items, str) else json.dumps(items))
    return test


def load(kind: str, places: Places, subset: str = "sim-word") -> Any:
    return registry.task(f"flowlearn/{subset}/{kind}").load(places)


def test_official_charts_are_asked_about(places: Places) -> None:
    images = official(places, {"1.jpeg": ITEM}).parent.parent / "images"
    images.mkdir()
    (images / "1.jpeg").write_bytes(b"picture")
    workload = load("num-nodes", places)
    (example,) = workload.examples
    assert isinstance(example.input, Prompt)
    assert example.input.images[0].read_bytes() == b"picture"
    assert workload.scorer.gold(example.id)["answer"] == "2"
    assert workload.facts["without_image"] == 0
    assert example.groups == {"question": "num-nodes", "direction": "TB", "nodes": "3-5", "style": "solid"}


def test_a_label_that_its_chart_contradicts_is_counted(places: Places) -> None:
    official(places, {"1.jpeg": ITEM})
    workload = load("between", places)
    assert workload.facts["contradicted"] == 1
    (table,) = workload.audit.values()
    assert {row["kind"]: row["contradicted"] for row in table} == {"is-true-between": 0, "is-false-between": 1}
    assert load("a-to-b", places).facts["contradicted"] == 0


def test_missing_images_are_named(places: Places) -> None:
    official(places, {"1.jpeg": ITEM})
    (note,) = load("num-nodes", places).notes
    assert "1 of 1 images are missing" in note
    assert "images/1.jpeg" in note


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        ("num-nodes", "word/images"),
        ("num-nodes", "images/mermaid_word/jpeg"),
        ("ocr", "word_TextOCR/images"),
        ("ocr", "images/word_TextOCR/images"),
    ],
)
def test_images_lie_as_on_the_hub_or_as_its_code_reads_them(kind: str, folder: str, places: Places) -> None:
    home = official(places, {"1.jpeg": ITEM}).parent.parent.parent
    (home / folder).mkdir(parents=True)
    (home / folder / "1.jpeg").write_bytes(b"picture")
    assert load(kind, places).facts["without_image"] == 0


def test_labels_with_quotes_in_them(places: Places) -> None:
    code = CODE.replace("a b", "don't 'stop' and node")
    sides = {"true": {"a": "don't 'stop' and node", "b": "c"}, "false": {"a": "c", "b": "don't 'stop' and node"}}
    official(places, {"1.jpeg": ITEM | {"Flowchart-to-Mermaid": code, "Arrow_AtoB": sides}})
    assert load("a-to-b", places).facts["contradicted"] == 0


def test_a_chart_without_a_question_is_passed_over(places: Places) -> None:
    without = {name: value for name, value in ITEM.items() if name not in ("ocr", "Arrow_AtoB")}
    official(places, {"1.jpeg": without, "2.jpeg": ITEM})
    assert len(load("ocr", places).examples) == len(load("is-true-a-to-b", places).examples) == 1


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        ({"1.jpeg": 3}, "expected an object"),
        ({"../../x": ITEM}, "no name of an image"),
        ({"1.jpeg": ITEM | {"Flowchart-to-Mermaid": "pie"}}, "cannot be read"),
        ({"1.jpeg": ITEM | {"Arrow_AtoB": {"true": "x"}}}, "Flowchart-isTrue-AtoB cannot be read"),
        ({}, "no question of this kind"),
    ],
)
def test_broken_data_is_an_error_for_people(items: Any, said: str, places: Places) -> None:
    official(places, items)
    with pytest.raises(DataError, match=said):
        load("is-true-a-to-b", places)


def test_scientific_charts(places: Places) -> None:
    home = places.data / "flowlearn/SciFlowchart"
    home.mkdir(parents=True)
    item = {"True_Statements": ["It is so."], "False_Statements": [], "ocr": [[1, 2], ["Loss", 0.9]], "caption": "Fig."}
    (home / "test_vqa_query.json").write_text(json.dumps({"f.png": item}))
    assert load("ocr", places, "scientific").examples[0].input.images[0].path.endswith("images_ocr/f.png")
    statements = load("statements", places, "scientific")
    assert [statements.scorer.gold(e.id)["answer"] for e in statements.examples] == ["true"]
    assert load("caption", places, "scientific").lines[0].value == 1.0
    assert len(load("caption", places, "scientific-100").examples) == 1


def test_a_count_that_is_none_is_refused(places: Places) -> None:
    official(places, {"1.jpeg": ITEM | {"Num_Nodes": "many"}})
    with pytest.raises(DataError, match=r"1\.jpeg: the question Num_Nodes cannot be read"):
        load("num-nodes", places)


@pytest.mark.data
def test_real_charts_with_their_contradictions(data_root: Path, tmp_path: Path) -> None:
    here = Places(data=data_root, cache=tmp_path)
    workload = load("between", here, "textflow-100")
    assert len(workload.examples) == 200
    assert workload.facts["contradicted"] == 38
    assert workload.facts["without_image"] == 0
    assert len(load("num-nodes", here, "textflow-last-50").examples) == 50
    assert [line.value for line in workload.lines if line.kind == "floor"] == [0.5, 0.5]
