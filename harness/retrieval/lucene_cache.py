"""Lucene indexes on disk: built once, kept with what they cost, checked whenever they are used again.

An index is a folder, named by a digest of all that its content depends on. It is built in the run's own folder and
renamed into the cache when it is whole, with a record of its files' checksums: so what is under the name is an index
that someone finished, and one that was damaged since is found out and built anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.contract import Cost
from harness.digest import file_digest
from harness.errors import DataError, RunFailed
from harness.meter import Stopwatch
from harness.retrieval.embedding_cache import digest

_RECORD = "record.json"


class _File(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Record(msgspec.Struct, frozen=True):
    """What is known of a finished index."""

    identity: dict[str, str]
    """All that its content depends on."""
    cost: Cost
    """Of building it."""
    files: dict[str, _File]

    @property
    def disk_bytes(self) -> int:
        return self.bytes_of("")

    def bytes_of(self, suffix: str) -> int:
        """Size of the files whose names end so: Lucene keeps postings in .doc, terms in .tim, norms in .nvd …"""
        return sum(file.bytes for name, file in self.files.items() if name.endswith(suffix))


@dataclass(frozen=True)
class StoredIndex:
    """An index in the cache."""

    folder: Path
    record: Record
    reused: bool
    """Whether it was found, not built now."""


def find_or_build(
    cache: Path, scratch: Path, identity: Mapping[str, str], build: Callable[[Path], None]
) -> StoredIndex:
    """The index of this identity, found in `cache` or built into an empty folder by `build`.

    Raises `DataError` if the folder of that name holds an index of another identity, and `RunFailed` if one
    cannot be written.
    """
    folder = cache / "lucene" / digest(identity)
    return _find(folder, identity) or _build(folder, scratch / "lucene-unfinished", identity, build)


def _find(folder: Path, identity: Mapping[str, str]) -> StoredIndex | None:
    if not folder.exists():
        return None
    try:
        record = msgspec.json.decode((folder / _RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError) as error:
        print(f"{folder}: no readable record ({error}); the index is built again")
        return None
    for name in sorted({*identity, *record.identity}):
        if (found := record.identity.get(name)) != identity.get(name):
            raise DataError(
                f"{folder} holds an index of other data or settings: its {name} is {found}, not {identity.get(name)}",
                hint="Delete the folder; the index is built again.",
            )
    if damaged := [name for name, file in record.files.items() if not _is_whole(folder / name, file)]:
        print(f"{folder}: {', '.join(damaged)} is damaged or missing; the index is built again")
        return None
    return StoredIndex(folder, record, reused=True)


def _is_whole(path: Path, file: _File) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and file_digest(path) == file.sha256


def _build(folder: Path, unfinished: Path, identity: Mapping[str, str], build: Callable[[Path], None]) -> StoredIndex:
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of an attempt that was killed
        unfinished.mkdir(parents=True)
        with Stopwatch() as watch:
            build(unfinished)
        files = {path.name: _File(path.stat().st_size, file_digest(path)) for path in sorted(unfinished.iterdir())}
        record = Record(dict(identity), watch.cost, files)
        _write(unfinished / _RECORD, msgspec.json.encode(record))
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _publish(unfinished, folder, record)
    except OSError as error:
        raise RunFailed(
            f"cannot write the index {error.filename or folder}: {error.strerror}",
            hint="Make room or set HARNESS_CACHE to another folder; the same command builds it again.",
        ) from error


def _publish(unfinished: Path, folder: Path, record: Record) -> StoredIndex:
    """Move a whole index to its name, unless another process was first: then that one is as good."""
    try:
        unfinished.rename(folder)
    except OSError:
        if found := _find(folder, record.identity):
            return StoredIndex(folder, found.record, reused=False)
        damaged = unfinished.with_name("lucene-damaged")
        shutil.rmtree(damaged, ignore_errors=True)
        folder.rename(damaged)  # goes with the run's own folder
        unfinished.rename(folder)
    return StoredIndex(folder, record, reused=False)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
