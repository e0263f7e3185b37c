"""Opening a results database: SQLite with safe settings, or any SQLAlchemy URL; created or migrated as needed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from harness.errors import StoreError
from harness.store.schema import REVISION, Base

BUSY_SECONDS = 30.0
_NETWORK_FILE_SYSTEMS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "fuse.sshfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
}
_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITE_LOCK = 0x45F0  # any fixed number: PostgreSQL's advisory lock that writers meet at

log = logging.getLogger(__name__)


class Database:
    """An open results database. `reading()` and `writing()` give sessions; a writing one commits at its end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with _explained(self.engine), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction, begun with the write lock held, on the disk when this returns.

        Raises `StoreError` if the database is full, read-only, locked or broken.
        """
        with (
            _explained(self.engine),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def stamp(self) -> tuple[object, ...] | None:
        """Another one after every change of a database in a file: what was read under the same one still holds.

        None where only reading would tell. A commit changes the write-ahead log until it is moved into the file.
        """
        if self.engine.dialect.name != "sqlite":
            return None
        path = Path(self.engine.url.database or "")
        try:
            file = path.stat()
        except OSError:
            return None
        try:
            log = path.with_name(f"{path.name}-wal").stat()
        except OSError:
            log = None
        written = (log.st_mtime_ns, log.st_size) if log and log.st_size else None
        return str(path), file.st_ino, file.st_mtime_ns, file.st_size, written

    def close(self) -> None:
        self.engine.dispose()


def open_database(where: str, *, create: bool, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open a file path or SQLAlchemy URL. Raises `StoreError` with what to do; never harms a file it cannot read.

    Where another process holds an SQLite file, each statement waits for it for so many seconds.
    """
    url = _url(where)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database in (None, "", ":memory:"):
        raise StoreError("a database in memory would forget every result", hint="Name a file: --db results.db.")
    if is_sqlite and url.database:
        _check_file(Path(url.database), create)
    try:
        engine = create_engine(url, connect_args={"timeout": busy_seconds} if is_sqlite else {})
    except NoSuchModuleError as error:
        raise StoreError(f"no driver for {url.drivername!r}") from error
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the driver {error.name!r} for {url.drivername!r} is not installed",
            hint="pip install it; for PostgreSQL: pip install 'equal-footing[postgres]'.",
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin_sqlite)
    elif url.get_backend_name() == "postgresql":
        event.listen(engine, "begin", _begin_postgresql)
    database = Database(engine)
    with _explained(engine):
        _ensure_schema(engine, create)
    return database


def _url(where: str) -> Any:
    if "://" not in where:
        return make_url("sqlite://").set(database=str(Path(where).expanduser().resolve()))
    try:
        return make_url(where)
    except (ArgumentError, ValueError) as error:  # ValueError for a port that is no number
        raise StoreError(f"{where!r} is not a database URL", hint="Such as postgresql+psycopg://host/name.") from error


def _check_file(path: Path, create: bool) -> None:
    try:
        is_folder, exists, has_folder = path.is_dir(), path.exists(), path.parent.is_dir()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint="Choose another --db.") from error
    if is_folder:
        raise StoreError(f"{path} is a folder, not a database")
    if not exists and not create:
        raise StoreError(f"there is no database {path}", hint="`harness eval` makes one.")
    if not has_folder:
        raise StoreError(f"the folder {path.parent} does not exist", hint="Make it, or choose another --db.")
    _warn_of_network_file_systems(path)


def _warn_of_network_file_systems(path: Path) -> None:
    kinds = {disk.mountpoint: disk.fstype for disk in psutil.disk_partitions(all=True)}
    mount = next((str(p) for p in path.parents if str(p) in kinds), "/")
    if kinds.get(mount) in _NETWORK_FILE_SYSTEMS:
        log.warning("%s is on a network file system (%s), where SQLite's locks are unsafe", path, kinds[mount])


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as error:  # a read-only file can still be read without changing its mode
        log.debug("no WAL: %s", error)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once under WAL, whatever the timeout.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    # One writer at a time, as in SQLite: two claims of a run that is not there yet have no row to lock.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")


def _ensure_schema(engine: Engine, create: bool) -> None:
    version = _version(engine)
    if version == REVISION:
        return
    if version is None and not create:
        raise StoreError(f"{_name(engine)} holds no results yet", hint="`harness eval` fills it.")
    if version is None:
        _create(engine)
    else:
        _migrate(engine, version)


def _version(engine: Engine) -> str | None:
    """The revision of the tables, None for an empty database. Raises `StoreError` for a stranger's."""
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        if "alembic_version" in names:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)
    if names if engine.dialect.name == "sqlite" else names & set(Base.metadata.tables):
        raise StoreError(f"{_name(engine)} has tables of other origin", hint="Choose another --db.")
    return None


def _create(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        if inspect(connection).has_table("alembic_version"):
            return  # another process was first
        Base.metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": REVISION})


def _migrate(engine: Engine, version: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    if version not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        raise StoreError(
            f"{_name(engine)} was made by a newer Equal Footing (schema {version}, this one knows {REVISION})",
            hint="Upgrade equal-footing, or choose another --db.",
        )
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _name(engine: Engine) -> str:
    return engine.url.database or engine.url.render_as_string(hide_password=True)


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Turn a driver's error into a sentence for people."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip()
        raise StoreError(f"{_name(engine)}: {reason}", hint=_advice(reason.lower())) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{_name(engine)}: {error}") from error
    except JSONDecodeError as error:
        raise StoreError(f"{_name(engine)}: a stored value is malformed", hint=_advice("malformed")) from error


def _advice(reason: str) -> str:
    advice = {
        "full": "Free some space, then run the same command: finished batches are kept.",
        "readonly": "Make the file and its folder writable, or choose another --db.",
        "unable to open": "Check that file and folder exist and can be written; SQLite writes there even to read.",
        "disk i/o": "The disk may be full or failing; free some space, then run the same command.",
        "locked": "Another process holds it for long; wait for it, or choose another --db.",
        "not a database": "It is not an SQLite file; choose another --db.",
        "malformed": "The file is damaged; restore a copy, or choose another --db.",
        "connection": "Check that the database server runs and that the URL is right.",
    }
    return next((hint for word, hint in advice.items() if word in reason), "")
