"""The same promises on PostgreSQL, on a private server of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text, update

import harness.store.database as database_module
from harness import registry
from harness.contract import Cost, Places, Prediction, Prepared, Ranking
from harness.reference.published import ReportedScore, tables
from harness.store import Database, open_database, read, read_examples, reports
from harness.store.claims import Claim, claim, expire_lost_runs
from harness.store.recorder import RunIsBusy, StoredScore
from harness.store.schema import REVISION, Base, BlockRow, RunRow, SubmissionRow, TaskRow
from harness.submission import Submission, load

pytestmark = pytest.mark.postgres


def server_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(shutil.which("pg_ctl") or "")]
    if not found[-1].is_file():
        pytest.skip("needs a PostgreSQL server (initdb and pg_ctl)")
    return found[-1].parent


def as_server_user(arguments: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; its packages bring a user of its own."""
    if os.geteuid() != 0:
        return arguments
    if not shutil.which("setpriv") or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
        pytest.skip("needs a user other than root to run a PostgreSQL server: postgres, and setpriv")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *arguments]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that listens on nothing but a socket in a folder of its own."""
    pytest.importorskip("psycopg", reason="needs psycopg")
    programs = server_programs()
    # The path of a socket is at most 107 bytes, and every folder above it open to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = folder / "cluster"

    def run(*arguments: str) -> None:
        subprocess.run(as_server_user([*arguments]), check=True, capture_output=True, timeout=60, cwd=folder)

    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        run(str(programs / "initdb"), "-D", str(cluster), "-A", "trust", "-U", "harness", "-E", "UTF8", "--no-sync")
        log = str(folder / "log")
        run(str(programs / "pg_ctl"), "-D", str(cluster), "-w", "-l", log, "-o", options, "start")
        yield f"postgresql+psycopg://harness@/postgres?host={folder}"
        run(str(programs / "pg_ctl"), "-D", str(cluster), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """A fresh database of the server."""
    name = f"db{abs(hash(request.node.name))}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url, create=True)
    yield opened
    opened.close()


@pytest.fixture
def entry(tmp_path: Path) -> Submission:
    file = tmp_path / "random.yaml"
    file.write_text("name: random\nmodel: {kind: random}\n")
    return load(file)


def claimed(database: Database, entry: Submission, seed: int = 0) -> Claim:
    task = registry.task("beir/python-docs")
    workload = task.load(Places.default())
    provenance = ("code", {"processor": "x"})
    return claim(database, entry, task.card, workload, seed=seed, limit=4, rerun=False, provenance=provenance)


def test_claim_record_finish_and_read(entry: Submission, database: Database) -> None:
    recorder = claimed(database, entry).recorder
    recorder.start_attempt("test", {})
    recorder.prepared(Prepared(3 << 31, 0, facts={"terms": 3}), Cost(cpu_seconds=2.0))
    answers = [Prediction(f"q{i}", Ranking(["d\x00", "\U0001f600"], [0.1 + 0.2, -1e-300])) for i in range(4)]
    recorder.add_block(0, answers[:2], Cost(cpu_seconds=0.5, peak_rss_bytes=5 << 30))
    recorder.add_block(2, answers[2:], Cost(cpu_seconds=0.5))
    recorder.end_attempt("done", "log with a \x00 in it")
    value = 1 / 3
    recorder.finish([StoredScore("nDCG@10", value, 0.0, 1.0, 4, True)], {"nDCG@10": np.full(4, value)}, 1.0, {"d": "D"})
    assert list(claimed(database, entry).recorder.predictions().values()) == answers
    (row,) = read.results(database)
    assert (row["state"], row["value"], row["predict_cpu_seconds"]) == ("done", value, 1.0)
    assert (row["peak_rss_bytes"], row["index_bytes"]) == (5 << 30, 3 << 31), "more than 32 bits"
    assert read.run(database, row["run"]).prepared == {"terms": 3}
    ids, statistics = read_examples.example_scores(database, row["run"])
    assert statistics["nDCG@10"].tolist() == [value] * 4
    assert read_examples.example(database, row["run"], ids[0]).text
    assert claimed(database, entry).done


def test_scores_made_elsewhere_are_stored_and_replaced(database: Database) -> None:
    before = reports.reported(database)
    assert set(reports.load(database, tables().values()).values()) == {"loaded"}
    assert set(reports.load(database, tables().values()).values()) == {"unchanged"}
    assert reports.reported(database) == before
    sent = ReportedScore(
        "beir/scifact", "mine", "nDCG@10", 1 / 3, 16, "r.json", kind="", verification="self-reported", digest="d" * 64
    )
    reports.add(database, "r.json", [sent], replace=False)
    reports.add(database, "r.json", [sent], replace=True)
    assert reports.reported(database, "beir/scifact")[-1] == sent
    assert reports.reported(database) == [*before, sent]


def test_eight_first_users_at_once_make_one_database(url: str) -> None:
    def open_and_count(_: int) -> int:
        opened = open_database(url, create=True)
        try:
            return len(read.runs(opened))
        finally:
            opened.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_and_count, range(8))) == [0] * 8


def test_eight_claims_at_once_share_their_rows(entry: Submission, database: Database) -> None:
    def fill(seed: int) -> None:
        recorder = claimed(database, entry, seed).recorder
        recorder.start_attempt("test", {})
        for first in range(4):
            recorder.add_block(first, [Prediction(f"{first}", Ranking([f"seed {seed}"], [1.0]))], Cost())
        recorder.end_attempt("done", "")
        recorder.finish([], {}, 1.0, {"d": "D"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(8)))
    with database.reading() as session:
        counts = [len(session.scalars(select(row)).all()) for row in (SubmissionRow, TaskRow, RunRow, BlockRow)]
    assert counts == [1, 1, 8, 32]
    assert {row["state"] for row in read.runs(database)} == {"done"}


def test_one_of_eight_gets_the_run(entry: Submission, database: Database) -> None:
    def try_to_claim(_: int) -> str:
        try:
            return claimed(database, entry).recorder.key
        except RunIsBusy:
            return "busy"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(try_to_claim, range(8)))
    assert found.count("busy") == 7
    assert len(read.runs(database)) == 1


def test_lost_run_expires_and_is_taken_over(entry: Submission, database: Database) -> None:
    claimed(database, entry)
    with database.writing() as session:
        session.execute(update(RunRow).values(owner="elsewhere/1/0.00/abc", heartbeat=None))
    expire_lost_runs(database)
    assert [row["state"] for row in read.runs(database)] == ["expired"]
    assert not claimed(database, entry).done


def test_migrations_make_the_tables_of_the_models(url: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == REVISION
    engine.dispose()
    open_database(url, create=False).close()


def test_command_line(url: str, entry: Submission, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        whole = [sys.executable, "-m", "harness.cli", *arguments, "--db", url, "--json"]
        return subprocess.run(whole, check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path).stdout

    evaluate = ["eval", str(entry.path), "--task", "beir/python-docs", "--limit", "4"]
    (first,), (second,) = json.loads(run(*evaluate)), json.loads(run(*evaluate))
    assert (first["state"], second["state"]) == ("done", "unchanged")
    assert first["results"] == second["results"] == json.loads(run("results"))
    assert not list(tmp_path.glob("*.db"))
