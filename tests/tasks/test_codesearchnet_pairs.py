"""Pairs of documentation and code: read with what is odd about them, scored with ties and copies in view."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from harness.contract import Example, Places, Prediction, Ranking, Workload
from harness.errors import DataError, InvalidPrediction
from tasks.codesearchnet import FAMILY
from tasks.codesearchnet.pair_scorer import PairScorer, Rules, Twins, metrics

SUM = 'def total(values):\n    """Add all the values up."""\n    result = 0\n    return result + sum(values)\n'
READ = 'def read_file(path):\n    """Give the text of a file."""\n    with open(path) as f:\n        return f.read()\n'


def record(code: str, documentation: str, url: str, **more: object) -> dict[str, object]:
    tokens = documentation.split()
    return {"code": code, "docstring_tokens": tokens, "url": url, "language": "python", **more}


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(
        tmp_path / "mine.jsonl",
        record(SUM, "Add all the values up .", "u1"),
        record(READ, "Give the text of a file .", "u2"),
    )


def loaded(path: Path, places: Places) -> Workload:
    return FAMILY.open(path).load(places)


def texts(workload: Workload) -> list[str]:
    assert workload.inputs.corpus is not None
    return [document.text for document in workload.inputs.corpus]


def test_a_file_of_records_is_a_task(file: Path, places: Places) -> None:
    task = FAMILY.open(file)
    workload = task.load(places)
    assert task.card.name == "codesearchnet:mine"
    assert [example.input for example in workload.examples] == ["Add all the values up .", "Give the text of a file ."]
    assert not any("Add all" in text for text in texts(workload)), "the docstring would give the answer away"


def test_ids_tell_nothing_of_the_answer(file: Path, places: Places) -> None:
    workload = loaded(file, places)
    (right,) = workload.scorer.gold(workload.examples[0].id)
    assert workload.examples[0].id[1:] != right[1:]


def test_gzip_and_folders_are_read(file: Path, places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert loaded(folder, places).digest == loaded(file, places).digest


def test_partitions_are_kept_apart(places: Places, tmp_path: Path) -> None:
    path = written(
        tmp_path / "parts.jsonl",
        record(SUM, "Add all the values up .", "u1", partition="test"),
        record(READ, "Give the text of a file .", "u2", partition="train"),
    )
    workload = loaded(path, places)
    assert (len(workload.examples), len(texts(workload))) == (1, 1)
    assert workload.inputs.train is not None
    assert [each.input for each in workload.inputs.train] == ["Give the text of a file ."]
    assert all('"""' not in each.label for each in workload.inputs.train)


def test_a_random_order_is_the_floor(file: Path, places: Places) -> None:
    (line,) = loaded(file, places).lines
    assert (line.kind, line.value) == ("floor", pytest.approx(0.75))


# --- Bad input ------------------------------------------------------------------------------------------------------


def test_records_that_lack_something_are_counted_and_named(file: Path, places: Places) -> None:
    lines = file.read_text().splitlines()
    more = [record("", "No code .", "u3"), record(SUM, "", "u4"), record(SUM, "Again .", "u1")]
    written(file, *map(json.loads, lines), *more)
    workload = loaded(file, places)
    assert len(workload.examples) == 2
    assert workload.facts["records_without_code"] == 1
    assert workload.facts["records_without_docstring"] == 1
    assert workload.facts["repeated_urls"] == 1
    assert any("line 3: no code" in note for note in workload.notes)


def test_null_is_absent_and_languages_are_told_apart(file: Path, places: Places) -> None:
    lines = file.read_text().splitlines()
    null = {"code": None, "docstring": "A null for code", "docstring_tokens": None, "url": "u3"}
    go = record("func Add(a int) int { /* adds */ return a }", "Adds one .", "u4", repo=None) | {"language": "Go"}
    rust = record("fn main() {} // doc", "Rust is not parsed .", "u5") | {"language": "Rust"}
    workload = loaded(written(file, *map(json.loads, lines), null, go, rust), places)
    assert workload.facts["records_without_code"] == 1
    assert workload.facts["codes_in_other_languages"] == 1
    assert any("'rust' is not parsed" in note for note in workload.notes)
    assert any("Add(a int)" in text and "adds" not in text for text in texts(workload)), "comments go"


