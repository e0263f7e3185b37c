"""A folder in BEIR layout, read once and checked, as a task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from harness.contract import (
    Corpus,
    DataStatus,
    Document,
    Example,
    Inputs,
    Places,
    Progress,
    Request,
    TaskCard,
    Workload,
)
from harness.digest import combined_digest
from harness.errors import DataError
from harness.ids import IdSet
from harness.records import read_jsonl
from tasks.beir.jsonl import UniqueRecords
from tasks.beir.layout import HINT, Layout, names
from tasks.beir.qrels import Qrels, judgements, read_qrels

PROTOCOL = "beir-1"
DEPTH = 1000
"""Ranks that are scored; one more is asked for, since a document named like its query is dropped."""

BYTES_PER_DOCUMENT = 9
"""What stays in memory of a corpus: a hash of each id, in an array that grows ahead a little."""


@dataclass(frozen=True)
class FolderTask:
    """A user's own folder as a task, named `beir:<folder name>`."""

    layout: Layout

    @classmethod
    def open(cls, path: Path) -> FolderTask:
        """Choose the split. Raises `DataError` if this is not a complete BEIR folder."""
        folder = path.expanduser().resolve()
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder", hint=HINT)
        layout = Layout.of(folder)
        layout.require()
        return cls(layout)

    @property
    def card(self) -> TaskCard:
        return own_card(self.layout.folder.name, self.layout.split)

    def status(self, places: Places) -> DataStatus:
        if missing := self.layout.missing():
            return DataStatus("manual", str(self.layout.folder), f"missing: {names(missing)}")
        return DataStatus("here", str(self.layout.folder))

    def load(self, places: Places) -> Workload:
        return load_folder(self.layout, places.progress)


def own_card(name: str, split: str) -> TaskCard:
    """The card of a user's own collection."""
    return TaskCard(
        name=f"beir:{name}",
        family="beir",
        protocol=PROTOCOL,
        primary_metric="nDCG@10",
        needs=frozenset({"ranking"}),
        description=f"Your own collection in BEIR layout, split {split}.",
    )


def load_folder(layout: Layout, progress: Progress) -> Workload:
    """Read a folder in BEIR layout under the protocol `beir-1`.

    The examples are the queries that the split judges, in the order of queries.jsonl. The digest is sha256
    over the protocol, the bytes of the corpus, the ids and texts of those queries, and the judgements, all in
    the order of their files: names of files and unused queries leave it alone, another order does not.

    What stays in memory: `BYTES_PER_DOCUMENT`, the judged queries, the judgements. Texts are not kept.

    Raises `DataError` that names file and line for anything missing, malformed or there twice.
    """
    from harness.metrics.ranking import RankingScorer

    layout.require()
    qrels, odd = read_qrels(layout.qrels), Oddities()
    examples = _read_queries(layout, qrels, progress, odd)
    corpus, document_ids = _read_corpus(layout.corpus, progress, odd)
    _note_judgements(layout.qrels, qrels, document_ids, odd)
    return Workload(
        inputs=Inputs(request=Request(depth=DEPTH + 1), corpus=corpus),
        examples=examples,
        scorer=RankingScorer(qrels.grades, document_ids, depth=DEPTH, drop_self=True),
        digest=combined_digest(
            protocol=PROTOCOL,
            corpus=corpus.digest,
            queries=_digest([example.id, example.input] for example in examples),
            qrels=qrels.digest,
        ),
        facts={"documents": corpus.count, "queries": len(examples), "judgements": qrels.count} | odd.counts,
        notes=tuple(odd.notes),
        document_titles=partial(document_titles, corpus),
    )


def document_titles(corpus: Corpus, wanted: set[str], length: int = 120) -> dict[str, str]:
    """Title, or the first words of the text, of the wanted documents, cut to `length` characters.

    One pass that stops at the last document wanted; ids that the corpus lacks are left out.
    """
    titles: dict[str, str] = {}
    for document in read_jsonl(Path(corpus.path), Document):
        if document.id in wanted:
            titles[document.id] = " ".join((document.title or document.text).split())[:length]
            if len(titles) == len(wanted):
                break
    return titles


