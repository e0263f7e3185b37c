"""Sets that MTEB and CoIR publish, as folders in BEIR layout: corpus.jsonl, queries.jsonl, qrels/test.tsv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet.collection import Code, Collection, Query
from tasks.codesearchnet.published import counted
from tasks.codesearchnet.records import Oddities, read


class _Text(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    text: str
    title: str = ""


@dataclass(frozen=True)
class BeirLayout:
    """A folder below `codesearchnet/`; `documents` and `queries` are as many as were published, None if unknown."""

    folder: str
    language: str = ""
    documents: int | None = None
    queries: int | None = None

    def files(self, places: Places) -> Sequence[Path]:
        folder = places.data / "codesearchnet" / self.folder
        return [folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv"]

    def read(self, places: Places) -> Collection:
        corpus, asked, judged = self.files(places)
        codes: dict[str, Code] = {}
        for where, record in read([corpus], _Text, places.progress):
            if record.id in codes:
                raise DataError(f"{where}: the id {record.id!r} is there twice")
            codes[record.id] = Code(record.id, f"{record.title} {record.text}".strip(), self.language)
        grades = read_grades(judged)
        odd, queries = Oddities(), []
        for _, query in read([asked], _Text, places.progress):
            its = {id: grade for id, grade in grades.get(query.id, {}).items() if grade > 0}
            if lost := [id for id in its if id not in codes]:
                raise DataError(f"{judged}: {lost[0]!r}, right for {query.id!r}, is not in {corpus.name}")
            if its:
                queries.append(Query(query.id, query.text, its))
        for what, expected, found in (
            ("documents", self.documents, len(codes)),
            ("queries", self.queries, len(queries)),
        ):
            if expected is not None:
                counted(corpus.parent, what, expected, found)
        return Collection(list(codes.values()), queries, odd)


def read_grades(path: Path) -> dict[str, dict[str, float]]:
    """Query → document → grade of a file with the columns query-id, corpus-id, score. Raises `DataError`."""
    grades: dict[str, dict[str, float]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            try:
                query, document, grade = line.split("\t")
                grades.setdefault(query, {})[document] = float(grade)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: expected query, document and grade between tabs, found {line[:80]!r}"
                ) from error
    return grades
