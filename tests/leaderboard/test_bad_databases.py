"""Whatever is wrong with the database, a page says what it is and what to do; no traceback, and nothing is harmed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.store.schema import REVISION
from tests.leaderboard.conftest import GOOD

PAGES = ("frontier_page.py", "board.py", "run_page.py")


def emptied(path: Path) -> None:
    replaced(path, lambda _: b"")


def overwritten(path: Path) -> None:
    replaced(path, lambda _: b"dear diary, " * 1000)


def truncated(path: Path) -> None:
    replaced(path, lambda content: content[: len(content) // 2])


def foreign(path: Path) -> None:
    replaced(path, lambda _: b"")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER)")


def newer(path: Path) -> None:
    changed(path, "UPDATE alembic_version SET version_num = '9999'")


def damaged_settings(path: Path) -> None:
    changed(path, "UPDATE submission SET config = '{\"model\": '")


def damaged_statistics(path: Path) -> None:
    changed(path, "UPDATE score_column SET payload = x'00ff00ff'")


def replaced(path: Path, make: Callable[[bytes], bytes]) -> None:
    """Another content, and no log that SQLite would take the old one from."""
    changed(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)
    path.write_bytes(make(content))


def changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement).fetchall()


@pytest.mark.parametrize("file", PAGES)
@pytest.mark.parametrize(
    ("spoil", "said", "advice"),
    [
        (emptied, "holds no results yet", "harness eval"),
        (overwritten, "not a database", "choose another --db"),
        (truncated, "malformed", "restore a copy"),
        (foreign, "tables of other origin", "another --db"),
        (newer, "newer Equal Footing", "Upgrade"),
        (damaged_settings, "malformed", "restore a copy"),
    ],
)
def test_a_page_says_what_is_wrong(
    filler: Any, page: Callable[..., Any], spoil: Callable[[Path], None], said: str, advice: str, file: str
) -> None:
    key = filler.run("good", GOOD)
    spoil(filler.path)
    shown = page(file=file, run=key) if file == "run_page.py" else page(file=file)
    assert said in shown.text
    assert advice in shown.text


def test_a_damaged_statistic_is_told_where_it_is_looked_at(filler: Any, page: Callable[..., Any]) -> None:
    key = filler.run("good", GOOD)
    damaged_statistics(filler.path)
    shown = page(file="run_page.py", run=key)
    assert "damaged" in shown.text
    assert "Restore a copy" in shown.text


@contextmanager
def held(path: Path) -> Iterator[None]:
    """As long as another process keeps the file to itself: a copy in progress, or an old SQLite without a log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_a_locked_database_says_so_soon_and_opens_afterwards(
    filler: Any, page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.rows._PATIENCE", 0.1)
    filler.run("good", GOOD)
    replaced(filler.path, lambda content: content)  # no other connection is open to it
    changed(filler.path, "PRAGMA journal_mode = DELETE")
    with held(filler.path):
        shown = page()
        assert "locked" in shown.text
        assert "wait for it" in shown.text
    assert "good" in page().table("Runs of the task").to_string()


def test_an_old_database_is_brought_up_to_date_and_shown(filler: Any, page: Callable[..., Any]) -> None:
    filler.run("good", GOOD)
    for column in ("lines", "audit", "marks"):
        changed(filler.path, f"ALTER TABLE task DROP COLUMN {column}")
    changed(filler.path, "ALTER TABLE submission DROP COLUMN floor")
    changed(filler.path, "UPDATE alembic_version SET version_num = '0003'")
    assert "good" in page().table("Runs of the task").to_string()
    with closing(sqlite3.connect(filler.path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)


def test_a_run_that_was_removed_says_so(filler: Any, page: Callable[..., Any]) -> None:
    filler.run("good", GOOD)
    shown = page(file="run_page.py", run="0123456789ab")
    assert "There is no run '0123456789ab' in this database" in shown.text
