"""What is recorded is durable, whole, and only its owner's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from harness import registry
from harness.contract import Cost, Failure, Places, Prediction, Prepared, Ranking, Texts, Usage
from harness.errors import StoreError
from harness.store import Database, open_database, read, read_examples
from harness.store.claims import claim
from harness.store.recorder import Recorder, RunIsBusy, StoredScore
from harness.store.schema import BlockRow, RunRow
from harness.submission import load

BATCH = [
    Prediction("q1", Ranking(["d1", "d2"], [2.0, 0.1]), (Usage("first", postings=7),)),
    Prediction("q2", Texts(["né \U0001f600 \x00", ""])),
    Prediction("q3", Failure("over_limit", "too long")),
]

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_recorder import BATCH, begin
from harness.contract import Cost
from harness.store import open_database
recorder = begin(open_database(sys.argv[2], create=True), Path(sys.argv[3]))
recorder.start_attempt("test", {})
recorder.add_block(0, BATCH, Cost())
os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(database: Database, folder: Path) -> Recorder:
    file = folder / "random.yaml"
    file.write_text("name: random\nmodel: {kind: random}\n")
    task = registry.task("beir/python-docs")
    workload = task.load(Places.default())
    provenance = ("code", {"processor": "x"})
    return claim(
        database, load(file), task.card, workload, seed=0, limit=3, rerun=False, provenance=provenance
    ).recorder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(str(tmp_path / "results.db"), create=True)
    yield opened
    opened.close()


@pytest.fixture
def recorder(tmp_path: Path, database: Database) -> Recorder:
    return begin(database, tmp_path)


def test_predictions_come_back_as_they_were(recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.add_block(0, BATCH[:2], Cost())
    recorder.add_block(2, BATCH[2:], Cost())
    assert recorder.stored() == 3
    assert list(recorder.predictions().values()) == BATCH


def test_acknowledged_batch_survives_a_kill(tmp_path: Path, database: Database) -> None:
    arguments = [str(Path(__file__).parent), str(tmp_path / "results.db"), str(tmp_path)]
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False).returncode == -9
    recorder = begin(database, tmp_path)
    assert recorder.stored() == 3
    assert list(recorder.predictions().values()) == BATCH


def test_damaged_batch_is_noticed(database: Database, recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.add_block(0, BATCH, Cost())
    with database.writing() as session:
        payload = session.scalars(select(BlockRow.payload)).one()
        session.execute(update(BlockRow).values(payload=payload[:20] + b"?" + payload[21:]))
    with pytest.raises(StoreError, match="damaged") as caught:
        recorder.predictions()
    assert "copy" in caught.value.hint


def test_run_that_was_taken_over_takes_no_more(database: Database, recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    with database.writing() as session:
        session.execute(update(RunRow).values(owner="elsewhere/1/0.00/abc"))
    writes: list[Callable[[], None]] = [
        lambda: recorder.add_block(0, BATCH, Cost()),
        recorder.beat,
        lambda: recorder.stop("failed", "", ""),
        lambda: recorder.finish([], {}, 1.0, {}),
    ]
    for write in writes:
        with pytest.raises(RunIsBusy, match="took this run over"):
            write()
    assert recorder.stored() == 0
    assert [row["state"] for row in read.runs(database)] == ["running"]


def test_same_batch_cannot_be_stored_twice(recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.add_block(0, BATCH, Cost())
    with pytest.raises(StoreError):
        recorder.add_block(0, BATCH, Cost())
    assert recorder.stored() == 3


def test_finished_run_has_its_scores_costs_and_statistics(database: Database, recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.prepared(Prepared(10, 5, facts={"terms": 3}), Cost(2.0, 3.0, 100))
    recorder.add_block(0, BATCH[:2], Cost(0.5, 1.0, 300))
    recorder.add_block(2, BATCH[2:], Cost(0.25, 1.0, 200))
    recorder.end_attempt("done", "what it printed\x00")
    columns = {"nDCG@10": np.array([1.0, 0.1 + 0.2, 0.0])}
    recorder.finish([StoredScore("nDCG@10", 0.5, 0.25, 0.75, 3, True)], columns, 2 / 3, {"d1": "First"})
    (row,) = read.results(database)
    expected = {
        "state": "done",
        "reason": "",
        "value": 0.5,
        "ci_low": 0.25,
        "ci_high": 0.75,
        "n": 3,
        "coverage": 2 / 3,
        "prepare_cpu_seconds": 2.0,
        "predict_cpu_seconds": 0.75,
        "peak_rss_bytes": 300,
        "index_bytes": 15,
        "prepare_cached": False,
    }
    assert {key: row[key] for key in expected} == expected
    assert row["finished"] is not None
    _, statistics = read_examples.example_scores(database, recorder.key)
    assert statistics["nDCG@10"].tobytes() == columns["nDCG@10"].tobytes()
    (attempt,) = read.run(database, recorder.key).attempts
    assert attempt.log == "what it printed"


def test_what_a_model_found_out_stands_beside_what_it_prepared(database: Database, recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.prepared(Prepared(10, 5, facts={"terms": 3}), Cost(2.0, 3.0, 100))
    recorder.add_block(0, BATCH, Cost())
    recorder.account(None, None, "", {"search_recall_at_10": 0.9})
    recorder.end_attempt("done", "")
    recorder.finish([StoredScore("nDCG@10", 0.5, 0.25, 0.75, 3, True)], {"nDCG@10": np.zeros(3)}, 1.0, {})
    assert read.run(database, recorder.key).prepared == {"terms": 3, "search_recall_at_10": 0.9}


def test_killed_attempts_are_kept_apart_and_not_charged(tmp_path: Path, database: Database, recorder: Recorder) -> None:
    recorder.start_attempt("test", {})
    recorder.prepared(Prepared(), Cost(cpu_seconds=100.0))
    recorder.add_block(0, BATCH[:1], Cost(cpu_seconds=1.0))
    with database.writing() as session:
        session.execute(update(RunRow).values(owner=""))
    resumed = begin(database, tmp_path)
    resumed.start_attempt("test", {})
    resumed.prepared(Prepared(), Cost(cpu_seconds=3.0, cached=True))
    resumed.add_block(1, BATCH[1:], Cost(cpu_seconds=2.0))
    resumed.end_attempt("done", "")
    resumed.finish([], {}, 1.0, {})
    (row,) = read.runs(database)
    assert (row["prepare_cpu_seconds"], row["predict_cpu_seconds"], row["prepare_cached"]) == (3.0, 3.0, True)
    first, second = read.run(database, resumed.key).attempts
    assert (first.state, first.prepare_cpu_seconds, first.predict_cpu_seconds) == ("killed", 100.0, 1.0)
    assert first.reason
    assert (second.state, second.prepare_cpu_seconds, second.predict_cpu_seconds) == ("done", 3.0, 2.0)
