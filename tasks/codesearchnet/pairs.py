"""Pairs of documentation and code in CodeSearchNet's format, whoever made them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from harness.source_code.parsing import LANGUAGES
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.published import PublishedFile, counted
from tasks.codesearchnet.records import Oddities, Record, read

PYPI = PublishedFile("pypi/python_local.jsonl.gz", "a3a354c0a5d108c0a6352e85299cdaf97435fca7d4b3173bd9f742fe49a61653")
_PYPI_PAIRS = 10_441
_TRAINED_ON = frozenset({"numpy", "pandas", "scikit_learn"})
_VALIDATED_ON = frozenset({"flask", "requests"})


@dataclass(frozen=True)
class PairFiles:
    """Files of a user: every record of the partition `test` asks for its code among those of `test`.

    Records of the partitions `train` and `valid` are for training. Without any partition `test`, all are asked.
    """

    paths: tuple[Path, ...]

    def files(self, places: Places) -> Sequence[Path]:
        return self.paths

    def read(self, places: Places) -> Collection:
        odd = Oddities()
        records = whole_records(read(self.paths, Record, places.progress), odd)
        has_test = any(record.partition == "test" for record in records)
        return collection(records, odd, lambda record: record.partition if has_test else "test")


@dataclass(frozen=True)
class Pypi:
    """Functions of seven Python packages. With `queries`, all codes are candidates and so many of them are asked for;
    without, the set is split by package and only those of networkx and django are searched."""

    queries: int = 0

    def files(self, places: Places) -> Sequence[Path]:
        return [PYPI.at(places)]

    def read(self, places: Places) -> Collection:
        odd, path = Oddities(), PYPI.checked(places)
        records = whole_records(read([path], Record, places.progress), odd)
        counted(path, "pairs", _PYPI_PAIRS, len(records))
        if not self.queries:
            return collection(records, odd, _part_of)
        chosen = {r.url for r in sorted(records, key=lambda r: _hash(r.url))[: self.queries]}
        return collection(records, odd, lambda record: "test", lambda record: record.url in chosen)


def whole_records(records: Iterable[tuple[str, Record]], odd: Oddities) -> list[Record]:
    """The records that have code, documentation and a url of their own; others are counted, the first one named."""
    whole: dict[str, Record] = {}
    for where, record in records:
        if not record.text.strip():
            odd.add("records_without_code", f"{where}: no code; left out")
        elif not record.query:
            odd.add("records_without_docstring", f"{where}: no docstring; left out")
        elif (url := record.url or _hash(record.text)) in whole:
            odd.add("repeated_urls", f"{where}: {url} is there again; left out")
        else:
            whole[url] = record
    return list(whole.values())


def collection(
    records: Iterable[Record],
    odd: Oddities,
    part_of: Callable[[Record], str],
    is_asked: Callable[[Record], bool] = lambda record: True,
) -> Collection:
    """Pairs as queries and candidates (`test`) and as training pairs (`train`, `valid`)."""
    name_query, name_code = Names("q"), Names("c")
    codes, queries = [], []
    others: dict[str, list[tuple[str, Code]]] = {"train": [], "valid": []}
    for record in records:
        part, language = part_of(record), record.language.lower() or "python"
        if language not in LANGUAGES:
            odd.add(
                "codes_in_other_languages", f"{language[:40]!r} is not parsed: docstrings and names stay in its codes"
            )
        if part == "test":
            code = Code(name_code(record.url or record.text), record.text, language)
            codes.append(code)
            if is_asked(record):
                queries.append(Query(name_query(record.query), record.query, {code.id: 1}))
        elif part in others:
            others[part].append((record.query, Code("", record.text, language)))
        else:
            odd.add("records_of_other_partitions", f"a record of the partition {part[:40]!r} is left out")
    return Collection(codes, queries, odd, others["train"], others["valid"])


def _part_of(record: Record) -> str:
    """No package is on two sides."""
    if record.repo in _VALIDATED_ON:
        return "valid"
    return "train" if record.repo in _TRAINED_ON else "test"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
