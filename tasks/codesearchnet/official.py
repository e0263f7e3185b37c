"""The official files of CodeSearchNet, and of the sets that were made out of it: records, lists of urls, counts.

The place that all of them were downloaded from answers no more since 2023; mirrors have the same files. Nothing is
dropped in silence: every set has as many queries and candidates as were published, or it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.csn99 import JUDGEMENTS, answerable
from tasks.codesearchnet.judgements import read_judgements
from tasks.codesearchnet.published import counted
from tasks.codesearchnet.records import Oddities, Record, joined, read

FILTERED = {
    "python": (14_918, 43_827),
    "php": (14_014, 52_660),
    "go": (8_122, 28_120),
    "java": (10_955, 40_347),
    "javascript": (3_291, 13_981),
    "ruby": (1_261, 4_360),
}
"""Test queries and candidates of GraphCodeBERT's filter (microsoft/CodeBERT, GraphCodeBERT/codesearch/README.md)."""
TEST_RECORDS = {"python": 22_176, "php": 28_391, "go": 14_291, "java": 26_909, "javascript": 6_483, "ruby": 2_279}
"""Records of the test partition (dataset card of code_search_net)."""
FUNCTIONS = {
    "python": 1_156_085,
    "php": 977_821,
    "go": 726_768,
    "java": 1_569_889,
    "javascript": 1_857_835,
    "ruby": 164_048,
}
"""All functions, with and without documentation (Husain et al. 2019, Table 1)."""
ADVTEST = 19_210
BATCH = 1000


@dataclass(frozen=True)
class Filtered:
    """GraphCodeBERT's split: test queries among the records that its list `codebase.txt` names.

    The lists `test.txt` and `codebase.txt` hold a url a line. Records come from CodeSearchNet's own files in
    `final/jsonl` (or anywhere below the folder). The list is longer than the set: urls without a record, which the
    published script passes over, are counted.
    """

    language: str
    published: tuple[int, int] | None = None
    """Queries and candidates; None for `FILTERED`."""

    def files(self, places: Places) -> Sequence[Path]:
        folder = _folder(places, "filtered", self.language)
        return [folder / "test.txt", folder / "codebase.txt"]

    def read(self, places: Places) -> Collection:
        tests, codebase = (read_urls(path) for path in self.files(places))
        folder, odd = tests.folder, Oddities()
        wanted = set(tests.urls) | set(codebase.urls)
        records = _by_url(_record_files(folder), wanted, odd, places)
        name = Names("q")
        codes = {url: _as_code(url, records[url], self.language) for url in codebase.urls if url in records}
        for url in codebase.urls:
            if url not in records:
                odd.add("codebase_urls_without_record", f"{codebase.path}: no record of {url}")
        asked = {url: records[url] for url in tests.urls if url in records}
        if lost := [url for url in asked if url not in codes]:
            raise DataError(f"{tests.path}: {lost[0]} is not in {codebase.path.name}; {len(lost):,} are not")
        queries, candidates = self.published or FILTERED[self.language]
        counted(tests.path, "queries with a record", queries, len(asked), _FILTERED_HINT)
        counted(codebase.path, "candidates with a record", candidates, len(codes), _FILTERED_HINT)
        return Collection(
            list(codes.values()),
            [Query(name(text := joined(record.docstring_tokens)), text, {url: 1}) for url, record in asked.items()],
            odd,
        )


@dataclass(frozen=True)
class Proxy:
    """CodeSearchNet's proxy: each documentation among the codes of its batch of 1,000, in the order of the files.

    What does not fill a batch is dropped, as the published evaluation does.
    """

    language: str
    records: int | None = None
    batch: int = BATCH

    def files(self, places: Places) -> Sequence[Path]:
        return [_folder(places, "official", self.language) / "test" / f"{self.language}_test_0.jsonl.gz"]

    def read(self, places: Places) -> Collection:
        odd, (path,) = Oddities(), self.files(places)
        found = [record for _, record in read([path], Record, places.progress)]
        counted(path, "records", self.records or TEST_RECORDS[self.language], len(found))
        name_query, name_code = Names("q"), Names("c")
        codes, queries = [], []
        whole = len(found) // self.batch * self.batch
        for start in range(0, whole, self.batch):
            records = found[start : start + self.batch]
            ids = tuple(name_code(record.url) for record in records)
            codes += [_as_code(id, record, self.language) for id, record in zip(ids, records, strict=True)]
            for id, record in zip(ids, records, strict=True):
                text = joined(record.docstring_tokens)
                queries.append(Query(name_query(text), text, {id: 1}, ids))
        for record in found[whole:]:
            odd.add("records_beyond_the_last_batch", f"{path}: {record.url} fills no batch of {self.batch:,}")
        return Collection(codes, queries, odd)


