"""A folder in BEIR layout, read once and checked: corpus.jsonl, queries.jsonl and qrels/<split>.tsv."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harness.contract import Corpus, DataStatus, Document, Example, Inputs, Places, Request, TaskCard, Workload
from harness.digest import combined_digest
from harness.errors import DataError

PROTOCOL = "beir-1"
DEPTH = 1000
"""Ranks that are scored; one more is asked for, since a document named like its query is dropped."""

QRELS_HEADER = "query-id\tcorpus-id\tscore"
_BEIR_COLUMNS = 3
_TREC_COLUMNS = 4
_HINT = "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv."


@dataclass(frozen=True)
class Layout:
    """A folder and the split of its judgements that is evaluated."""

    folder: Path
    split: str

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.jsonl"

    @property
    def queries(self) -> Path:
        return self.folder / "queries.jsonl"

    @property
    def qrels(self) -> Path:
        return self.folder / "qrels" / f"{self.split}.tsv"

    def missing(self) -> list[Path]:
        """Files of the layout that are not there."""
        return [path for path in (self.corpus, self.queries, self.qrels) if not path.is_file()]


@dataclass(frozen=True)
class FolderTask:
    """A user's own folder as a task, named `beir:<folder name>`."""

    layout: Layout

    @classmethod
    def open(cls, path: Path) -> FolderTask:
        """Take the split `test`, else `dev`, else the only one. Raises `DataError` if that says nothing."""
        folder = path.expanduser().resolve()
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder", hint=_HINT)
        splits = sorted(file.stem for file in (folder / "qrels").glob("*.tsv"))
        usual = [split for split in ("test", "dev") if split in splits]
        if not usual and len(splits) > 1:
            raise DataError(
                f"{folder}/qrels has several splits and none is called test or dev: {', '.join(splits)}",
                hint="Rename the one to evaluate to test.tsv.",
            )
        layout = Layout(folder, (usual or splits or ["test"])[0])
        _require(layout)
        return cls(layout)

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=f"beir:{self.layout.folder.name}",
            family="beir",
            protocol=PROTOCOL,
            primary_metric="nDCG@10",
            needs=frozenset({"ranking"}),
            description=f"Your own collection in BEIR layout, split {self.layout.split}.",
        )

    def status(self, places: Places) -> DataStatus:
        if missing := self.layout.missing():
            return DataStatus("manual", str(self.layout.folder), f"missing: {_names(missing)}")
        return DataStatus("here", str(self.layout.folder))

    def load(self, places: Places) -> Workload:
        return load_folder(self.layout)


def load_folder(layout: Layout) -> Workload:
    """Read a folder in BEIR layout under the protocol `beir-1`.

    The examples are the queries that the split judges, in the order of queries.jsonl. The digest is sha256
    over the protocol, the bytes of the corpus, the ids and texts of those queries, and the judgements, all in
    the order of their files: names of files and unused queries leave it alone, another order does not.

    Raises `DataError` that names file and line for anything missing, malformed or there twice.
    """
    from harness.metrics.ranking import RankingScorer

    _require(layout)
    judgements = _read_qrels(layout.qrels)
    qrels: dict[str, dict[str, int]] = {}
    for judgement in judgements:
        qrels.setdefault(judgement.query_id, {})[judgement.document_id] = judgement.score
    examples = _read_queries(layout.queries, qrels, layout.qrels)
    corpus, document_ids = _read_corpus(layout.corpus)
    return Workload(
        inputs=Inputs(request=Request(depth=DEPTH + 1), corpus=corpus),
        examples=examples,
        scorer=RankingScorer(qrels, document_ids, depth=DEPTH, drop_self=True),
        digest=combined_digest(
            protocol=PROTOCOL,
            corpus=corpus.digest,
            queries=_digest([example.id, example.input] for example in examples),
            qrels=_digest(judgements),
        ),
        facts={
            "documents": corpus.count,
            "queries": len(examples),
            "judgements": len(judgements),
            "dangling_judgements": sum(judged.document_id not in document_ids for judged in judgements),
            "repeated_judgements": len(judgements) - sum(map(len, qrels.values())),
            "queries_without_relevant": sum(max(judged.values()) <= 0 for judged in qrels.values()),
        },
        document_titles=partial(document_titles, corpus),
    )


