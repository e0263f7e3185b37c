"""Whatever a stranger's model does, its run fails with a sentence, and the next run works."""

from __future__ import annotations

import json
import os
import sqlite3
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

GOOD = "        return [[(id, -rank) for rank, id in enumerate(self.ids)] for _ in examples]"
TASK = ("--task", "beir/python-docs", "--limit", "4")


Command = Callable[..., Any]
"""The fixture in conftest.py."""


def write_model(
    folder: Path, name: str, predict: str, *, prepare: str = "pass", top: str = "", **settings: Any
) -> Path:
    """A submission with a model of its own: the bodies of its two methods, and what stands above the class."""
    source = f"""\
import ctypes, math, os, signal, sys, time
import numpy as np
{top}
from harness.contract import *

class Model:
    def prepare(self, resources):
        self.ids = [d.id for d in resources.corpus][:10]
{textwrap.indent(textwrap.dedent(prepare), " " * 8)}

    def predict(self, examples):
{textwrap.indent(textwrap.dedent(predict), " " * 8)}
{GOOD}
"""
    (folder / f"{name}.py").write_text(source)
    file = folder / f"{name}.yaml"
    model = {"kind": "python", "path": f"{name}.py:Model", "offers": ["ranking"], "batch_size": 2} | settings
    file.write_text(json.dumps({"name": name, "model": model}))
    return file


def one(answer: str) -> str:
    """A predict that answers every example with the same expression."""
    return f"return [{answer} for e in examples]"


def ranking(ids: str, scores: str) -> str:
    return one(f"Prediction(e.id, Ranking({ids}, {scores}))")


