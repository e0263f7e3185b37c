"""Kill it, stop it, fill the disk: the same command completes, and every byte is as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from sqlalchemy import Engine, event

from harness.cli import main
from harness.contract import Places
from harness.executor import LocalExecutor
from harness.loop import Settings, evaluate
from harness.registry import task
from harness.store import open_database, read
from harness.store.payload import unpack
from harness.submission import load

EXAMPLES, BATCH = 12, 2
DATABASE = "results.db"
TASK = ("--task", "beir/python-docs", "--limit", str(EXAMPLES))

MODEL = '''
import hashlib, json, os, signal, time
from pathlib import Path
from harness.contract import Prediction, Ranking

HERE = Path(__file__).parent


class Scripted:
    """Ranks by a hash; what it does beside, the file `script` says, which is no part of the model."""

    def prepare(self, resources):
        self.ids = [document.id for document in resources.corpus]
        self.calls = 0
        (HERE / "pid").write_text(str(os.getpid()))
        resources.progress(1, 2, "steps")
        self.act("prepare")
        resources.progress(2, 2, "steps")

    def predict(self, examples):
        self.calls += 1
        self.act(f"batch {examples[0].id}")
        self.act(f"call {self.calls}")
        return [Prediction(example.id, self.rank(example)) for example in examples]

    def rank(self, example):
        key = lambda id: hashlib.sha256((id + example.id).encode()).hexdigest()
        best = sorted(self.ids, key=key)[:20]
        return Ranking(best, [int(key(id)[:8], 16) / 7 for id in best])

    def act(self, point):
        script = json.loads((HERE / "script").read_text())
        match script.get(point):
            case "kill":
                (HERE / "script").write_text("{}")
                os.kill(os.getpid(), signal.SIGKILL)
            case "fill":
                (HERE / "script").write_text("{}")
                try:
                    with open(HERE / "disk" / "filler", "wb", buffering=0) as file:
                        while file.write(bytes(4096)):
                            pass
                except OSError:
                    pass
            case float() | int() as seconds:
                time.sleep(seconds)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A submission whose model does what `script` says; the current folder."""
    monkeypatch.chdir(tmp_path)
    return made(tmp_path)


def made(folder: Path) -> Path:
    (folder / "scripted.py").write_text(MODEL)
    model = {"kind": "python", "path": "scripted.py:Scripted", "offers": ["ranking"], "batch_size": BATCH}
    (folder / "scripted.yaml").write_text(json.dumps({"name": "scripted", "model": model}))
    (folder / "script").write_text("{}")
    return folder


Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process."""

    def run(db: str = DATABASE, *more: str) -> int:
        arguments = ["eval", "scripted.yaml", *more, *TASK, "--allow-code", "--db", db]
        monkeypatch.setattr("sys.argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    return run


def started(db: str = DATABASE) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    arguments = ["eval", "scripted.yaml", *TASK, "--allow-code", "--db", db]
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def fingerprint(db: str) -> dict[str, Any]:
    """All that must not depend on how often a run was interrupted."""
    with sqlite3.connect(db) as connection:

        def ask(query: str) -> list[Any]:
            return connection.execute(query).fetchall()

        payloads = [payload for (payload,) in ask("SELECT payload FROM block ORDER BY first")]
        found = {
            "predictions": [msgspec.msgpack.encode(one) for payload in payloads for one in unpack(payload)],
            "scores": ask("SELECT metric, value, ci_low, ci_high, n FROM score ORDER BY position"),
            "statistics": ask("SELECT name, payload FROM score_column ORDER BY name"),
            "run": ask("SELECT state, coverage, examples, reason, owner FROM run"),
            "intact": ask("PRAGMA integrity_check"),
        }
    connection.close()
    assert len(found["predictions"]) == EXAMPLES
    assert found["run"] == [("done", 1.0, EXAMPLES, "", "")]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The fingerprint of a run that nothing happened to."""
    folder = made(tmp_path_factory.mktemp("undisturbed"))
    run_here(folder, lambda *_: None)
    return fingerprint(str(folder / DATABASE))


