"""What a command runs: every task that is named, each once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    file = tmp_path / "random.yaml"
    file.write_text("name: chance\nmodel:\n  kind: random\n")
    return file


def write_books(folder: Path, *titles: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": title, "title": title, "text": "a book"} for title in titles]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": titles[0]}))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\nq1\t{titles[0]}\t1\n")
    return folder


def test_two_folders_of_one_name_both_run_and_are_told_apart(
    command: Command, submission: Path, tmp_path: Path
) -> None:
    first = write_books(tmp_path / "a" / "books", "emma", "moby")
    second = write_books(tmp_path / "b" / "books", "walden", "dune", "ulysses")
    ended = command("eval", submission, "--task", f"beir:{first}", "--task", f"beir:{second}", "--json")
    assert ended.code == 0
    rows = [row for outcome in json.loads(ended.out) for row in outcome["results"]]
    assert {row["task"] for row in rows} == {"beir:books"}
    assert {row["facts"]["documents"] for row in rows} == {2, 3}
    shown = command("results").out
    labels = {f"beir:books ({row['task_digest'][:6]})" for row in rows}
    assert len(labels) == 2
    assert all(label in shown for label in labels)


def test_a_folder_named_twice_runs_once(command: Command, submission: Path, tmp_path: Path) -> None:
    write_books(tmp_path / "books", "emma", "moby")
    ended = command("eval", submission, "--task", "beir:books", "--task", "beir:./books", "--json")
    assert {outcome["run"] for outcome in json.loads(ended.out)} == {json.loads(ended.out)[0]["run"]}
    assert re.search(r"^beir:books  ", command("results").out, re.MULTILINE), "a name of its own needs no digest"


def test_what_takes_hours_runs_only_where_it_is_named(command: Command, submission: Path) -> None:
    needle = Path(__file__).parent.parent / "submissions" / "needle-lookup.yaml"
    checked = json.loads(command("check", needle, "--json").out)
    single = [f"needle/single/{pairs}" for pairs in (2, 4, 8, 12, 25)]
    assert [task["task"] for task in checked["tasks"]] == [*single, "needle/threading-small"]