def test_code_that_does_not_parse_is_kept_and_counted(file: Path, places: Places) -> None:
    lines = file.read_text().splitlines()
    written(file, *map(json.loads, lines), record("def f(:\n print 'x", "Broken one here .", "u3"))
    workload = loaded(file, places)
    assert len(workload.examples) == 3
    (row,) = [row for row in workload.audit["Cut and broken"] if row["check"] == "codes that do not parse whole"]
    assert row["count"] == 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'{"code": "x"}\n{"code": "\xff"}\n', "line 2"),
        (b'{"code": 3}\n', "line 1 is not a record"),
        (b"[1]\n", "line 1 is not a record"),
        (gzip.compress(b'{"code": "x"}\n' * 99, mtime=0)[:-9], "cut short"),
        (b"", "no queries"),
    ],
)
def test_files_that_are_no_records_are_named(tmp_path: Path, places: Places, content: bytes, fault: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=fault):
        loaded(path, places)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no records"):
        FAMILY.open(tmp_path)


# --- Leaks ----------------------------------------------------------------------------------------------------------


def test_a_docstring_that_was_left_in_is_flagged(places: Places) -> None:
    tasks = {task.card.name: task for task in FAMILY.tasks()}
    leaking = tasks["codesearchnet/stdlib/with-docs"].load(places)
    clean = tasks["codesearchnet/stdlib"].load(places)
    masked = tasks["codesearchnet/stdlib/masked"].load(places)
    assert any(note.startswith("LEAK") for note in leaking.notes)
    assert float(leaking.facts["leaking_queries"]) > 0.95
    assert not any(note.startswith("LEAK") for note in clean.notes)
    assert float(clean.facts["leaking_queries"]) < 0.02
    assert len(clean.examples) == len(leaking.examples) > 300
    named = [row["count"] for row in clean.audit["Leaks"] if "name" in str(row["check"])]
    hidden = [row["count"] for row in masked.audit["Leaks"] if "name" in str(row["check"])]
    assert named > [0] == hidden
    assert len({leaking.digest, clean.digest, masked.digest}) == 3


# --- Scores ---------------------------------------------------------------------------------------------------------


def scored(
    ranking: dict[str, float], rules: Rules, twins: dict[str, int] | None = None, **more: object
) -> dict[str, float]:
    documents = twins or {name: place for place, name in enumerate("abcd")}
    example = Example("q", "?", **more)  # type: ignore[arg-type]
    scorer = PairScorer({"q": {"a": 1}}, [example], Twins(documents, {"q": 0}), rules, 1000)
    prediction = Prediction("q", Ranking(list(ranking), list(ranking.values())))
    scorer.check(prediction)
    return {name: float(values[0]) for name, values in scorer.columns(["q"], {"q": prediction}).items()}


def test_a_tie_is_scored_on_average_with_its_bounds() -> None:
    found = scored({"b": 1.0, "a": 1.0}, Rules())
    assert found["RR@1000"] == 0.75
    assert (found["RR@1000_optimistic"], found["RR@1000_pessimistic"]) == (1, 0.5)


def test_the_proxy_puts_the_right_code_behind_its_equals() -> None:
    found = scored({"b": 1.0, "a": 1.0, "c": 0.5}, Rules(cut=None, ties="pessimistic"))
    assert (found["RR"], found["RR_expected"]) == (0.5, 0.75)


def test_copies_count_once_and_any_is_right() -> None:
    copies = {"a": 0, "b": 0, "c": 1, "d": 1}
    found = scored({"c": 4.0, "d": 3.0, "b": 2.0, "a": 1.0}, Rules(), copies)
    assert found["RR@1000"] == 0.25
    assert found["RR@1000_distinct"] == 0.5


def test_only_candidates_may_be_ranked() -> None:
    with pytest.raises(InvalidPrediction, match="not among its candidates"):
        scored({"d": 1.0}, Rules(), candidates=("a", "b"))


def test_every_protocol_says_what_it_reports() -> None:
    assert [metric.name for metric in metrics(Rules(cut=None, primary="nDCG@10"))][:2] == ["nDCG@10", "RR"]
    assert next(metric.name for metric in metrics(Rules())) == "RR@1000"
    assert all(metric.description for metric in metrics(Rules(ties="pessimistic")))