@dataclass
class Oddities:
    """What is odd about the data but no error: counted as facts, the first of its kind told in a sentence."""

    counts: dict[str, int | float | str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, fact: str, count: int, note: str = "", *, always: bool = False) -> None:
        """Count a fact, where there is any of it or `always`."""
        if count or always:
            self.counts[fact] = count
        if count and note:
            self.notes.append(note)


class _Query(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    text: str


def _read_corpus(path: Path, progress: Progress, odd: Oddities) -> tuple[Corpus, IdSet]:
    records = UniqueRecords(path, Document, progress)
    untitled = blank = 0
    first_untitled = first_blank = 0
    for number, document in records:
        if not document.title:
            untitled, first_untitled = untitled + 1, first_untitled or number
            if not document.text:
                blank, first_blank = blank + 1, first_blank or number
    count = len(records.ids)
    if not count:
        raise DataError(f"{path} holds no documents")
    if untitled < count:  # many collections have no titles at all, which is nothing odd
        note = f"{path}, line {first_untitled}: no title; {untitled:,} of {count:,} documents have none"
        odd.add("documents_without_title", untitled, note)
    odd.add(
        "documents_without_text",
        blank,
        f"{path}, line {first_blank}: neither title nor text; {blank:,} of {count:,} documents have neither",
    )
    return Corpus(path=str(path), count=count, digest=records.digest), records.ids


def _read_queries(layout: Layout, qrels: Qrels, progress: Progress, odd: Oddities) -> list[Example]:
    left = dict.fromkeys(qrels.grades)
    examples, silent, first_silent = [], 0, 0
    for number, query in UniqueRecords(layout.queries, _Query, progress):
        if query.id in left:
            del left[query.id]
            examples.append(Example(id=query.id, input=query.text))
            if not query.text.strip():
                silent, first_silent = silent + 1, first_silent or number
    if left:
        lost = next(iter(left))
        raise DataError(
            f"{layout.qrels}, line {qrels.lines[lost]}: judges the query {lost!r}, which is not in "
            f"{layout.queries.name} ({len(left):,} of {len(qrels.grades):,} judged queries are not)",
            hint="The file may be half-downloaded, or the two do not belong together.",
        )
    note = f"{layout.queries}, line {first_silent}: no text; {silent:,} of {len(examples):,} judged queries have none"
    odd.add("queries_without_text", silent, note)
    return examples


def _note_judgements(path: Path, qrels: Qrels, document_ids: IdSet, odd: Oddities) -> None:
    gone = {document for judged in qrels.grades.values() for document in document_ids.unknown(list(judged))}
    # Read again only if there is something to name, so that no line number has to be kept.
    dangling = [(number, document) for number, _, document, _ in judgements(path) if document in gone] if gone else []
    note = f"{path}, line {dangling[0][0]}: judges {dangling[0][1]!r}, which is not in the corpus" if dangling else ""
    note = f"{note}; {len(dangling):,} of {qrels.count:,} judgements do"
    odd.add("dangling_judgements", len(dangling), note, always=True)
    note = f"{path}, line {qrels.first_repeated}: judges a pair again, and the last grade counts; {qrels.repeated:,} do"
    odd.add("repeated_judgements", qrels.repeated, note, always=True)
    hopeless = [query for query, judged in qrels.grades.items() if max(judged.values()) <= 0]
    note = f"{path}: no document is relevant to {hopeless[0]!r}; {len(hopeless):,}" if hopeless else ""
    odd.add(
        "queries_without_relevant", len(hopeless), f"{note} of {len(qrels.grades):,} queries have none", always=True
    )


def _digest(rows: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()
