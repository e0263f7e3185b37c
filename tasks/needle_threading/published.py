"""The data set that the paper published, from a file that the user has: JSON, JSON lines or parquet.

Rows hold a haystack, a question, and what kind of question it is. The right answers are worked out from haystack and
question, and checked against the values that the row holds, since fields differ between its copies.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.contract import DataStatus, Places, TaskCard, Workload
from harness.errors import DataError
from harness.records import BYTE_ORDER_MARK, read_jsonl
from tasks.needle_threading.questions import Asked, Question
from tasks.needle_threading.task import CITATION, URL, workload

PROTOCOL = "needle-published-1"
_HINT = (
    "The data set is jonathan-roberts1/needle-threading on the Hugging Face hub: unpack its json_data.zip and give one "
    "of the files, such as Single_Needle.json, or a parquet file of it."
)
_NOTHING = {"", "n/a", "na", "none", "null"}
_GROUPS = {
    "context": "context_length",
    "depth": "needle_depth",
    "needles": "num_needles",
    "placement": "needle_placement",
    "length": "thread_length",
    "direction": "thread_direction",
    "threads": "num_threads",
}


class Row(msgspec.Struct, frozen=True):
    """A row of the data set; what does not apply is null or "N/A"."""

    haystack: str
    question: str
    values: Any
    context_length: Any = None
    needle_depth: Any = None
    num_needles: Any = None
    needle_placement: Any = None
    conditional_character: Any = None
    thread_length: Any = None
    thread_direction: Any = None
    num_threads: Any = None


@dataclass(frozen=True)
class PublishedTask:
    """A file of the paper's data set, as a task named `needle:<name of the file>`."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> PublishedTask:
        """Raises `DataError` if there is no such file, or not of a known ending."""
        path = path.expanduser().resolve()
        if not path.is_file():
            raise DataError(f"there is no file {path}", hint=_HINT)
        if path.suffix not in (".json", ".jsonl", ".parquet"):
            raise DataError(f"{path} is neither .json nor .jsonl nor .parquet", hint=_HINT)
        return cls(path)

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=f"needle:{self.path.stem}",
            family="needle",
            protocol=PROTOCOL,
            primary_metric="accuracy",
            needs=frozenset({"texts"}),
            description="A file of the data set that the paper published.",
            generated=True,
            licence="MIT",
            citation=CITATION,
            url=URL,
        )

    def status(self, places: Places) -> DataStatus:
        if self.path.is_file():
            return DataStatus("here", str(self.path))
        return DataStatus("manual", str(self.path), "the file is gone")

    def load(self, places: Places) -> Workload:
        """Read and check all rows. Raises `DataError` with file and row."""
        rows = [self._asked(number, row) for number, row in enumerate(_read(self.path), start=1)]
        if not rows:
            raise DataError(f"{self.path} holds no rows", hint=_HINT)
        return workload(_by_haystack(rows), PROTOCOL, {"rows": len(rows)})

    def _asked(self, number: int, row: Row) -> tuple[str, Question]:
        where = f"{self.path}, row {number}"
        question = _question(row, where)
        stored = json.dumps(row.values)
        if lost := [value for value in question.answers if value not in stored]:
            raise DataError(
                f"{where}: by its haystack the answer is {lost[0]}, which is not among its values {stored[:120]}",
                hint="The file may be damaged, or its question be of a kind that is not known here.",
            )
        return row.haystack, question


def _by_haystack(rows: Iterable[tuple[str, Question]]) -> Iterable[Asked]:
    """Rows that share a haystack together, in the order of their first."""
    groups: defaultdict[str, list[Question]] = defaultdict(list)
    for haystack, question in rows:
        groups[haystack].append(question)
    return groups.items()


def _question(row: Row, where: str) -> Question:
    try:
        pairs = msgspec.json.decode(row.haystack, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise DataError(f"{where}: the haystack is not a JSON object of texts: {error}", hint=_HINT) from error
    asked = tuple(key for key in re.findall(r"[^\s\"'\[\],]{36}", row.question) if key in pairs)
    marker = _stated(row.conditional_character)
    marked = [(value,) for key, value in pairs.items() if marker in key]
    paths = marked if marker else [_path(key, pairs) for key in asked]
    if not paths:
        raise DataError(f"{where}: the question names no key of its haystack", hint=_HINT)
    groups = {name: value for name, field in _GROUPS.items() if (value := _stated(getattr(row, field)))}
    several = bool(marker) or len(paths) > 1
    return Question(row.question, asked, tuple(paths), one=not several, ordered=several and not marker, groups=groups)


def _path(key: str, pairs: dict[str, str]) -> tuple[str, ...]:
    """The values from a key on, as long as they are keys; a needle is a thread of one."""
    path: dict[str, None] = {}
    while key in pairs and pairs[key] not in path:
        key = pairs[key]
        path[key] = None
    return tuple(path)


def _stated(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _NOTHING else text


def _read(path: Path) -> Iterator[Row]:
    try:
        if path.suffix == ".parquet":
            yield from _read_parquet(path)
        elif _begins_with(path, b"["):
            yield from msgspec.json.decode(path.read_bytes(), type=list[Row])
        else:  # the data sets library writes lines into files of this ending too
            yield from read_jsonl(path, Row)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", hint=_HINT) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a list of rows: {error}", hint=_HINT) from error


def _begins_with(path: Path, sign: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(1_000).removeprefix(BYTE_ORDER_MARK).lstrip().startswith(sign)


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as parquet

    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=64):
            yield from msgspec.convert(batch.to_pylist(), list[Row])
    except (ValueError, msgspec.ValidationError) as error:  # what pyarrow raises of a broken file is a ValueError
        raise DataError(f"{path} cannot be read as rows of the data set: {error}", hint=_HINT) from error
