"""Reading a JSON-lines file of records with ids: once, checked line by line, in memory that hardly grows."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from harness.contract import Progress
from harness.errors import DataError
from harness.ids import IdSet
from harness.records import BYTE_ORDER_MARK

LONGEST_LINE_BYTES = 64 << 20
"""A longer line is an error: the file is something else, and would fill the memory."""
_GZIP = b"\x1f\x8b"
_LINES_PER_REPORT = 1 << 14
_MEGABYTE = 10**6


class UniqueRecords:
    """The records of a file with their line numbers, each id once. After a full iteration `ids` and `digest` are set.

    Holds eight bytes a record. Iteration raises `DataError` with file and line for a record that does not parse, has
    no id, or has that of an earlier one.
    """

    ids: IdSet
    digest: str
    """sha256 of the file's bytes."""

    def __init__(self, path: Path, record: type[Any], progress: Progress) -> None:
        self._path, self._record, self._progress = path, record, progress

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        hashes, digest = array("q"), hashlib.sha256()
        decode = msgspec.json.Decoder(self._record).decode
        number = 0
        try:
            total = self._path.stat().st_size
            with self._path.open("rb") as file:
                for number, line in _lines(file):
                    digest.update(line)
                    if number % _LINES_PER_REPORT == 0:
                        self._report(file.tell(), total)
                    if number == 1:
                        line = self._first(line)
                    if line.isspace() or not line:
                        continue
                    item = decode(line)
                    if not item.id:
                        raise self._fault(number, "the id is empty", "Each record needs an `_id` of its own.")
                    hashes.append(hash(item.id))
                    yield number, item
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            hint = "The file may be half-downloaded or not in BEIR layout."
            raise self._fault(number, str(error), hint) from error
        except OSError as error:
            raise DataError(f"cannot read {self._path}: {error.strerror}") from error
        self._report(total, total)
        self.digest, self.ids = digest.hexdigest(), IdSet(hashes)
        if suspects := self.ids.repeated_hashes():
            self._name_repeated(suspects)

    def _first(self, line: bytes) -> bytes:
        if line.startswith(_GZIP):
            raise DataError(
                f"{self._path} is compressed (gzip)",
                hint=f"Unpack it first: gunzip < {self._path} > corpus, and call the result {self._path.name}.",
            )
        return line.removeprefix(BYTE_ORDER_MARK)

    def _report(self, done: int, total: int) -> None:
        self._progress(done // _MEGABYTE, total // _MEGABYTE, f"MB of {self._path.name}")

    def _name_repeated(self, suspects: frozenset[int]) -> None:
        """Read again to tell which of the suspects are repeated ids, and where; hashes alone may meet by chance."""
        decode = msgspec.json.Decoder(_Id).decode
        seen: dict[str, int] = {}
        with self._path.open("rb") as file:
            for number, line in _lines(file):
                line = self._first(line) if number == 1 else line
                if line.isspace() or not line or hash(id := decode(line).id) not in suspects:
                    continue
                if id in seen:
                    fault = f"the id {id!r} is there twice, first on line {seen[id]}"
                    raise self._fault(number, fault, "Each `_id` must be there once.")
                seen[id] = number

    def _fault(self, number: int, what: str, hint: str) -> DataError:
        return DataError(f"{self._path}, line {number}: {what}", hint=hint)


class _Id(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE_BYTES), b""), start=1):
        if len(line) == LONGEST_LINE_BYTES:
            raise DataError(
                f"{file.name}, line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB",
                hint="JSON lines have one record a line; the file may be one large array.",
            )
        yield number, line
