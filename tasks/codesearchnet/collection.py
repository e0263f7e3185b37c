"""Queries and codes of one protocol, in memory, and the workload that they make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from harness.contract import (
    Corpus,
    Document,
    Example,
    Inputs,
    Labelled,
    LabelledSet,
    Line,
    Places,
    Request,
    Scorer,
    Workload,
)
from harness.digest import combined_digest
from harness.errors import DataError
from harness.records import read_jsonl
from tasks.codesearchnet.audit import audit
from tasks.codesearchnet.records import Oddities
from tasks.codesearchnet.variants import Variant

_TITLE_LENGTH = 120


@dataclass(frozen=True)
class Code:
    """A candidate."""

    id: str
    text: str
    language: str = "python"


@dataclass(frozen=True)
class Query:
    """A question, and the grade of each code that was judged for it."""

    id: str
    text: str
    grades: Mapping[str, float]
    candidates: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Collection:
    """What a protocol reads from its files."""

    codes: Sequence[Code]
    queries: Sequence[Query]
    oddities: Oddities = field(default_factory=Oddities)
    train: Sequence[tuple[str, Code]] = ()
    """Queries with their codes, of no package that is tested."""
    validation: Sequence[tuple[str, Code]] = ()

    def as_variant(self, variant: Variant) -> Collection:
        """The same with every code rewritten; codes are told apart as before."""
        if not variant.rewrites:
            return self

        def rewritten(code: Code) -> Code:
            return replace(code, text=variant.rewrite(code.text, code.language))

        return replace(
            self,
            codes=[rewritten(code) for code in self.codes],
            train=[(query, rewritten(code)) for query, code in self.train],
            validation=[(query, rewritten(code)) for query, code in self.validation],
        )


class Scoring(Protocol):
    """How the queries of a collection are scored, and what answers get that know nothing."""

    def scorer(self, collection: Collection, examples: Sequence[Example], depth: int) -> Scorer: ...

    def floors(self, collection: Collection, scorer: Scorer) -> Sequence[Line]: ...


class Names:
    """Ids made of what they name, so that they tell no more: a hash, and a number for what is there again."""

    def __init__(self, letter: str) -> None:
        self._letter = letter
        self._times: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        name = self._letter + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}-{times}"


def workload(
    collection: Collection, variant: Variant, scoring: Scoring, *, protocol: str, depth: int, places: Places
) -> Workload:
    """The workload of a collection in a variant. Raises `DataError` if there is nothing to ask or to find."""
    if not collection.queries or not collection.codes:
        missing = "queries" if not collection.queries else "codes"
        raise DataError(f"the data holds no {missing}", hint="docs/codesearch.md says what each protocol reads.")
    changed = collection.as_variant(variant)
    corpus = _written(changed.codes, places.cache / "generated")
    examples = [Example(query.id, query.text, query.candidates) for query in changed.queries]
    most = max((len(query.candidates) for query in changed.queries if query.candidates), default=len(changed.codes))
    depth = min(depth, most)
    scorer = scoring.scorer(changed, examples, depth)
    found = audit(changed, collection)
    return Workload(
        inputs=Inputs(
            request=Request(depth=depth),
            corpus=corpus,
            train=_labelled(changed.train, places.cache / "generated"),
            validation=_labelled(changed.validation, places.cache / "generated"),
        ),
        examples=examples,
        scorer=scorer,
        digest=combined_digest(
            protocol=protocol,
            variant=variant.name,
            depth=str(depth),
            corpus=corpus.digest,
            queries=_digest([q.id, q.text, sorted(q.grades.items()), q.candidates or ()] for q in changed.queries),
            train=_digest([query, code.text] for query, code in changed.train),
        ),
        facts={"documents": corpus.count, "queries": len(examples)} | changed.oddities.counts | found.facts,
        notes=(*changed.oddities.notes, *found.notes),
        lines=scoring.floors(changed, scorer),
        audit=found.tables,
        document_titles=partial(_titles, corpus),
    )


def _written(codes: Sequence[Code], folder: Path) -> Corpus:
    """The corpus as a file named by what it holds; made once."""
    encode = msgspec.json.Encoder().encode
    content = b"".join(encode(Document(id=code.id, text=code.text)) + b"\n" for code in codes)
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"codesearchnet-{digest[:24]}.jsonl"
    try:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
            unfinished.write_bytes(content)
            unfinished.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error}", hint="Set HARNESS_CACHE to a folder you may write.") from error
    return Corpus(path=str(path), count=len(codes), digest=digest)


def _labelled(pairs: Sequence[tuple[str, Code]], folder: Path) -> LabelledSet | None:
    """Pairs as training examples: the label of a query is its code."""
    if not pairs:
        return None
    records = [Labelled(str(place), query, code.text) for place, (query, code) in enumerate(pairs)]
    name = _digest([record.input, record.label] for record in records)
    return LabelledSet.write(folder / f"codesearchnet-pairs-{name[:24]}.bin", records)


def _titles(corpus: Corpus, wanted: set[str]) -> dict[str, str]:
    """The first words of the wanted codes."""
    left, titles = set(wanted), {}
    for document in read_jsonl(Path(corpus.path), Document):
        if document.id in left:
            left.remove(document.id)
            titles[document.id] = " ".join(document.text[: 4 * _TITLE_LENGTH].split())[:_TITLE_LENGTH]
            if not left:
                break
    return titles


def _digest(rows: Iterable[object]) -> str:
    digest, encode = hashlib.sha256(), msgspec.json.Encoder().encode
    for row in rows:
        digest.update(encode(row) + b"\n")
    return digest.hexdigest()
