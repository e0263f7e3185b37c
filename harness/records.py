"""Files of typed records, read one by one: JSON lines from anywhere, and length-prefixed msgpack of our own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import DataError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors put before the first line of a UTF-8 file; it is no part of the text."""
_LENGTH_BYTES = 4

Record = TypeVar("Record")


def read_jsonl(path: Path, record: type[Record]) -> Iterator[Record]:
    """Stream the records of a JSON-lines file; blank lines are passed over.

    Raises `DataError` with file and line for a record that does not parse.
    """
    decode = msgspec.json.Decoder(record).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                if line.strip():
                    try:
                        yield decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError) as error:
                        raise DataError(
                            f"{path}, line {number}: {error}",
                            hint="The file may be half-downloaded or not in the expected layout.",
                        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_stream(path: Path, record: type[Record]) -> Iterator[Record]:
    """Stream the records of a file that `write_stream` made. Raises `DataError` if it is cut short."""
    decode = msgspec.msgpack.Decoder(record).decode
    with path.open("rb") as file:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "big")
            body = file.read(length)
            if len(body) < length:
                raise DataError(f"{path} is cut short", hint="Delete it and run again.")
            yield decode(body)


def write_stream(path: Path, records: Iterable[object]) -> tuple[int, str]:
    """Write the records, atomically; returns their number and the sha256 of the content."""
    encode = msgspec.msgpack.Encoder().encode
    digest, count = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    with unfinished.open("wb") as file:
        for record in records:
            body = encode(record)
            frame = len(body).to_bytes(_LENGTH_BYTES, "big") + body
            file.write(frame)
            digest.update(frame)
            count += 1
    unfinished.replace(path)
    return count, digest.hexdigest()