def run_here(folder: Path, progress: Callable[[str, int, int, str], None]) -> None:
    class Told:
        def progress(self, phase: str, done: int, total: int, unit: str) -> None:
            progress(phase, done, total, unit)

    database = open_database(str(folder / DATABASE), create=True)
    evaluate(
        load(folder / "scripted.yaml"),
        task("beir/python-docs"),
        task("beir/python-docs").load(Places.default()),
        database=database,
        executor=LocalExecutor(),
        places=Places.default(),
        settings=Settings(limit=EXAMPLES),
        reporter=Told(),
    )
    database.close()


KILLED_AT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_resume import run_here
point = (sys.argv[3], int(sys.argv[4]))
def progress(phase, done, total, unit):
    if (phase, done) == point:
        os.kill(os.getpid(), signal.SIGKILL)
run_here(Path(sys.argv[2]), progress)
"""


@pytest.mark.parametrize(
    ("phase", "done", "stored"),
    [("prepare", 1, 0), ("predict", 0, 0), ("predict", BATCH, 1), ("predict", EXAMPLES, 6), ("score", 0, 6)],
)
def test_parent_killed(
    folder: Path, command: Command, undisturbed: dict[str, Any], phase: str, done: int, stored: int
) -> None:
    arguments = [str(Path(__file__).parent), str(folder), phase, str(done)]
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, *arguments], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    wait_for(lambda: is_dead(int((folder / "pid").read_text())))
    assert blocks() == stored
    assert shown_state(command_line("results", "--json")) == "expired"
    assert command() == 0
    assert fingerprint(DATABASE) == undisturbed
    first, *others = attempts()
    if (phase, done) == ("score", 0):
        assert (first[0], others) == ("done", []), "no worker is needed to score"
    else:
        assert first[0] == "killed"
        assert "ended without a word" in first[1]
        assert [state for state, _ in others] == ["done"] * (stored < EXAMPLES / BATCH)
    assert command() == 0, "and there is nothing left to do"
    assert len(attempts()) == 1 + len(others)


@pytest.mark.parametrize("point", ["prepare", "call 1", "call 2", "call 6"])
def test_worker_killed(
    folder: Path, command: Command, undisturbed: dict[str, Any], capfd: pytest.CaptureFixture[str], point: str
) -> None:
    (folder / "script").write_text(json.dumps({point: "kill"}))
    assert command() == 1
    assert "killed (signal 9)" in capfd.readouterr().err
    assert blocks() == (0 if point == "prepare" else int(point.split()[1]) - 1)
    assert command() == 0
    assert fingerprint(DATABASE) == undisturbed
    (failed, reason), (done, _) = attempts()
    assert (failed, done) == ("failed", "done")
    assert "signal 9" in reason


def test_killed_three_times_in_a_row(folder: Path, command: Command, undisturbed: dict[str, Any]) -> None:
    for _ in range(3):
        (folder / "script").write_text(json.dumps({"call 2": "kill"}))
        assert command() == 1
    assert blocks() == 3
    assert command() == 0
    assert fingerprint(DATABASE) == undisturbed
    assert [state for state, _ in attempts()] == ["failed"] * 3 + ["done"]


def test_ctrl_c_once_finishes_the_batch(folder: Path, command: Command, undisturbed: dict[str, Any]) -> None:
    (folder / "script").write_text(json.dumps({f"call {n}": 0.4 for n in range(2, 7)}))
    process = started()
    wait_for(lambda: blocks() == 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopping after this batch" in said
    assert "resumes" in said
    assert "Traceback" not in said
    assert 2 <= blocks() < 6, "the batch in hand was kept, and no other was begun"
    assert shown_state(command_line("results", "--json")) == "interrupted"
    (folder / "script").write_text("{}")
    assert command() == 0
    assert fingerprint(DATABASE) == undisturbed


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_stop_at_once(folder: Path, command: Command, undisturbed: dict[str, Any], signals: list[int]) -> None:
    (folder / "script").write_text(json.dumps({"call 2": 60}))
    process = started()
    assert process.stderr is not None
    wait_for(lambda: blocks() == 1)
    for number in signals[:-1]:
        process.send_signal(number)
        while "Stopping" not in process.stderr.readline():
            pass
    process.send_signal(signals[-1])
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert ("SIGTERM" if signals[-1] == signal.SIGTERM else "Ctrl-C") in said
    assert blocks() == 1
    assert is_dead(int((folder / "pid").read_text()))
    assert [state for state, _ in attempts()] == ["interrupted"]
    (folder / "script").write_text("{}")
    assert command() == 0
    assert fingerprint(DATABASE) == undisturbed


def test_ctrl_c_while_preparing_stops_at_once(folder: Path, command: Command) -> None:
    (folder / "script").write_text(json.dumps({"prepare": 60}))
    process = started()
    wait_for((folder / "pid").exists)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert shown_state(command_line("results", "--json")) == "interrupted"


def test_ctrl_c_while_a_batch_is_written_loses_nothing(folder: Path) -> None:
    """The signal may come when a batch is back from the worker and not yet on the disk."""

    def interrupt(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO block"):
            os.kill(os.getpid(), signal.SIGINT)

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        run_here(folder, lambda *_: None)
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)
    database = open_database(DATABASE, create=False)
    (row,) = read.runs(database)
    database.close()
    assert (row["state"], row["reason"]) == ("interrupted", "stopped by Ctrl-C")
    assert blocks() == 1


def test_two_commands_at_once(
    folder: Path, command: Command, undisturbed: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "script").write_text(json.dumps({f"call {n}": 0.4 for n in range(1, 7)}))
    (folder / "other.yaml").write_text("name: other\nmodel: {kind: random}\n")
    process = started()
    wait_for(lambda: blocks() >= 1)
    assert command() == 1
    said = capfd.readouterr().err
    assert f"process {process.pid} on" in said
    assert "Traceback" not in said
    assert command(DATABASE, "other.yaml") == 1, "what is busy is reported, and the rest is done"
    assert "other on beir/python-docs" in capfd.readouterr().out
    process.communicate(timeout=30)
    assert process.returncode == 0
    with sqlite3.connect(DATABASE) as connection:
        others = "SELECT r.id FROM run r JOIN submission s ON r.submission_id = s.id WHERE s.name = 'other'"
        for table in ("block", "score", "score_column", "cost", "attempt"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN ({others})")
        connection.execute(f"DELETE FROM run WHERE id IN ({others})")
    connection.close()
    assert fingerprint(DATABASE) == undisturbed


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk(folder: Path, small_disk: Path, undisturbed: dict[str, Any]) -> None:
    db = str(small_disk / DATABASE)
    (folder / "script").write_text(json.dumps({"call 3": "fill"}))
    process = started(db)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "disk is full" in said
    assert "Free some space" in said
    assert "Traceback" not in said
    (small_disk / "filler").unlink()
    again = started(db)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert fingerprint(db) == undisturbed


def command_line(*arguments: str) -> str:
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def shown_state(printed: str) -> str:
    (row,) = json.loads(printed)
    assert row["next_step"]
    assert row["reason"]
    return str(row["state"])


def blocks() -> int:
    """Batches that are stored by now."""
    try:
        connection = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM block").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.OperationalError:  # no database yet, or no table
        return 0


def attempts() -> list[tuple[str, str]]:
    with sqlite3.connect(DATABASE) as connection:
        rows = connection.execute("SELECT state, reason FROM attempt ORDER BY number").fetchall()
    connection.close()
    return rows


def is_dead(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.02)
