"""Migrations lead to the same tables as the models, and a newer database is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect

import harness.store.database as database
from harness.errors import StoreError
from harness.store import open_database, read
from harness.store.schema import REVISION, Base

MIGRATIONS = Path(database.__file__).with_name("migrations")


def upgraded(engine: Engine) -> None:
    """Brings an empty database to the head, step by step, as an old one would be brought."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
    )
    found: list[object] = compare_metadata(context, Base.metadata)
    return found


def test_upgrading_from_nothing_makes_the_tables_of_the_models() -> None:
    engine = create_engine("sqlite://")
    upgraded(engine)
    with engine.connect() as connection:
        assert set(Base.metadata.tables) <= set(inspect(connection).get_table_names())
        assert differences(connection) == []


def test_comparison_sees_a_missing_column() -> None:
    engine = create_engine("sqlite://")
    upgraded(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE run DROP COLUMN coverage")
        assert differences(connection)


def test_migrated_and_new_databases_have_the_same_sql(tmp_path: Path) -> None:
    """Constraints, their names and indexes too, which the comparison of models does not see in SQLite."""
    new = open_database(str(tmp_path / "new.db"), create=True)
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    upgraded(migrated)
    described = [
        {
            table: (
                {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)},
                found.get_pk_constraint(table),
                sorted(map(str, found.get_foreign_keys(table))),
                sorted(map(str, found.get_unique_constraints(table))),
                sorted(map(str, found.get_indexes(table))),
            )
            for table in Base.metadata.tables
        }
        for found in (inspect(new.engine), inspect(migrated))
    ]
    assert described[0] == described[1]
    new.close()


def test_models_are_at_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_migrated_database_opens(tmp_path: Path) -> None:
    path = tmp_path / "migrated.db"
    engine = create_engine(f"sqlite:///{path}")
    upgraded(engine)
    engine.dispose()
    open_database(str(path), create=False).close()


def test_database_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    open_database(str(path), create=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(StoreError, match=r"newer.*9999") as caught:
            open_database(str(path), create=create)
        assert "Upgrade" in caught.value.hint
    assert path.read_bytes() == before


def test_old_runs_are_told_apart_by_how_far_they_are_verified(tmp_path: Path) -> None:
    """Before revision 3: answers from a file are of kind replay, or of a run that is done and has no cost."""
    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for id, kind in ((1, "bm25"), (2, "replay"), (3, "of another package")):
            connection.exec_driver_sql(
                "INSERT INTO submission VALUES (?, ?, 'x', ?, '{\"model\": {}}', '', '', '', 0, '2026-01-01')",
                (id, str(id), kind),
            )
        connection.exec_driver_sql(
            "INSERT INTO task VALUES (1, 't', 'f', 'p', 'd', 'm', 0, '', '', '', '', '{}', 1, '2026-01-01')"
        )
        for id, (submission, state) in enumerate([(1, "done"), (1, "failed"), (2, "failed"), (3, "done")], start=1):
            connection.exec_driver_sql(
                "INSERT INTO run (id, key, submission_id, task_id, seed, example_limit, repeat, examples, state, "
                "reason, next_step, owner, created, code_version, environment, prepared) "
                "VALUES (?, ?, ?, 1, ?, 0, 0, 1, ?, '', '', '', '2026-01-01', '', '{}', '{}')",
                (id, str(id), submission, id, state),
            )
        connection.exec_driver_sql("INSERT INTO cost VALUES (1, 'predict', 'observed', 'cpu', 1.0, 1.0, 0)")
    engine.dispose()
    opened = open_database(str(path), create=False)
    found = {row["run"]: row["verification"] for row in read.runs(opened)}
    opened.close()
    assert found == {"1": "recomputed", "2": "recomputed", "3": "rescored", "4": "rescored"}
