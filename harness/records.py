"""Files of labelled examples: a length-prefixed msgpack stream that a worker reads without loading it whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from harness.contract import Labelled, LabelledSet
from harness.errors import DataError

_LENGTH_BYTES = 4


def write_labelled(path: Path, records: Iterable[Labelled]) -> LabelledSet:
    """Write the records, atomically, and describe the file: path, count and sha256 over its content."""
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
    return LabelledSet(path=str(path), count=count, digest=digest.hexdigest())


def read_labelled(path: Path) -> Iterator[Labelled]:
    """Stream the records of a file that `write_labelled` made. Raises `DataError` if it is cut short."""
    decode = msgspec.msgpack.Decoder(Labelled).decode
    with path.open("rb") as file:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "big")
            body = file.read(length)
            if len(body) < length:
                raise DataError(f"{path} is cut short", hint="Delete it and run again.")
            yield decode(body)
