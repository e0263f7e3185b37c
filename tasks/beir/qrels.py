"""Reading relevance judgements: BEIR's three columns under a header, or the four of TREC."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.records import BYTE_ORDER_MARK

HEADER = "query-id\tcorpus-id\tscore"
LARGEST_GRADE = 1_000_000
"""trec_eval keeps a counter for every grade up to the largest, and wraps around at 2³¹ without a word."""
_BEIR_COLUMNS = 3
_TREC_COLUMNS = 4
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")


@dataclass(frozen=True)
class Qrels:
    """The judgements of one split."""

    grades: dict[str, dict[str, int]]
    """Query id → document id → grade; of a pair that is judged twice, the last."""
    lines: dict[str, int]
    """The line on which each query is first judged."""
    count: int
    """Judgements in the file."""
    repeated: int
    """Those that judge a pair again."""
    first_repeated: int | None
    """The line of the first of them."""
    digest: str
    """sha256 over all judgements in file order."""


def read_qrels(path: Path) -> Qrels:
    """Raises `DataError` with file and line for a header that is missing, a malformed line and a bad grade."""
    grades: dict[str, dict[str, int]] = {}
    lines: dict[str, int] = {}
    count, repeated, first_repeated, digest = 0, 0, None, hashlib.sha256()
    for number, query, document, grade in judgements(path):
        lines.setdefault(query, number)
        judged = grades.setdefault(query, {})
        if document in judged:
            repeated, first_repeated = repeated + 1, first_repeated or number
        judged[document] = grade
        count += 1
        digest.update(json.dumps([query, document, grade]).encode() + b"\n")
    if not count:
        raise DataError(f"{path} holds no judgements", hint="An empty split has nothing to evaluate.")
    return Qrels(grades, lines, count, repeated, first_repeated, digest.hexdigest())


def judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """Line number, query id, document id and grade of each judgement, in file order. Raises as `read_qrels`."""
    beir = True
    for number, line in _lines(path):
        if number == 1 and (beir := _is_header(line, path)):
            continue
        if line.strip():
            yield number, *_judgement(line, beir, f"{path}, line {number}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """At least one line, if it is an empty one."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                yield number, line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if not number:
        yield 1, ""


def _is_header(line: str, path: Path) -> bool:
    if line == HEADER:
        return True
    if len(line.split()) == _TREC_COLUMNS and len(line.split("\t")) != _BEIR_COLUMNS:
        return False
    raise DataError(
        f"{path}, line 1: {line[:80]!r} is neither the header {HEADER!r} nor a TREC judgement",
        hint="Put the header on the first line; it and the columns are separated by tabs.",
    )


def _judgement(line: str, beir: bool, where: str) -> tuple[str, str, int]:
    columns = line.split("\t") if beir else line.split()
    expected = _BEIR_COLUMNS if beir else _TREC_COLUMNS
    if len(columns) != expected or not all(columns):
        raise DataError(f"{where}: expected {expected} columns, found {line[:80]!r}")
    return columns[0], columns[-2], _grade(columns[-1], where)


def _grade(text: str, where: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise DataError(f"{where}: the score {text[:80]!r} is not a whole number", hint="Grades are 0, 1, 2 …")
    grade = int(text)
    if abs(grade) > LARGEST_GRADE:
        raise DataError(f"{where}: the score {grade} is beyond {LARGEST_GRADE:,}", hint="Grades are 0, 1, 2 …")
    return grade