@dataclass(frozen=True)
class AdvTest:
    """CodeXGLUE's AdvTest: Python, with the names in the code masked by those who made it."""

    records: int = ADVTEST

    def files(self, places: Places) -> Sequence[Path]:
        return [places.data / "codesearchnet" / "advtest" / "test.jsonl"]

    def read(self, places: Places) -> Collection:
        odd, (path,) = Oddities(), self.files(places)
        name_query, name_code = Names("q"), Names("c")
        codes, queries = [], []
        for where, record in read([path], Record, places.progress):
            text = joined(record.code_tokens) or joined(record.function_tokens) or record.function
            query = joined(record.docstring_tokens)
            if not text or not query:
                raise DataError(f"{where}: no code or no documentation", hint="AdvTest's own records have both.")
            code = Code(name_code(record.url or str(record.idx)), text)
            codes.append(code)
            queries.append(Query(name_query(query), query, {code.id: 1}))
        counted(path, "records", self.records, len(codes))
        return Collection(codes, queries, odd)


@dataclass(frozen=True)
class Challenge:
    """All functions of a language, and the 99 queries with their judgements."""

    language: str

    def files(self, places: Places) -> Sequence[Path]:
        folder = _folder(places, "challenge", self.language)
        return [JUDGEMENTS.at(places), folder / f"{self.language}_functions.jsonl.gz"]

    def read(self, places: Places) -> Collection:
        odd, path = Oddities(), self.files(places)[1]
        codes: dict[str, Code] = {}
        for where, record in read([path], Record, places.progress):
            url = record.url.lower()
            if not url or not record.text:
                odd.add("records_without_code", f"{where}: no url or no code; left out")
            elif url in codes:
                odd.add("repeated_urls", f"{where}: {record.url} is there again; left out")
            else:
                codes[url] = Code(url, record.text, self.language)
        if len(codes) != FUNCTIONS[self.language]:
            odd.add(
                "other_corpus",
                f"{path}: {len(codes):,} functions, but the paper counts {FUNCTIONS[self.language]:,}: do not compare",
            )
        relevance = read_judgements(JUDGEMENTS.checked(places), self.language)
        return Collection(list(codes.values()), answerable(relevance, codes, odd, drop_absent=False), odd)


@dataclass(frozen=True)
class Urls:
    """A list of urls, and where it is."""

    path: Path
    urls: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent


def read_urls(path: Path) -> Urls:
    """Distinct urls, one a line, in order. Raises `DataError` for one that is there twice."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    seen: dict[str, int] = {}
    for number, url in enumerate(lines, start=1):
        if url in seen:
            raise DataError(f"{path}, line {number}: {url} is there twice, first on line {seen[url]}")
        if url:
            seen[url] = number
    return Urls(path, tuple(seen))


_FILTERED_HINT = (
    "Records come from the .jsonl.gz files of CodeSearchNet in final/jsonl beside the lists; are all of them there?"
)


def _folder(places: Places, protocol: str, language: str) -> Path:
    return places.data / "codesearchnet" / protocol / language


def _record_files(folder: Path) -> list[Path]:
    files = sorted(path for pattern in ("*.jsonl", "*.jsonl.gz") for path in folder.rglob(pattern))
    if not files:
        raise DataError(f"{folder} holds no records", hint=_FILTERED_HINT)
    return files


def _by_url(files: Sequence[Path], wanted: set[str], odd: Oddities, places: Places) -> Mapping[str, Record]:
    found: dict[str, Record] = {}
    for where, record in read(files, Record, places.progress):
        if record.url in wanted:
            if record.url in found:
                odd.add("repeated_urls", f"{where}: {record.url} is there again; the first counts")
                continue
            found[record.url] = record
    return found


def _as_code(id: str, record: Record, language: str) -> Code:
    return Code(id, joined(record.code_tokens) or record.text, language)
