"""The official files of CodeSearchNet, and of the sets that were made out of it: records, lists of urls, counts.

The place that all of them were downloaded from answers no more since 2023; mirrors have the same files. Nothing is
dropped in silence: every set has as many queries and candidates as were published, or it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet import official_files
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.csn99 import JUDGEMENTS, answerable
from tasks.codesearchnet.judgements import read_judgements
from tasks.codesearchnet.official_files import ZIPS, folder, note_digest, zip_of, zipped
from tasks.codesearchnet.published import counted
from tasks.codesearchnet.records import Oddities, Record, RecordFile, joined, read

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

    The lists `test.txt` and `codebase.txt` hold a url a line. Records come from CodeSearchNet's own files below the
    folder (`final/jsonl/…`) or in the zip of the language, or from the `test.jsonl` and `codebase.jsonl` that the
    published preprocess.py makes of them, of which one lacks the code and one the documentation. The list is longer
    than the set: urls without a record, which the published script passes over, are counted.
    """

    language: str
    published: tuple[int, int] | None = None
    """Queries and candidates; None for `FILTERED`."""

    def files(self, places: Places) -> Sequence[Path]:
        its = folder(places, "filtered", self.language)
        return [its / "test.txt", its / "codebase.txt"]

    def read(self, places: Places) -> Collection:
        tests, codebase = (read_urls(path) for path in self.files(places))
        odd, name = Oddities(), Names("q")
        texts, found = _by_url(self._records(places, odd), set(codebase.urls) | set(tests.urls), odd, places)
        codes = {url: Code(url, found[url], self.language) for url in codebase.urls if url in found}
        for url in codebase.urls:
            if url not in codes:
                odd.add("codebase_urls_without_record", f"{codebase.path}: no record of {url}")
        asked = {url: texts[url] for url in tests.urls if url in texts}
        if lost := [url for url in asked if url not in codes]:
            raise DataError(f"{tests.path}: {lost[0]} is not in {codebase.path.name}; {len(lost):,} are not")
        queries, candidates = self.published or FILTERED[self.language]
        counted(tests.path, "queries with a record", queries, len(asked), _FILTERED_HINT)
        counted(codebase.path, "candidates with a record", candidates, len(codes), _FILTERED_HINT)
        return Collection(
            list(codes.values()),
            [Query(name(text), text, {url: 1}) for url, text in asked.items()],
            odd,
        )

    def _records(self, places: Places, odd: Oddities) -> Sequence[RecordFile]:
        """The files of records; those whose digests are known are held against them."""
        its, archive = folder(places, "filtered", self.language), zip_of(places, self.language)
        for name in ("test.txt", "codebase.txt", "test.jsonl", "codebase.jsonl"):
            if self.published is None and (its / name).is_file():
                note_digest(its / name, official_files.FILTERED[f"{self.language}/{name}"], "sha256", odd)
        files = sorted(path for pattern in ("*.jsonl", "*.jsonl.gz") for path in its.rglob(pattern))
        if not files and archive.is_file():
            if self.published is None:
                note_digest(archive, ZIPS[self.language], "md5", odd)
            return [file for part in ("test", "valid") for file in zipped(archive, _part_ending(part))]
        if not files:
            raise DataError(f"{its} holds no records", hint=_FILTERED_HINT)
        return files


@dataclass(frozen=True)
class Proxy:
    """CodeSearchNet's proxy: each documentation among the codes of its batch of 1,000, in the order of the files.

    What does not fill a batch is dropped, as the published evaluation does.
    """

    language: str
    records: int | None = None
    batch: int = BATCH

    def files(self, places: Places) -> Sequence[Path]:
        archive = zip_of(places, self.language)
        unpacked = folder(places, "official", self.language) / "test" / f"{self.language}_test_0.jsonl.gz"
        return [archive if archive.is_file() and not unpacked.is_file() else unpacked]

    def read(self, places: Places) -> Collection:
        odd, (path,) = Oddities(), self.files(places)
        files: Sequence[RecordFile] = [path]
        if path.suffix == ".zip":
            files = zipped(path, f"{self.language}_test_0.jsonl.gz")
            if self.records is None:
                note_digest(path, ZIPS[self.language], "md5", odd)
        found = [record for _, record in read(files, Record, places.progress)]
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
        its = folder(places, "challenge", self.language)
        return [JUDGEMENTS.at(places), its / f"{self.language}_functions.jsonl.gz"]

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
    "Records come from the .jsonl.gz files of CodeSearchNet in final/jsonl beside the lists, from "
    "official/LANGUAGE.zip, or from test.jsonl and codebase.jsonl as preprocess.py makes them; are all of them there?"
)


def _part_ending(part: str) -> str:
    """A zip has `LANGUAGE/final/jsonl/test/LANGUAGE_test_0.jsonl.gz` and so on."""
    return f"_{part}_0.jsonl.gz"


def _by_url(
    files: Sequence[RecordFile], wanted: set[str], odd: Oddities, places: Places
) -> tuple[dict[str, str], dict[str, str]]:
    """Documentation and code of the wanted urls, each from the first record that has it."""
    texts: dict[str, str] = {}
    codes: dict[str, str] = {}
    for where, record in read(files, Record, places.progress):
        if (url := record.url) not in wanted:
            continue
        text, code = joined(record.docstring_tokens), joined(record.code_tokens) or record.text
        if (text and url in texts) or (code and url in codes):
            odd.add("repeated_urls", f"{where}: {url} is there again; the first counts")
        if text:
            texts.setdefault(url, text)
        if code:
            codes.setdefault(url, code)
    return texts, codes


def _as_code(id: str, record: Record, language: str) -> Code:
    return Code(id, joined(record.code_tokens) or record.text, language)
