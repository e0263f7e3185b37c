"""Bad data in BEIR layout, as the command line meets it: refused or reported by file and line, never a traceback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.beir.jsonl import LONGEST_LINE_BYTES

Command = Callable[..., Any]
CORPUS = [
    {"_id": "d1", "title": "Wings", "text": "Lift of a wing."},
    {"_id": "d2", "title": "Bodies", "text": "Drag of a body."},
]
QUERIES = [{"_id": "q1", "text": "lift"}, {"_id": "q2", "text": "drag"}]
HEADER = "query-id\tcorpus-id\tscore\n"
QRELS = HEADER + "q1\td1\t2\nq2\td2\t1\n"


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(lines(CORPUS))
    (folder / "queries.jsonl").write_text(lines(QUERIES))
    (folder / "qrels" / "test.tsv").write_text(QRELS)
    (tmp_path / "bm25.yaml").write_text("name: bm25\nmodel: {kind: bm25}\n")
    return folder


def refused(command: Command, folder: Path, *expected: str) -> None:
    """The run is refused with exit code 2, in words that hold all of these, and no run is left behind."""
    ended = command("eval", "bm25.yaml", "--task", "beir:mine")
    assert ended.code == 2, ended.err
    said = " ".join(ended.err.split())
    for words in expected:
        assert words in said, said
    assert command("results", "--json").out.strip() in ("", "[]")


def noted(command: Command, folder: Path, *expected: str, value: float | None = None) -> dict[str, Any]:
    """The run is made, with these words in a note; returns the facts that are stored with it."""
    ended = command("eval", "bm25.yaml", "--task", "beir:mine")
    assert ended.code == 0, ended.err
    notes = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    assert bool(notes) == bool(expected)
    for words in expected:
        assert any(words in note for note in notes), notes
    (row,) = [row for row in json.loads(command("results", "--json").out) if row["metric"] == "nDCG@10"]
    if value is not None:
        assert row["value"] == pytest.approx(value)
    facts: dict[str, Any] = row["facts"]
    return facts


# --- The corpus and the queries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"_id": "%s1", "text": "again"}', "line 3: the id '%s1' is there twice, first on line 1"),
        ('{"_id": "", "text": "x"}', "line 3: the id is empty"),
        ('{"text": "x"}', "line 3: Object missing required field `_id`"),
        ('{"_id": null, "text": "x"}', "line 3: Expected `str`, got `null` - at `$._id`"),
        ('{"_id": "x", "text": 7}', "line 3: Expected `str`, got `int` - at `$.text`"),
        ('{"_id": "x", "text": "cut o', "line 3: Input data was truncated"),
        ('{"_id": "x", "text": "a"} trailing', "line 3: JSON is malformed"),
        ('{"_id": "x", "text": "\\ud800"}', "line 3: "),
        ('["x"]', "line 3: Expected `object`, got `array`"),
    ],
)
def test_a_broken_record_is_refused_by_line(command: Command, folder: Path, name: str, line: str, fault: str) -> None:
    letter = name[0].replace("c", "d")
    with (folder / name).open("a") as file:
        file.write(line.replace("%s", letter))
    refused(command, folder, f"{folder / name}, {fault.replace('%s', letter)}")


def test_bytes_that_are_no_text_are_refused_by_line(command: Command, folder: Path) -> None:
    with (folder / "corpus.jsonl").open("ab") as file:
        file.write(b'{"_id": "x", "text": "\xff"}\n')
    refused(command, folder, f"{folder}/corpus.jsonl, line 3: ")


def test_a_corpus_that_is_one_large_array_is_refused_before_it_fills_the_memory(command: Command, folder: Path) -> None:
    with (folder / "corpus.jsonl").open("wb") as file:
        file.write(b"[")
        file.seek(LONGEST_LINE_BYTES)  # a hole, which takes no disk
        file.write(b"]")
    refused(command, folder, "corpus.jsonl, line 1 is longer than 64 MiB", "one large array")


def test_an_empty_corpus_is_refused(command: Command, folder: Path) -> None:
    (folder / "corpus.jsonl").write_text("\n")
    refused(command, folder, f"{folder}/corpus.jsonl holds no documents")


def test_a_compressed_file_is_refused_with_the_command_that_unpacks_it(command: Command, folder: Path) -> None:
    packed = gzip.compress((folder / "corpus.jsonl").read_bytes())
    (folder / "corpus.jsonl").write_bytes(packed)
    refused(command, folder, "corpus.jsonl is compressed (gzip)", "gunzip < ")
    (folder / "corpus.jsonl").rename(folder / "corpus.jsonl.gz")
    refused(command, folder, "no corpus.jsonl", f"gunzip --keep {folder}/corpus.jsonl.gz")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize("rendering", ["windows line ends", "byte-order mark", "both, and blank lines"])
def test_other_renderings_of_the_same_records_score_the_same(
    command: Command, folder: Path, name: str, rendering: str
) -> None:
    text = (folder / name).read_text()
    if rendering != "byte-order mark":
        text = text.replace("\n", "\r\n")
    if rendering != "windows line ends":
        text = "\ufeff" + text
    if rendering.endswith("blank lines"):
        text = text.replace("\r\n", "\r\n\r\n \r\n")
    (folder / name).write_bytes(text.encode())
    noted(command, folder, value=1.0)


def test_documents_without_title_are_counted_and_the_first_is_named(command: Command, folder: Path) -> None:
    (folder / "corpus.jsonl").write_text(lines([*CORPUS, {"_id": "d3", "text": "Untitled."}, {"_id": "d4"}]))
    facts = noted(
        command,
        folder,
        f"{folder}/corpus.jsonl, line 3: no title; 2 of 4 documents have none",
        f"{folder}/corpus.jsonl, line 4: neither title nor text; 1 of 4 documents have neither",
    )
    assert (facts["documents_without_title"], facts["documents_without_text"]) == (2, 1)


def test_a_collection_without_any_titles_is_nothing_odd(command: Command, folder: Path) -> None:
    untitled = [{"_id": record["_id"], "text": record["text"]} for record in CORPUS]
    (folder / "corpus.jsonl").write_text(lines(untitled))
    assert "documents_without_title" not in noted(command, folder, value=1.0)


def test_a_query_without_text_is_counted_and_named(command: Command, folder: Path) -> None:
    (folder / "queries.jsonl").write_text(lines([QUERIES[0], {"_id": "q2", "text": "  "}]))
    facts = noted(
        command, folder, f"{folder}/queries.jsonl, line 2: no text; 1 of 2 judged queries have none", value=0.5
    )
    assert facts["queries_without_text"] == 1


def test_a_query_record_without_a_text_field_is_refused(command: Command, folder: Path) -> None:
    (folder / "queries.jsonl").write_text(lines([QUERIES[0], {"_id": "q2"}]))
    refused(command, folder, "queries.jsonl, line 2: Object missing required field `text`")


# --- The judgements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (QRELS.removeprefix(HEADER), "line 1: 'q1\\td1\\t2' is neither the header"),
        ("q1\td 1\t2\n", "line 1: 'q1\\td 1\\t2' is neither the header"),
        (QRELS.replace("\t", " "), "line 1: 'query-id corpus-id score' is neither the header"),
        (QRELS + "q1\td1\n", "line 4: expected 3 columns, found 'q1\\td1'"),
        (QRELS + "q1\t\t1\n", "line 4: expected 3 columns"),
        (QRELS + "q1\td2\t0.5\n", "line 4: the score '0.5' is not a whole number"),
        (QRELS + "q1\td2\t1_0\n", "line 4: the score '1_0' is not a whole number"),
        (QRELS + "q1\td2\t٣\n", "line 4: the score '٣' is not a whole number"),
        (QRELS + "q1\td2\t\n", "line 4: expected 3 columns"),
        (QRELS + "q1\td2\t2147483648\n", "line 4: the score 2147483648 is beyond 1,000,000"),
        (QRELS + f"q1\td2\t{'9' * 5000}\n", "line 4: the score"),
        (QRELS + "q3\td1\t1\n", "line 4: judges the query 'q3', which is not in queries.jsonl (1 of 3"),
        ("q1 0 d1 2\nq2 0 d2\n", "line 2: expected 4 columns"),
    ],
)
def test_a_bad_judgement_is_refused_by_line(command: Command, folder: Path, text: str, fault: str) -> None:
    (folder / "qrels" / "test.tsv").write_text(text)
    refused(command, folder, f"{folder}/qrels/test.tsv, {fault}")


@pytest.mark.parametrize("text", [HEADER, HEADER + "\n\n"])
def test_an_empty_split_is_refused(command: Command, folder: Path, text: str) -> None:
    (folder / "qrels" / "test.tsv").write_text(text)
    refused(command, folder, "qrels/test.tsv holds no judgements", "empty split")


def test_an_empty_file_is_not_a_split(command: Command, folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("")
    refused(command, folder, "qrels/test.tsv, line 1: '' is neither the header")


def test_judgements_that_are_no_text_are_refused_by_line(command: Command, folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_bytes(QRELS.encode() + b"q1\t\xff\t1\n")
    refused(command, folder, "qrels/test.tsv, line 4 is not UTF-8 text")


@pytest.mark.parametrize("text", [QRELS.replace("\n", "\r\n"), "\ufeff" + QRELS, "q1 0 d1 2\nq2 0 d2 1"])
def test_other_renderings_of_the_same_judgements_score_the_same(command: Command, folder: Path, text: str) -> None:
    (folder / "qrels" / "test.tsv").write_bytes(text.encode())
    noted(command, folder, value=1.0)


def test_judgements_of_unknown_documents_are_counted_and_the_first_is_named(command: Command, folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text(QRELS + "q1\tgone\t2\nq2\tlost\t1\nq2\td2\t1\n")
    facts = noted(
        command,
        folder,
        f"{folder}/qrels/test.tsv, line 4: judges 'gone', which is not in the corpus; 2 of 5 judgements do",
        f"{folder}/qrels/test.tsv, line 6: judges a pair again, and the last grade counts; 1 do",
    )
    assert (facts["dangling_judgements"], facts["repeated_judgements"]) == (2, 1)


def test_a_query_to_which_nothing_is_relevant_counts_as_zero_and_is_named(command: Command, folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text(QRELS.replace("d2\t1", "d2\t-1"))
    noted(command, folder, "test.tsv: no document is relevant to 'q2'; 1 of 2 queries have none", value=0.5)


# --- The folder -----------------------------------------------------------------------------------------------------


def test_several_splits_of_other_names_ask_for_a_choice(command: Command, folder: Path) -> None:
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "old.tsv")
    (folder / "qrels" / "new.tsv").write_text(QRELS)
    refused(command, folder, "several splits and none is called test or dev: new, old", "Rename")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(command: Command, folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(command, folder, f"{folder} is not a complete BEIR folder: no {name}")
    (folder / name).mkdir()
    refused(command, folder, f"{folder} is not a complete BEIR folder: no {name}")


def test_a_path_that_is_not_there_is_named(command: Command, folder: Path) -> None:
    ended = command("eval", "bm25.yaml", "--task", "beir:mime")
    assert (ended.code, "mime is not a folder" in ended.err) == (2, True)
