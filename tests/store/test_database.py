"""Opening a database: made once whoever comes first, never harmed, and every failure is a sentence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from harness.errors import StoreError
from harness.store import open_database
from harness.store.schema import Base, SubmissionRow

OPEN = """
import sys
from harness.store import open_database, read
database = open_database(sys.argv[1], create=True)
print(len(read.runs(database)))
"""


def as_ordinary_user(command: list[str]) -> list[str]:
    """The command with root's right to pass over permissions taken away, if we are root."""
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("needs an ordinary user, or setpriv to run as one")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "harness.cli", *map(str, arguments)]


def test_eight_first_users_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    users = [subprocess.Popen([sys.executable, "-c", OPEN, str(path)], stdout=subprocess.PIPE) for _ in range(8)]
    assert [user.communicate(timeout=60)[0] for user in users] == [b"0\n"] * 8
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    """Read, then write: what fails at once under WAL when a transaction is not begun as a writer."""
    database = open_database(str(tmp_path / "results.db"), create=True)
    with database.writing() as session:
        session.execute(text("CREATE TABLE counter (value INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))

    def count(_: int) -> None:
        with database.writing() as session:
            value = session.scalar(text("SELECT value FROM counter"))
            session.execute(text("UPDATE counter SET value = :v"), {"v": value + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    with database.reading() as session:
        assert session.scalar(text("SELECT value FROM counter")) == 80
    database.close()


def test_written_rows_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    script = (
        "import os, signal, sys\nfrom sqlalchemy import text\nfrom harness.store import open_database\n"
        "database = open_database(sys.argv[1], create=True)\n"
        "with database.writing() as session: session.execute(text('CREATE TABLE kept (value INTEGER)'))\n"
        "with database.writing() as session:\n"
        "    session.execute(text('CREATE TABLE lost (value INTEGER)'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == -9
    with sqlite3.connect(path) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert "kept" in names
    assert "lost" not in names


def test_stamp_changes_with_what_others_write_and_not_with_what_they_read(tmp_path: Path) -> None:
    path = str(tmp_path / "results.db")
    stamps = []
    for number in range(3):
        with closing(open_database(path, create=True)) as writer, writer.writing() as session:
            session.add(SubmissionRow(digest=f"{number:064}", name="s", kind="k", config={}))
        for _ in range(2):
            with closing(open_database(path, create=False)) as reader:
                with reader.reading() as session:
                    session.scalars(select(SubmissionRow.name)).all()
                stamps.append(reader.stamp())
    assert stamps[::2] == stamps[1::2]
    assert len(set(stamps)) == 3


def test_readers_see_no_database_as_an_error(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with pytest.raises(StoreError, match="there is no database"):
        open_database(str(path), create=False)
    assert not path.exists()


def test_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    path.touch()
    with pytest.raises(StoreError, match="holds no results yet"):
        open_database(str(path), create=False)
    database = open_database(str(path), create=True)
    assert Base.metadata.tables.keys() <= tables(path)
    database.close()


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


@pytest.mark.parametrize("create", [True, False])
def test_file_that_is_no_database_is_untouched(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a database") as caught:
        open_database(str(path), create=create)
    assert "--db" in caught.value.hint
    assert path.read_text() == "dear diary, " * 1000


@pytest.mark.parametrize("table", ["moz_places", "run"])
def test_database_of_another_program_is_untouched(tmp_path: Path, table: str) -> None:
    path = tmp_path / "places.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table} (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="tables of other origin"):
        open_database(str(path), create=True)
    assert tables(path) == {table}


def test_truncated_database_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    open_database(str(path), create=True).close()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StoreError) as caught:
        open_database(str(path), create=False)
    assert caught.value.hint


def test_folder_and_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        open_database(str(tmp_path), create=True)
    with pytest.raises(StoreError, match="does not exist"):
        open_database(str(tmp_path / "missing" / "results.db"), create=True)
    assert list(tmp_path.iterdir()) == []


def test_name_too_long(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="too long"):
        open_database(str(tmp_path / ("n" * 300)), create=True)


@pytest.mark.parametrize("url", ["://", "oracle-of-delphi://x", "mysql://a/b", "postgresql://host:port/x"])
def test_url_that_names_no_database_we_can_open(url: str) -> None:
    with pytest.raises(StoreError):
        open_database(url, create=True)


def test_unreachable_server_is_explained_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="needs psycopg")
    with pytest.raises(StoreError, match="connection") as caught:
        open_database("postgresql+psycopg://me:secret@127.0.0.1:1/x", create=True)
    assert "secret" not in caught.value.message
    assert "server" in caught.value.hint


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "shelf"
    folder.mkdir()
    open_database(str(folder / "results.db"), create=True).close()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(as_ordinary_user(command), capture_output=True, text=True, check=False, timeout=60)


def test_read_only_file_can_be_read_but_not_written(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    open_database(str(path), create=True).close()
    path.chmod(0o444)
    before = path.read_bytes()
    assert run(command_line("results", "--db", path)).returncode == 0
    written = run(command_line("eval", random_submission(tmp_path), "--task", "beir/python-docs", "--db", path))
    assert written.returncode == 2
    assert "readonly" in written.stderr
    assert "Make the file and its folder writable" in written.stderr
    assert path.read_bytes() == before


def test_read_only_folder_is_explained(tmp_path: Path, read_only_folder: Path) -> None:
    """WAL needs to make files beside the database, even for a reader."""
    evaluate = ["eval", random_submission(tmp_path), "--task", "beir/python-docs", "--db"]
    for arguments in (["results", "--db", read_only_folder / "results.db"], [*evaluate, read_only_folder / "new.db"]):
        refused = run(command_line(*arguments))
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: ")
        assert "folder" in refused.stderr.splitlines()[1], "what to do"
    assert [file.name for file in read_only_folder.iterdir()] == ["results.db"]


def random_submission(folder: Path) -> Path:
    path = folder / "random.yaml"
    path.write_text("name: random\nmodel: {kind: random}\n")
    return path
