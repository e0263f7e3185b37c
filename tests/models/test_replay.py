"""Replayed files: what is read from good ones, and what is said of bad ones."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from harness.contract import (
    Classes,
    Corpus,
    Example,
    Inputs,
    Output,
    Prediction,
    Prepared,
    Ranking,
    Request,
    Resources,
    Texts,
)
from harness.errors import SubmissionError
from harness.metrics.ranking import RankingScorer
from harness.models import replay
from harness.models.replay import Replay, ReplayConfig

DOCUMENTS = ["a", "b", "c", "é"]
GOOD = b"q1 Q0 a 1 2.5 tag\nq2 Q0 b 1 1 tag\n"


def resources(folder: Path, example_ids: tuple[str, ...] = ("q1", "q2", "q3")) -> Resources:
    path = folder / "corpus.jsonl"
    path.write_text("".join(f'{{"_id": "{id}"}}\n' for id in DOCUMENTS), encoding="utf-8")
    inputs = Inputs(Request(depth=1001), Corpus(str(path), len(DOCUMENTS), ""))
    return Resources(inputs, example_ids, folder, folder)


def prepared(folder: Path, content: bytes, **options: object) -> tuple[Replay, Prepared]:
    (folder / "run.txt").write_bytes(content)
    config = ReplayConfig.model_validate({"path": "run.txt"} | options, context={"folder": folder})
    model = Replay(config, seed=0)
    return model, model.prepare(resources(folder))


def answers(folder: Path, content: bytes, **options: object) -> dict[str, Output]:
    model, _ = prepared(folder, content, **options)
    return {p.id: p.output for p in model.predict([Example(id, "text") for id in ("q1", "q2", "q3")])}


def complaint(folder: Path, content: bytes, **options: object) -> str:
    with pytest.raises(SubmissionError) as refusal:
        prepared(folder, content, **options)
    assert "run.txt" in refusal.value.message
    return f"{refusal.value.message} {refusal.value.hint}"


def test_a_trec_run_answers_its_queries_and_leaves_the_others_out(tmp_path: Path) -> None:
    assert answers(tmp_path, GOOD) == {"q1": Ranking(["a"], [2.5]), "q2": Ranking(["b"], [1.0])}


def test_documents_come_in_trec_evals_order_whatever_the_ranks_say(tmp_path: Path) -> None:
    run = "q1 Q0 a 1 1.000000002 t\nq2 Q0 a 9 0 t\nq1 Q0 é 2 1.000000001 t\nq1 Q0 b 3 7 t\n".encode()
    assert answers(tmp_path, run)["q1"] == Ranking(["b", "é", "a"], [7.0, 1.000000001, 1.000000002])


def test_gzip_tabs_and_blank_lines_are_read(tmp_path: Path) -> None:
    run = gzip.compress(b"\n" + GOOD.replace(b" ", b"\t").replace(b"\n", b"\r\n\r\n"))
    assert answers(tmp_path, run) == answers(tmp_path, GOOD)


def test_json_lines_hold_every_kind_of_answer(tmp_path: Path) -> None:
    lines = b"""{"id": "q1", "ranking": [["a", 1], ["b", 2.5]]}
{"id": "q2", "label": "yes", "scores": {"yes": 0.75}}
{"id": "q3", "texts": ["one", "two"]}
"""
    assert answers(tmp_path, lines) == {
        "q1": Ranking(["b", "a"], [2.5, 1.0]),
        "q2": Classes("yes", {"yes": 0.75}),
        "q3": Texts(["one", "two"]),
    }
    assert answers(tmp_path, b'{"id": "q1", "text": ""}') == {"q1": Texts([""])}
    assert answers(tmp_path, b'{"id": "q1", "ranking": []}') == {"q1": Ranking([], [])}


RESULTS = b'{"q1": {"a": 1, "b": 2.5}, "q2": {}}'


@pytest.mark.parametrize(
    "content",
    [
        RESULTS,
        RESULTS.replace(b" ", b"\n  "),
        gzip.compress(RESULTS, mtime=0),
        b'{"mteb_model_meta": {"model_name": "m", "revision": "1"}, "default": {"test": ' + RESULTS + b"}}",
    ],
)
def test_what_beir_returns_and_mteb_saves_is_read(tmp_path: Path, content: bytes) -> None:
    assert answers(tmp_path, content) == {"q1": Ranking(["b", "a"], [2.5, 1.0]), "q2": Ranking([], [])}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"q1": {"a": 1, "a": 2}}', "query 'q1' has one of its documents a second time"),
        (b'{"q1": {"a": 1}, "q1": {"b": 2}}', "'q1' is there twice"),
        (b'{"q1": {"x": 1}}', "document 'x' of query 'q1' is not in the task's corpus"),
        (b'{"q9": {"a": 1}}', "the task does not ask query 'q9'"),
        (b'{"q1": {"a": NaN}}', "the score nan of query 'q1'"),
        (b'{"q1": {"a": 1' + b"0" * 400 + b"}}", "of query 'q1' is not a finite number"),
        (b'{"q1": {"a": "1"}, "q2": {"a": 1}}', "query 'q1' is without an object of numbers"),
        (b'{"q1": {"a": true}, "q2": {"a": 1}}', "query 'q1' is without an object of numbers"),
        (b'{"default": {"dev": {"q1": {"a": 1}}, "test": {"q1": {"a": 1}}}}', "more than one split: dev, test"),
        (b'{"de": {"test": {"q1": {"a": 1}}}, "en": {"test": {"q1": {"a": 1}}}}', "more than one subset: de, en"),
        (b'{"q1": {"a": 1},\n"q2": {"a"', "line 2, column 11: Expecting"),
        (b'{"q1": {"a": 1}, "\xff": {}}', "not JSON that can be read"),
        (b'{"q1": {"a": ' * 100_000, "not JSON that can be read"),
        (b"{}", "answers none of the task's 3 examples"),
    ],
)
def test_a_bad_object_of_results_is_refused_by_name(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in complaint(tmp_path, content)


def test_an_object_that_memory_would_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_MAX_OBJECT_BYTES", 1 << 10)
    assert "more than 1,024 bytes" in complaint(tmp_path, gzip.compress(RESULTS + b" " * 2000))


def test_queries_of_other_splits_are_passed_over_on_request_and_counted(tmp_path: Path) -> None:
    run = GOOD + b"train1 Q0 nowhere 1 1 t\ntrain1 Q0 a 2 1 t\n"
    model, facts = prepared(tmp_path, run, ignore_unknown_queries=True)
    assert facts.facts == {"answers": 2, "ignored_queries": 1}
    assert len(model.predict([Example("q1", ""), Example("q3", "")])) == 1
    assert "line 3: the task does not ask query 'train1'" in complaint(tmp_path, run)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"q1 Q0 a 1 2.5", "line 3: a TREC run has 6 columns, this line has 5"),
        (b"q1 Q0 a 1 2.5 my tag", "line 3: a TREC run has 6 columns, this line has 7"),
        (b"q1 Q0 c 1 high t", "line 3: the score 'high' is not a number"),
        (b"q1 Q0 c 1 NaN t", "line 3: the score nan of query 'q1'"),
        (b"q1 Q0 c 1 -inf t", "line 3: the score -inf of query 'q1'"),
        (b"q1 Q0 c 1 1e39 t", "line 3: the score 1e+39 of query 'q1'"),
        (b"q1 Q0 a 2 1.5 t", "line 3: query 'q1' has one of its documents a second time"),
        (b"q1 Q0 A 2 1.5 t", "line 3: document 'A' is not in the task's corpus"),
        (b"Q1 Q0 a 2 1.5 t", "line 3: the task does not ask query 'Q1'"),
        (b"q1 Q0 \xff 2 1.5 t", "line 3: not UTF-8 text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, expected: str) -> None:
    assert expected in complaint(tmp_path, GOOD + line + b"\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id": "q2"', "line 2: Input data was truncated"),
        (b'{"id": 7, "text": "x"}', "line 2: Expected `str`, got `int`"),
        (b'{"id": "q2", "txt": "x"}', "line 2: Object contains unknown field `txt`"),
        (b'{"id": "q2"}', "line 2: 'q2' has no answer"),
        (b'{"id": "q2", "text": "x", "label": "y"}', "line 2: 'q2' has label and text"),
        (b'{"id": "q1", "text": "x"}', "line 2: 'q1' is answered a second time"),
        (b'{"id": "q9", "text": "x"}', "line 2: the task does not ask query 'q9'"),
        (b'{"id": "q2", "ranking": [["a", NaN]]}', "line 2: JSON is malformed"),
        (b'{"id": "q2", "ranking": [["a", 1e39]]}', "line 2: the score 1e+39 of query 'q2'"),
        (b'{"id": "q2", "ranking": [["a", 1], ["a", 2]]}', "line 2: query 'q2' has one of its documents a"),
        (b'{"id": "q2", "ranking": [["x", 1]]}', "line 2: document 'x' is not in the task's corpus"),
        (b"q2 Q0 a 1 1 t", "line 2: JSON is malformed"),
        (b"\xff\xfe", "line 2: JSON is malformed"),
        (b"[" * 100_000, "line 2: Expected `object`, got `array`"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, line: bytes, expected: str) -> None:
    assert expected in complaint(tmp_path, b'{"id": "q1", "text": "fine"}\n' + line)


def test_the_format_can_be_insisted_on(tmp_path: Path) -> None:
    assert "line 1: JSON is malformed" in complaint(tmp_path, GOOD, format="jsonl")
    assert "line 1: a TREC run has 6 columns" in complaint(tmp_path, b'{"id": "q1"}', format="trec")


@pytest.mark.parametrize("content", [b"", b"\n \n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "is empty" in complaint(tmp_path, content)


def test_a_file_for_another_task_is_refused_even_when_strangers_are_ignored(tmp_path: Path) -> None:
    run = b"other Q0 a 1 1 t\n"
    assert "answers none of the task's 3 examples" in complaint(tmp_path, run, ignore_unknown_queries=True)


def test_binary_garbage_is_refused(tmp_path: Path) -> None:
    assert "line 1" in complaint(tmp_path, bytes(range(256)) * 64)


@pytest.mark.parametrize("content", [gzip.compress(GOOD * 50, mtime=0)[:-20], b"\x1f\x8b\x08\x00 not really"])
def test_a_broken_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "cannot read" in complaint(tmp_path, content)


def test_a_gzip_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_MAX_FILE_BYTES", 1 << 20)
    assert "1,048,576 in the (decompressed) file" in complaint(tmp_path, gzip.compress(b"\n" * (1 << 21)))


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_MAX_LINE_BYTES", 1 << 16)
    assert "line 1: more than 65,536 bytes on a line" in complaint(tmp_path, gzip.compress(b"x" * (1 << 20)))


def test_a_ranking_for_a_task_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(GOOD)
    model = Replay(ReplayConfig(path=tmp_path / "run.txt"), seed=0)
    with pytest.raises(SubmissionError, match="line 1: document 'a' is not in the task's corpus"):
        model.prepare(Resources(Inputs(), ["q1", "q2"], tmp_path, tmp_path))


def test_the_digest_is_of_the_content_and_a_missing_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_bytes(GOOD)
    assert ReplayConfig(path=tmp_path / "run.txt").artifacts() == {"path": hashlib.sha256(GOOD).hexdigest()}
    for missing in ("nothing.txt", "."):
        with pytest.raises(SubmissionError, match="there is no file"):
            ReplayConfig(path=tmp_path / missing).artifacts()


def test_a_replayed_run_passes_the_scorers_check(tmp_path: Path) -> None:
    scorer = RankingScorer({"q1": {"a": 1}, "q2": {"c": 1}}, DOCUMENTS)
    found = {id: Prediction(id, output) for id, output in answers(tmp_path, GOOD).items()}
    for prediction in found.values():
        scorer.check(prediction)
    assert scorer.columns(["q1", "q2"], found)["RR@10"].tolist() == [1.0, 0.0]