def document_titles(corpus: Corpus, wanted: set[str], length: int = 120) -> dict[str, str]:
    """Title, or the first words of the text, of the wanted documents, cut to `length` characters.

    One pass that stops at the last document wanted; ids that the corpus lacks are left out.
    """
    titles: dict[str, str] = {}
    read_id = msgspec.json.Decoder(_Id).decode
    read_document = msgspec.json.Decoder(Document).decode
    with Path(corpus.path).open("rb") as lines:
        for line in lines:
            if len(titles) == len(wanted):
                break
            # Decoding only the id leaves the long texts of all other documents unread.
            if line.strip() and read_id(line).id in wanted:
                document = read_document(line)
                titles[document.id] = " ".join((document.title or document.text).split())[:length]
    return titles


class _Id(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


class _Query(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    text: str


class _Judgement(NamedTuple):
    query_id: str
    document_id: str
    score: int


def _require(layout: Layout) -> None:
    if missing := layout.missing():
        raise DataError(f"{layout.folder} is not a complete BEIR folder: no {_names(missing)}", hint=_HINT)


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name if path.suffix == ".jsonl" else f"qrels/{path.name}" for path in paths)


def _read_corpus(path: Path) -> tuple[Corpus, frozenset[str]]:
    digest = hashlib.sha256()
    ids = {document.id for document in _unique(path, Document, digest.update)}
    if not ids:
        raise DataError(f"{path} holds no documents")
    return Corpus(path=str(path), count=len(ids), digest=digest.hexdigest()), frozenset(ids)


def _read_queries(path: Path, judged: Iterable[str], qrels: Path) -> list[Example]:
    left = dict.fromkeys(judged)
    examples = []
    for query in _unique(path, _Query):
        if query.id in left:
            del left[query.id]
            examples.append(Example(id=query.id, input=query.text))
    if left:
        raise DataError(
            f"{path} lacks {len(left):,} queries that {qrels.name} judges, such as {next(iter(left))!r}",
            hint="The file may be half-downloaded, or the two do not belong together.",
        )
    return examples


def _unique(path: Path, record: type[Any], observe: Callable[[bytes], None] | None = None) -> Iterator[Any]:
    """Records of a JSON-lines file, each id once; `observe` is shown the raw lines."""
    decode = msgspec.json.Decoder(record).decode
    seen: set[str] = set()
    number = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if observe:
                    observe(line)
                if not line.strip():
                    continue
                item = decode(line)
                if not item.id or item.id in seen:
                    fault = f"the id {item.id!r} is there twice" if item.id else "the id is empty"
                    raise DataError(f"{path}, line {number}: {fault}", hint="Each `_id` must be there once.")
                seen.add(item.id)
                yield item
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}, line {number}: {error}", hint="The file may be half-downloaded or not in BEIR layout."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _read_qrels(path: Path) -> list[_Judgement]:
    """Judgements in file order: the BEIR header and three tab-separated columns, or four TREC columns."""
    try:
        # utf-8-sig: some editors put a byte-order mark before the header.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    beir = lines[0] == QRELS_HEADER
    if not beir and len(lines[0].split()) != _TREC_COLUMNS:
        raise DataError(
            f"{path}, line 1: {lines[0][:80]!r} is neither the header {QRELS_HEADER!r} nor a TREC judgement",
            hint="The header and the columns are separated by tabs.",
        )
    judgements = [
        _judgement(line, beir, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not (beir and number == 1)
    ]
    if not judgements:
        raise DataError(f"{path} holds no judgements")
    return judgements


def _judgement(line: str, beir: bool, where: str) -> _Judgement:
    columns = line.split("\t") if beir else line.split()
    expected = _BEIR_COLUMNS if beir else _TREC_COLUMNS
    if len(columns) != expected or not all(columns):
        raise DataError(f"{where}: expected {expected} columns, found {line[:80]!r}")
    query_id, document_id, score = columns[0], columns[-2], columns[-1]
    try:
        return _Judgement(query_id, document_id, int(score))
    except ValueError as error:
        raise DataError(f"{where}: the score {score!r} is not a whole number") from error


def _digest(rows: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()
