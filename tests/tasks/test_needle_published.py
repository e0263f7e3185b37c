"""The paper's own files are read in every layout they come in, and their answers checked against their haystacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import registry
from harness.contract import Places, Prompt
from harness.errors import DataError
from tasks.needle_threading.haystack import Haystack

HAY = Haystack.drawn(0, 25)
# The README's example 5 of Single_Needle, with all of its fields.
ROW: dict[str, Any] = {
    "id": 5,
    "haystack": HAY.text,
    "keys": HAY.keys[12],
    "values": HAY.values[12],
    "question": "Extract the value corresponding to the specified key in the JSON object. "
    f'Key: "{HAY.keys[12]}"\n Corresponding value: ',
    "context_length": 2000,
    "num_kv_pairs": 25,
    "repeat_number": 0,
    "needle_depth": "50",
    "num_needles": 1,
    "needle_placement": "depthwise",
    "conditional_character": "N/A",
    "thread_length": 1,
    "thread_direction": "N/A",
    "num_threads": 0,
}


def woven() -> tuple[Haystack, tuple[str, ...]]:
    hay = Haystack.drawn(1, 25)
    return hay, hay.weave([3, 9, 4])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        parquet.write_table(arrow.Table.from_pylist(rows), path)
    else:
        text = "\n".join(map(json.dumps, rows)) if path.suffix == ".jsonl" else json.dumps(rows)
        path.write_text(text)
    return path


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_every_layout_gives_the_same_task(ending: str, tmp_path: Path, places: Places) -> None:
    path = write(
        tmp_path / f"Single_Needle.{ending}",
        [ROW, ROW | {"id": 6, "question": f'Key: "{HAY.keys[0]}"'} | {"values": HAY.values[0]}],
    )
    task = registry.task(f"needle:{path}")
    assert task.card.name == "needle:Single_Needle"
    workload = task.load(places)
    first = workload.examples[0]
    assert isinstance(first.input, Prompt)
    assert first.input.text == f"{HAY.text}\n{ROW['question']}"
    assert (first.groups["depth"], first.groups["context"]) == ("50", "2000")
    assert workload.scorer.gold(first.id)["values"] == [HAY.values[12]]
    same = registry.task(f"needle:{write(tmp_path / 'again.json', json.loads(json.dumps([ROW])))}")
    assert same.load(places).examples[0] == first


def test_lines_in_a_json_file_are_rows_too(tmp_path: Path, places: Places) -> None:
    lines, listed = tmp_path / "Single_Needle.json", tmp_path / "list" / "Single_Needle.json"
    lines.write_text(f"{json.dumps(ROW)}\n{json.dumps(ROW | {'question': HAY.keys[0], 'values': HAY.values[0]})}\n")
    listed.parent.mkdir()
    listed.write_text("[" + ",".join(lines.read_text().splitlines()) + "]")
    workloads = [registry.task(f"needle:{path}").load(places) for path in (lines, listed)]
    assert [len(workload.examples) for workload in workloads] == [2, 2]
    assert workloads[0].digest == workloads[1].digest


def test_threads_are_followed(tmp_path: Path, places: Places) -> None:
    hay, path = woven()
    row = ROW | {"haystack": hay.text, "keys": hay.keys[3], "values": list(path), "question": f'Key: "{hay.keys[3]}"'}
    row |= {"thread_length": 3, "thread_direction": "random", "num_threads": 1}
    workload = registry.task(f"needle:{write(tmp_path / 'Single_Threads.json', [row])}").load(places)
    gold = workload.scorer.gold(workload.examples[0].id)
    assert (gold["values"], gold["hops"]) == ([path[-1]], [list(path)])
    assert gold["groups"]["direction"] == "random"


def test_several_keys_are_answered_in_order(tmp_path: Path, places: Places) -> None:
    keys, values = HAY.keys[2:5], HAY.values[2:5]
    row = ROW | {"keys": keys, "values": values, "question": f"Keys: {keys}", "num_needles": 3}
    workload = registry.task(f"needle:{write(tmp_path / 'Multiple_Needles.json', [row])}").load(places)
    assert workload.scorer.gold(workload.examples[0].id)["values"] == values


def test_marked_keys_are_found(tmp_path: Path, places: Places) -> None:
    hay = Haystack.drawn(0, 25)
    hay.keys[4] = f"*{hay.keys[4][1:]}"
    row = ROW | {
        "haystack": hay.text,
        "values": str([hay.values[4]]),
        "conditional_character": "*",
        "question": "All *?",
    }
    workload = registry.task(f"needle:{write(tmp_path / 'Conditional_Needles.json', [row])}").load(places)
    assert workload.scorer.gold(workload.examples[0].id)["values"] == [hay.values[4]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": HAY.values[3]}, "row 1: by its haystack the answer is"),
        ({"haystack": HAY.text[:-3]}, "row 1: the haystack is not a JSON object"),
        ({"haystack": "[1]"}, "row 1: the haystack is not a JSON object"),
        ({"question": "What?"}, "row 1: the question names no key"),
    ],
)
def test_a_row_that_does_not_fit_is_named(change: dict[str, Any], message: str, tmp_path: Path, places: Places) -> None:
    path = write(tmp_path / "a.json", [ROW | change])
    with pytest.raises(DataError, match=message) as caught:
        registry.task(f"needle:{path}").load(places)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.json", json.dumps([ROW])[:500]),
        ("other.json", '{"a": 1}'),
        ("none.json", "[]"),
        ("missing.json", json.dumps([{"question": "?"}])),
        ("cut.parquet", "PAR1"),
        ("lines.jsonl", "{\n"),
        ("bytes.json", "\udcff"),
    ],
)
def test_a_broken_file_is_explained(name: str, content: str, tmp_path: Path, places: Places) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=name):
        registry.task(f"needle:{path}").load(places)


@pytest.mark.parametrize("name", ["nowhere.json", "text.txt"])
def test_what_is_no_file_of_the_data_set_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(DataError, match=name):
        registry.task(f"needle:{tmp_path / name}")


def test_a_huge_number_of_levels_is_no_crash(tmp_path: Path, places: Places) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(msgspec.json.encode([ROW | {"haystack": "[" * 200_000}]))
    with pytest.raises(DataError, match="row 1"):
        registry.task(f"needle:{path}").load(places)


def test_a_question_that_is_there_twice_is_asked_once(tmp_path: Path, places: Places) -> None:
    workload = registry.task(f"needle:{write(tmp_path / 'twice.json', [ROW, ROW])}").load(places)
    assert len(workload.examples) == 1
    assert workload.facts["repeated_questions"] == 1
