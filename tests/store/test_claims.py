"""A run has one live owner; whoever is dead has lost it; what differs is another row."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from harness import registry
from harness.contract import Cost, Places, Prediction, Ranking
from harness.store import Database, open_database, read
from harness.store.claims import LEASE, Claim, claim, expire_lost_runs
from harness.store.recorder import Recorder, RunIsBusy
from harness.store.schema import AttemptRow, RunRow, SubmissionRow, TaskRow, now
from harness.submission import load

TASK = registry.task("beir/python-docs")

OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_claims import claimed
from harness.store import open_database
database = open_database(sys.argv[2], create=True)
recorder = claimed(database, Path(sys.argv[3])).recorder
recorder.start_attempt("test", {})
print("mine", flush=True)
time.sleep(60)
"""

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_claims import fill
fill(sys.argv[2], Path(sys.argv[3]), seed=int(sys.argv[4]))
"""


def submission(folder: Path, setting: str = "") -> Path:
    path = folder / "random.yaml"
    path.write_text(f"name: random\nmodel: {{kind: random{setting}}}\n")
    return path


def claimed(database: Database, folder: Path, **changes: Any) -> Claim:
    provenance = ("code", {"processor": "x"})
    settings: dict[str, Any] = {"seed": 0, "limit": 0, "rerun": False, "provenance": provenance} | changes
    card = settings.pop("card", TASK.card)
    workload = settings.pop("workload", None) or TASK.load(Places.default())
    return claim(database, load(submission(folder, settings.pop("setting", ""))), card, workload, **settings)


def fill(where: str, folder: Path, seed: int) -> None:
    """Claims a run and stores ten batches of its seed's own predictions."""
    database = open_database(where, create=True)
    recorder = claimed(database, folder, seed=seed).recorder
    recorder.start_attempt("test", {})
    for first in range(0, 40, 4):
        batch = [Prediction(f"{first + i}", Ranking([f"seed {seed}"], [1.0])) for i in range(4)]
        recorder.add_block(first, batch, Cost(cpu_seconds=1.0))
    recorder.end_attempt("done", "")
    recorder.finish([], {}, coverage=1.0, titles={})
    database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(str(tmp_path / "results.db"), create=True)
    yield opened
    opened.close()


