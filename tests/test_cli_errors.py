"""Every mistake gets a sentence, what to do, and the promised exit code: 0 done, 1 a run failed, 2 bad input."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TASK = ("--task", "beir/python-docs", "--limit", "4")


Command = Callable[..., Any]
"""The fixture in conftest.py."""


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    return submission_named(tmp_path, "random")


def submission_named(folder: Path, name: str) -> Path:
    file = folder / "random.yaml"
    file.write_text(json.dumps({"name": name, "model": {"kind": "random"}}))
    return file


def assert_refused(ended: Any, *said: str) -> None:
    assert ended.code == 2
    assert ended.out == ""
    for part in said:
        assert part in ended.err
    assert len(ended.err.strip().splitlines()) > 1, "a sentence, and what to do"


def test_unknown_task_suggests_the_nearest(command: Command, submission: Path) -> None:
    assert_refused(command("eval", submission, "--task", "beir/scifcat"), "'beir/scifcat'", "'beir/scifact'")
    assert_refused(command("eval", submission, "--task", "bier:folder"), "'bier:folder'", "'beir:folder'")
    assert not Path("results.db").exists(), "nothing is made before the input is found good"


def test_unknown_model_kind_suggests_the_nearest(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text("name: typo\nmodel:\n  kind: bm52\n")
    ended = command("eval", file, *TASK)
    assert ended.code == 2
    assert f"{file}:3: model.kind" in ended.err
    assert "'bm25'" in ended.err
    assert_refused(command("models", "bm52"), "'bm52'", "'bm25'")


def test_missing_file_suggests_the_nearest(command: Command, submission: Path) -> None:
    assert_refused(command("eval", "randon.yaml", *TASK), "there is no file randon.yaml", "random.yaml")
    assert_refused(command("check", "randon.yaml"), "there is no file randon.yaml", "random.yaml")


def test_folder_instead_of_a_file(command: Command, tmp_path: Path) -> None:
    assert_refused(command("eval", tmp_path, *TASK), "is a folder", "*.yaml")


def test_one_bad_file_stops_all_before_the_first_run(command: Command, submission: Path) -> None:
    assert_refused(command("eval", submission, "missing.yaml", *TASK), "missing.yaml")
    assert not Path("results.db").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--limit", "0"],
        ["--limit", "-3"],
        ["--limit", "many"],
        ["--limit", "99999999999999999999"],
        ["--seed", "-1"],
        ["--time-limit", "0"],
        ["--memory-limit", "much"],
        ["--memory-limit", "inf"],
        ["--memory-limit", "nan"],
        ["--memory-limit", "-5M"],
        ["--memory-limit", "0"],
        ["--memory-limit", ""],
        ["--no-such-option"],
        ["--\x1b[31mred"],
    ],
)
def test_bad_option(command: Command, submission: Path, options: list[str]) -> None:
    assert_refused(command("eval", submission, *TASK, *options), "Error: ", "harness eval --help")


def test_misspelt_option_and_command_are_guessed(command: Command, submission: Path) -> None:
    assert_refused(command("eval", submission, "--limt", "3"), "--limit")
    assert_refused(command("evaluate", submission), "No such command 'evaluate'")
    assert_refused(command("eval"), "Missing argument")
    assert_terse(command("results", "--db"), "'--db' requires an argument")


@pytest.mark.parametrize("size", ["300M", "0.3G", "300MiB", "314572800", "300 mb"])
def test_sizes(command: Command, submission: Path, size: str) -> None:
    assert command("eval", submission, *TASK, "--memory-limit", size).code == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("://", "not a database URL"),
        ("nonsense://x", "nonsense"),
        ("postgresql://host:port/x", "not a database URL"),
        ("missing/folder/results.db", "does not exist"),
        ("n" * 300, "too long"),
        (".", "is a folder"),
    ],
)
def test_database_that_cannot_be(command: Command, submission: Path, url: str, said: str) -> None:
    assert_terse(command("eval", submission, *TASK, "--db", url), said)


def assert_terse(ended: Any, said: str) -> None:
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.lower().startswith("error: ")


def test_no_database_yet(command: Command) -> None:
    assert_refused(command("results"), "there is no database", "harness eval")
    assert not Path("results.db").exists()


def test_corrupt_database(command: Command, submission: Path) -> None:
    assert command("eval", submission, *TASK).code == 0
    path = Path("results.db")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    for log in ("results.db-wal", "results.db-shm"):
        Path(log).unlink(missing_ok=True)
    for broken in (b"not a database at all " * 500, whole[:4096] + os.urandom(len(whole) - 4096), whole[:6000]):
        path.write_bytes(broken)
        for arguments in (["results"], ["eval", submission, *TASK]):
            assert_refused(command(*arguments), "results.db")
        assert path.read_bytes()[:4096] == broken[:4096]


def test_results_of_an_unknown_task(command: Command, submission: Path) -> None:
    assert command("eval", submission, *TASK).code == 0
    assert_refused(command("results", "--task", "beir/python-dogs"), "'beir/python-docs'")
    assert json.loads(command("results", "--task", "beir/scifact", "--json").out) == []


def test_port_in_use(command: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(command("serve", "--port", port), f"port {port}", f"--port {port + 1}")


def test_task_that_the_model_cannot_do(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("")
    file = tmp_path / "labels.yaml"
    model = {"kind": "python", "path": "m.py:M", "offers": ["classes"]}
    file.write_text(json.dumps({"name": "labels", "model": model}))
    assert_refused(command("eval", file, *TASK, "--allow-code"), "needs ranking", "It offers classes")


def test_missing_data_says_where_to_get_it(command: Command, submission: Path, tmp_path: Path) -> None:
    assert_refused(command("eval", submission, "--task", "beir:nowhere"), "nowhere is not a folder", "corpus.jsonl")
    (tmp_path / "half" / "qrels").mkdir(parents=True)
    (tmp_path / "half" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    assert_refused(command("eval", submission, "--task", "beir:half"), "corpus.jsonl")


def test_broken_data_of_one_task_leaves_the_others(command: Command, submission: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    (half / "qrels").mkdir(parents=True)
    (half / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    (half / "queries.jsonl").write_text('{"_id": "q", "text": "what"}\n')
    (half / "corpus.jsonl").write_text('{"_id": "d", "text": "cut of')
    ended = command("eval", submission, "--task", "beir:half", *TASK)
    assert ended.code == 2
    assert "corpus.jsonl, line 1" in ended.err
    assert "random on beir/python-docs" in ended.out


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '=HYPERLINK("x")', "[bold]b[/bold]", "@SUM(1)", "naïve 日本"]
)
def test_odd_name_is_shown_as_it_is(command: Command, tmp_path: Path, name: str) -> None:
    ended = command("eval", submission_named(tmp_path, name), *TASK)
    assert ended.code == 0
    assert f"{name} on beir/python-docs" in ended.out
    assert name in command("results").out
    assert {row["submission"] for row in json.loads(command("results", "--json").out)} == {name}


@pytest.mark.parametrize("name", ["\x1b[31mred", "over\rwritten", "abc\u202edcba", "bell\x07", "nul\x00"])
def test_name_that_acts_on_a_terminal_is_refused(command: Command, tmp_path: Path, name: str) -> None:
    ended = command("eval", submission_named(tmp_path, name), *TASK)
    assert ended.code == 2
    assert "name" in ended.err


def test_arguments_are_not_acted_on_by_the_terminal(command: Command, submission: Path) -> None:
    for arguments in (
        ["eval", "\x1b[31m.yaml"],
        ["eval", submission, "--task", "\x1b[31m"],
        ["eval", submission, "--task", "beir:\x1b[31m"],
        ["models", "\x1b[31m"],
        ["\x1b[31m"],
        ["results", "--db", "\x1b[31m.db"],
        ["results", "--db", "\x1b[31m://x"],
    ):
        assert command(*arguments).code == 2


def test_reader_that_goes_away(command: Command, submission: Path, tmp_path: Path) -> None:
    """`harness results | head -0` and its like end quietly."""
    assert command("eval", submission, *TASK).code == 0
    for arguments in (["results"], ["tasks", "--json"], ["models"]):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.run(
            [sys.executable, "-m", "harness.cli", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
            check=False,
            timeout=60,
        )
        os.close(writing)
        assert process.stderr == ""
        assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_to_a_full_disk(command: Command, submission: Path, tmp_path: Path) -> None:
    assert command("eval", submission, *TASK).code == 0
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "harness.cli", "results", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
            check=False,
            timeout=60,
        )
    assert process.stderr.startswith("error: no space is left")
    assert process.returncode == 2


def test_results_can_be_printed_where_text_is_ascii(command: Command, tmp_path: Path) -> None:
    assert command("eval", submission_named(tmp_path, "naïve 日本"), *TASK).code == 0
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(
        [sys.executable, "-m", "harness.cli", "results"],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | env,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    assert b"Traceback" not in process.stderr


def test_failed_run_can_be_forgotten_and_a_finished_one_cannot(command: Command, submission: Path) -> None:
    bad = submission.with_name("bad.yaml")
    submission.with_name("empty.trec").write_text("")
    bad.write_text("name: bad\nmodel: {kind: replay, path: empty.trec}\n")
    assert command("eval", bad, submission, *TASK).code == 2
    rows = {row["submission"]: row["run"] for row in json.loads(command("results", "--json").out)}
    assert command("forget", rows["bad"]).code == 0
    assert command("forget", rows["random"]).code == 2
    assert {row["submission"] for row in json.loads(command("results", "--json").out)} == {"random"}