FAULTS = {
    "raises": ("raise ValueError('no idea')", "ValueError: no idea"),
    "raises what has no bytes": ("raise ValueError('\\ud800')", "ValueError: \\ud800"),
    "raises at length": ("raise ValueError('x' * 5_000_000)", "4998012 more characters"),
    "exits": ("sys.exit('enough')", "ended by itself with exit status 1"),
    "exits happily": ("sys.exit(0)", "ended by itself with exit status 0"),
    "exits without a word": ("os._exit(3)", "ended by itself with exit status 3"),
    "crashes": ("ctypes.string_at(0)", "Segmentation fault"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "killed (signal 9)"),
    "gets an unnamed signal": ("os.kill(os.getpid(), signal.SIGRTMIN + 6)", "signal 40"),
    "NaN": (ranking("self.ids[:1]", "[math.nan]"), "nan"),
    "infinite": (ranking("self.ids[:1]", "[math.inf]"), "inf"),
    "duplicate document": (ranking("self.ids[:1] * 2", "[1., .5]"), "more than once"),
    "unknown document": (ranking("['nowhere']", "[1.]"), "'nowhere', which is not in the corpus"),
    "unequal lengths": (ranking("self.ids[:2]", "[1.]"), "2"),
    "endless document id": (ranking("['x' * 10_000_000]", "[1.]"), "more characters"),
    "ids are numbers": (ranking("[1, 2]", "[1., .5]"), "wrong shape"),
    "scores are text": (ranking("self.ids[:1]", "['best']"), "wrong shape"),
    "scores are objects": (ranking("self.ids[:1]", "[object()]"), "returned a object"),
    "example not asked": ("return [Prediction('q999999', Ranking([], []))]", "'q999999', which was not asked"),
    "example twice": ("return [Prediction(examples[0].id, Ranking([], []))] * 2", "twice"),
    "wrong type": ("return 42", "predict returned a int"),
    "nothing": ("return None", "predict returned a NoneType"),
    "wrong answer type": (one("{1: 2}"), " dict"),
    "wrong number": ("return [[]]", "1 answers to 2 examples"),
    "text of 10 MB": (one("'x' * 10_000_000"), "answered with Texts, not with a Ranking"),
    "garbage in every descriptor": (
        """
        for number in range(3, 4096):
            try:
                os.write(number, b'garbage!' * 100)
            except OSError:
                pass
        time.sleep(60)
        """,
        "sent a message of",
    ),
    "closes descriptors": ("os.closerange(3, 4096)", "exit status 1"),
    "closes descriptors and goes on": ("os.closerange(0, 4096)\ntime.sleep(60)", "closed its connection"),
    "dies and leaves a child": ("if os.fork() == 0: time.sleep(60)\nos._exit(4)", "exit status 4"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_fails_its_run_and_no_other(tmp_path: Path, command: Command, fault: str) -> None:
    predict, message = FAULTS[fault]
    bad, good = write_model(tmp_path, "bad", predict), write_model(tmp_path, "good", "pass")
    ended = command("eval", bad, good, *TASK, "--allow-code")
    assert ended.code == 1
    assert_failed(ended, message)
    assert "good on beir/python-docs" in ended.out
    assert states() == {"bad": "failed", "good": "done"}
    assert no_child_is_left()


def assert_failed(ended: Any, message: str) -> None:
    """A sentence, then the log's end behind bars, then what to do; and no word of a fault of ours."""
    aside = ("  | ", "bad on", "good on")
    said = [line for line in ended.err.splitlines() if line and not line.startswith(aside)]
    assert said[0].startswith("failed: bad on beir/python-docs: ")
    assert message in said[0]
    assert len(said[0]) < 3000
    assert len(said) > 1 and len(said[1]) > 10, "what to do next"
    assert "Traceback" not in "".join(said)
    assert "internal error" not in ended.err


def states() -> dict[str, str]:
    with sqlite3.connect("results.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = dict(connection.execute("SELECT s.name, r.state FROM run r JOIN submission s ON r.submission_id = s.id"))
    connection.close()
    return rows


def no_child_is_left() -> bool:
    deadline = time.monotonic() + 5
    while children := psutil.Process().children(recursive=True):
        if time.monotonic() > deadline:
            raise AssertionError(children)
        time.sleep(0.02)
    return True


def test_models_own_traceback_is_shown_behind_bars(tmp_path: Path, command: Command) -> None:
    bad = write_model(tmp_path, "bad", "raise ValueError('\\x1b[31mred')")
    ended = command("eval", bad, *TASK, "--allow-code")
    assert "  | ValueError: \\x1b[31mred" in ended.err
    assert "\x1b" not in ended.err


def test_fault_in_prepare(tmp_path: Path, command: Command) -> None:
    bad = write_model(tmp_path, "bad", "pass", prepare="os._exit(7)")
    ended = command("eval", bad, *TASK, "--allow-code")
    assert ended.code == 1
    assert_failed(ended, "exit status 7")


def test_numpy_numbers_are_numbers(tmp_path: Path, command: Command) -> None:
    answers = {
        "array": ranking("np.array(self.ids)", "-np.arange(10, dtype=np.float32)"),
        "scalars": one("list(zip(self.ids, -np.arange(10)))"),
        "good": "pass",
    }
    files = [write_model(tmp_path, name, predict) for name, predict in answers.items()]
    ended = command("eval", *files, *TASK, "--allow-code", "--json")
    assert ended.code == 0, ended.err
    values = [[row["value"] for row in outcome["results"]] for outcome in json.loads(ended.out)]
    assert values[0] == values[1] == values[2]
    assert values[0]


def test_left_out_example_is_unanswered_and_counted(tmp_path: Path, command: Command) -> None:
    file = write_model(tmp_path, "lazy", "return [Prediction(examples[0].id, Ranking([], []))]")
    ended = command("eval", file, *TASK, "--allow-code", "--json")
    (outcome,) = json.loads(ended.out)
    assert {(row["coverage"], row["n"]) for row in outcome["results"]} == {(0.5, 4)}


@pytest.mark.parametrize("chatty", ["", "resources.progress(1, 2, 'steps')"])
def test_time_limit_ends_a_model_that_hangs(tmp_path: Path, command: Command, chatty: str) -> None:
    """Reports of progress do not buy time."""
    bad = write_model(tmp_path, "bad", "pass", prepare=f"while True:\n    time.sleep(0.01)\n    {chatty or 'pass'}")
    ended = command("eval", bad, *TASK, "--allow-code", "--time-limit", "1.5")
    assert ended.code == 1
    assert_failed(ended, "the time limit of 1.5 s is used up")
    assert no_child_is_left()


def test_memory_limit_ends_a_model_that_leaks(tmp_path: Path, command: Command) -> None:
    """Also where the memory is a child's, and while progress is reported."""
    leak = """
        if os.fork() == 0:
            hoard = []
            while len(hoard) < 100:
                hoard.append(b'x' * (20 << 20))
                time.sleep(0.01)
        while True:
            time.sleep(0.01)
            resources.progress(1, 2, 'steps')
        """
    ended = command(
        "eval", write_model(tmp_path, "bad", "pass", prepare=leak), *TASK, "--allow-code", "--memory-limit", "400M"
    )
    assert ended.code == 1
    assert_failed(ended, "over the limit of 400 MB")
    assert "--memory-limit" in ended.err
    assert no_child_is_left()


def test_children_end_with_the_run(tmp_path: Path, command: Command) -> None:
    """Also those that have left the worker's process group."""
    spawn = """
        for name, leave in (("stays", False), ("leaves", True)):
            if os.fork() == 0:
                if leave:
                    os.setsid()
                Path(name).write_text(str(os.getpid()))
                time.sleep(60)
            while not (Path(name).exists() and Path(name).read_text()):
                time.sleep(0.01)
        """
    file = write_model(tmp_path, "parent", "pass", prepare=spawn, top="from pathlib import Path")
    assert command("eval", file, *TASK, "--allow-code").code == 0
    for name in ("stays", "leaves"):
        assert ends_soon(int((tmp_path / name).read_text())), name


def ends_soon(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has waited for, within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_log_is_bounded(tmp_path: Path, command: Command) -> None:
    shout = "print('first words')\nfor _ in range(50): print(('x' * 100 + chr(10)) * 10_000)\nprint('last words')"
    assert command("eval", write_model(tmp_path, "loud", "pass", prepare=shout), *TASK, "--allow-code").code == 0
    with sqlite3.connect("results.db") as connection:
        ((log,),) = connection.execute("SELECT log FROM attempt")
    connection.close()
    assert log.startswith("first words")
    assert "last words" in log
    assert len(log) < 1_000_000


def test_current_folder_does_not_shadow_modules(tmp_path: Path, command: Command) -> None:
    """A file named like a module must not run: not without --allow-code, and not by accident."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit('shadowed')")
    file = tmp_path / "random.yaml"
    file.write_text("name: random\nmodel: {kind: random}\n")
    ended = command("eval", file, *TASK)
    assert ended.code == 0, ended.err


SOURCES = {
    "no such file": (None, 2, "cannot read"),
    "no such class": ("class Modell: pass", 1, "Did you mean 'Modell'?"),
    "syntax error": ("class Model:\n    def prepare(self, resources)\n        pass", 1, "bad.py, line 2"),
    "exits when imported": ("import sys\nsys.exit(5)", 1, "importing"),
    "lacks predict": ("class Model:\n    def prepare(self, resources): pass", 1, "needs a method `def predict"),
    "missing import": ("import no_such_module", 1, "no_such_module"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_model_file_that_cannot_be_used(tmp_path: Path, command: Command, case: str) -> None:
    source, code, message = SOURCES[case]
    bad = write_model(tmp_path, "bad", "pass")
    (tmp_path / "bad.py").unlink()
    if source is not None:
        (tmp_path / "bad.py").write_text(source)
    ended = command("eval", bad, *TASK, "--allow-code")
    assert ended.code == code
    assert message in ended.err
    assert "\nTraceback" not in ended.err
    assert "internal error" not in ended.err
    if code == 1:
        assert states() == {"bad": "failed"}
    else:
        assert not (tmp_path / "results.db").exists(), "found before anything was run"


def test_strangers_code_needs_leave(tmp_path: Path, command: Command) -> None:
    file = write_model(tmp_path, "bad", "pass", top="open('ran', 'w')")
    ended = command("eval", file, *TASK)
    assert ended.code == 2
    assert "--allow-code" in ended.err
    assert not (tmp_path / "ran").exists()


def test_cache_that_cannot_be_written(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write_model(tmp_path, "good", "pass")
    assert command("eval", good, *TASK, "--allow-code").code == 0  # the task's data is made by now
    cache = Path(os.environ["HARNESS_CACHE"])
    blocked = tmp_path / "cache"
    blocked.mkdir()
    for entry in cache.iterdir():
        if entry.name != "runs":
            (blocked / entry.name).symlink_to(entry)
    (blocked / "runs").write_text("a file where a folder should be")
    monkeypatch.setenv("HARNESS_CACHE", str(blocked))
    ended = command("eval", good, *TASK, "--allow-code", "--seed", "1")
    assert ended.code == 2
    assert "cannot make the folder" in ended.err
    assert "HARNESS_CACHE" in ended.err
    with sqlite3.connect("results.db") as connection:
        assert connection.execute("SELECT state FROM run WHERE seed = 1").fetchone() == ("failed",)
    connection.close()