@pytest.fixture
def owner(tmp_path: Path, database: Database) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has claimed the run and started an attempt."""
    arguments = [str(Path(__file__).parent), str(tmp_path / "results.db"), str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-c", OWNER, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    yield process
    process.kill()
    process.communicate()


def states(database: Database) -> list[str]:
    return [row["state"] for row in read.runs(database)]


def set_owner(database: Database, owner: str, age: timedelta) -> None:
    with database.writing() as session:
        session.execute(update(RunRow).values(owner=owner, heartbeat=now() - age, state="running"))


def test_run_of_a_live_process_is_busy(tmp_path: Path, database: Database, owner: subprocess.Popen[bytes]) -> None:
    with pytest.raises(RunIsBusy, match=f"process {owner.pid} on {socket.gethostname()}") as caught:
        claimed(database, tmp_path)
    assert caught.value.exit_code == 1
    assert "Wait" in caught.value.hint
    expire_lost_runs(database)
    assert states(database) == ["running"], "and it is left alone"


def test_run_of_a_dead_process_is_taken_over_at_once(
    tmp_path: Path, database: Database, owner: subprocess.Popen[bytes]
) -> None:
    owner.send_signal(signal.SIGKILL)
    owner.wait(timeout=10)
    expire_lost_runs(database)
    (row,) = read.runs(database)
    assert row["state"] == "expired"
    assert "resumes" in row["next_step"]
    again = claimed(database, tmp_path)
    assert again.recorder.key == row["run"]
    assert not again.done
    with database.reading() as session:
        (attempt,) = session.scalars(select(AttemptRow))
        assert (attempt.state, bool(attempt.reason), bool(attempt.ended)) == ("killed", True, True)


def test_zombie_is_dead(tmp_path: Path, database: Database, owner: subprocess.Popen[bytes]) -> None:
    """Nobody waits for orphans in many containers; their entry in the process table must not hold the run."""
    owner.send_signal(signal.SIGKILL)
    assert owner.stdout is not None
    owner.stdout.read()  # ends when the process has, and does not wait for it
    assert not claimed(database, tmp_path).done


def test_process_of_another_machine_is_known_by_its_heartbeat(tmp_path: Path, database: Database) -> None:
    claimed(database, tmp_path)
    set_owner(database, "elsewhere/1/0.00/abc", age=LEASE - timedelta(seconds=10))
    expire_lost_runs(database)
    with pytest.raises(RunIsBusy, match="process 1 on elsewhere"):
        claimed(database, tmp_path)
    set_owner(database, "elsewhere/1/0.00/abc", age=LEASE + timedelta(seconds=1))
    expire_lost_runs(database)
    assert states(database) == ["expired"]
    assert not claimed(database, tmp_path).done


def test_reused_process_id_is_not_the_owner(tmp_path: Path, database: Database) -> None:
    claimed(database, tmp_path)
    set_owner(database, f"{socket.gethostname()}/1/0.00/abc", age=timedelta())
    assert not claimed(database, tmp_path).done


def test_run_claimed_while_it_is_being_expired_stays_with_its_new_owner(tmp_path: Path, database: Database) -> None:
    claimed(database, tmp_path)
    set_owner(database, f"{socket.gethostname()}/1/0.00/abc", age=timedelta())
    other = open_database(str(tmp_path / "results.db"), create=False)
    recorders: list[Recorder] = []

    def claim_between_reading_and_writing(*_: object) -> None:
        if not recorders:
            recorders.append(claimed(other, tmp_path).recorder)

    event.listen(database.engine, "checkin", claim_between_reading_and_writing)
    expire_lost_runs(database)
    assert states(database) == ["running"]
    recorders[0].beat()
    other.close()


def test_done_run_is_found_and_rerun_makes_a_new_row(tmp_path: Path, database: Database) -> None:
    first = claimed(database, tmp_path)
    first.recorder.finish([], {}, coverage=1.0, titles={})
    again = claimed(database, tmp_path)
    assert (again.done, again.recorder.key) == (True, first.recorder.key)
    rerun = claimed(database, tmp_path, rerun=True)
    assert not rerun.done
    assert rerun.recorder.key != first.recorder.key
    assert sorted(states(database)) == ["done", "running"]


def test_unfinished_rerun_is_resumed(tmp_path: Path, database: Database) -> None:
    claimed(database, tmp_path).recorder.finish([], {}, coverage=1.0, titles={})
    rerun = claimed(database, tmp_path, rerun=True).recorder
    rerun.stop("interrupted", "stopped by Ctrl-C", "")
    assert claimed(database, tmp_path).recorder.key == rerun.key


def test_whatever_changes_the_result_is_another_row(tmp_path: Path, database: Database) -> None:
    workload = TASK.load(Places.default())
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"limit": 5},
        {"setting": ", batch_size: 3"},
        {"workload": replace(workload, digest="other data")},
        {"card": replace(TASK.card, protocol="beir-2")},
    ]
    keys = [claimed(database, tmp_path, **change).recorder.key for change in changes]
    assert len(set(keys)) == len(keys)
    with database.reading() as session:
        assert len(session.scalars(select(SubmissionRow)).all()) == 2
        assert len(session.scalars(select(TaskRow)).all()) == 3
        assert len(session.scalars(select(RunRow)).all()) == 6


def test_eight_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    TASK.load(Places.default())  # made once, not by eight processes
    arguments = [str(Path(__file__).parent), str(path)]
    folders = [tmp_path / str(seed) for seed in range(8)]
    for folder in folders:
        folder.mkdir()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, *arguments, str(folder), folder.name]) for folder in folders
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8
    database = open_database(str(path), create=False)
    rows = read.runs(database)
    assert sorted((row["seed"], row["state"]) for row in rows) == [(seed, "done") for seed in range(8)]
    for row in rows:
        predictions = claimed(database, folders[0], seed=row["seed"]).recorder.predictions()
        assert len(predictions) == 40
        assert {str(p.output) for p in predictions.values()} == {str(Ranking([f"seed {row['seed']}"], [1.0]))}
        assert row["predict_cpu_seconds"] == 10.0
    database.close()
