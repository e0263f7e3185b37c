"""Reading records in the format of CodeSearchNet: JSON lines, gzipped or not, with what is odd counted and named."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from harness.contract import Progress
from harness.errors import DataError
from harness.records import BYTE_ORDER_MARK

LONGEST_LINE_BYTES = 16 << 20
"""A longer line is an error: the file is something else, and would fill the memory."""
_GZIP = b"\x1f\x8b"
_LINES_PER_REPORT = 1 << 13
_FORMAT = "One JSON object a line, with `code` (or `code_tokens`), `docstring_tokens` (or `docstring`) and `url`."

_Record = TypeVar("_Record")
RecordFile = Path | zipfile.Path
"""A file of records, or one inside of a zip."""


class Record(msgspec.Struct, frozen=True):
    """A function and its documentation, in CodeSearchNet's names; AdvTest and CoSQA leave most of them out."""

    code: str = ""
    """As it was written. In Python it holds the docstring."""
    code_tokens: list[str] | str = []
    """Tokens of the code, without comments and docstring."""
    docstring: str = ""
    docstring_tokens: list[str] | str = []
    """Of the summary only."""
    url: str = ""
    original_string: str = ""
    language: str = ""
    func_name: str = ""
    repo: str = ""
    path: str = ""
    partition: str = ""
    function: str = ""
    """The code in the files of all functions, and in AdvTest."""
    function_tokens: list[str] | str = []
    """In AdvTest, with names masked."""
    idx: int | str = ""

    @property
    def query(self) -> str:
        """The summary as models are asked: tokens with a blank between them, as the papers join them."""
        return joined(self.docstring_tokens) or " ".join(self.docstring.split("\n\n")[0].split())

    @property
    def text(self) -> str:
        """The code as it was written, where that is there."""
        return self.code or self.original_string or self.function or joined(self.code_tokens)


def joined(tokens: list[str] | str) -> str:
    """Tokens with a blank between them."""
    return tokens.strip() if isinstance(tokens, str) else " ".join(" ".join(tokens).split())


@dataclass
class Oddities:
    """What is odd about the data but no error: counted as facts, the first case of each told in a sentence."""

    counts: dict[str, int | float | str] = field(default_factory=dict)
    firsts: dict[str, str] = field(default_factory=dict)

    def add(self, fact: str, where: str) -> None:
        """Count another case; `where` says what and where it is, and is kept of the first only."""
        self.counts[fact] = int(self.counts.get(fact, 0)) + 1
        self.firsts.setdefault(fact, where)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"{first} ({fact.replace('_', ' ')}: {self.counts[fact]:,})" for fact, first in self.firsts.items()
        )


def read(paths: Sequence[RecordFile], record: type[_Record], progress: Progress) -> Iterator[tuple[str, _Record]]:
    """The records of files with `file, line n` of each, in order.

    Raises `DataError` for a file that cannot be read, is cut short or not UTF-8, and for a line that is no record.
    """
    for path in paths:
        yield from _records(path, record, progress)


def _decoded(line: bytes, decode: Callable[[bytes], Any], record: type[Any]) -> Any:
    """What is null is absent, as data frames write it."""
    try:
        return decode(line)
    except msgspec.ValidationError:
        values = msgspec.json.decode(line)
        if not isinstance(values, dict) or None not in values.values():
            raise
        return msgspec.convert({name: value for name, value in values.items() if value is not None}, record)


def _records(path: RecordFile, record: type[Any], progress: Progress) -> Iterator[tuple[str, Any]]:
    decode = msgspec.json.Decoder(record).decode
    number = 0
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            lines: IO[bytes] = gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[assignment]
            while line := lines.readline(LONGEST_LINE_BYTES):
                number += 1
                if len(line) == LONGEST_LINE_BYTES:
                    raise DataError(
                        f"{path}, line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB", hint=_FORMAT
                    )
                if number % _LINES_PER_REPORT == 0:
                    progress(number, 0, f"records of {path.name}")
                line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                if line.strip():
                    yield f"{path}, line {number}", _decoded(line, decode, record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "is not a record"
        raise DataError(f"{path}, line {number} {kind}: {error}", hint=_FORMAT) from error
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is cut short or broken after line {number}: {error}", hint="It may be half-downloaded."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
