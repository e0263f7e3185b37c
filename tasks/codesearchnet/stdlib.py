"""`codesearchnet/stdlib`: pairs out of the standard library of the Python that runs, so that no data is needed."""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet.builder import Pair, Skipped, distinct, pairs, without_near_duplicates
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.records import Oddities, joined

# Tests and data; and what some systems ship in packages of its own, so that the task would differ there.
_SKIPPED = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "lib-dynload", "encodings", "ensurepip", "pydoc_data"}
    | {"idlelib", "lib2to3", "distutils", "tkinter", "turtledemo"}
)
_PARTS = 10
_TRAIN, _VALID = range(5), range(5, 6)
"""Tenths of the modules, by hash, as CodeSearchNet splits by repository."""


@dataclass(frozen=True)
class StandardLibrary:
    """Half of the modules to train on, a tenth to select on, the others to search; no module is on two sides."""

    def files(self, places: Places) -> Sequence[Path]:
        return []

    def read(self, places: Places) -> Collection:
        return _standard_library()


@cache
def _standard_library() -> Collection:
    """Parsed once in a process, for its variants are the same pairs."""
    root, skipped = Path(sysconfig.get_path("stdlib")), Skipped()
    found = without_near_duplicates(distinct(_all_pairs(root, skipped)))
    if not found:
        raise DataError(
            f"the sources of the standard library are not in {root}",
            hint="codesearchnet/stdlib is made from them; use a Python that ships its .py files.",
        )
    odd = Oddities({"python": platform.python_version()})
    if skipped.unreadable:
        odd.add("unreadable_files", skipped.first)
    return _collection(found, odd)


def _all_pairs(root: Path, skipped: Skipped) -> Iterator[Pair]:
    """Of a module or package at a time, which is what stands for a repository."""
    for place in sorted(root.iterdir()):
        if place.name in _SKIPPED or place.name.startswith(("config-", "__pycache__", ".")):
            continue
        if place.is_dir():
            files = sorted(path for path in place.rglob("*.py") if not _SKIPPED & set(path.relative_to(root).parts))
        else:
            files = [place] if place.suffix == ".py" else []
        for pair in pairs(root, "cpython", files, skipped):
            yield replace(pair, repo=place.stem)


def _collection(found: Sequence[Pair], odd: Oddities) -> Collection:
    name_query, name_code = Names("q"), Names("c")
    codes, queries = [], []
    train: list[tuple[str, Code]] = []
    valid: list[tuple[str, Code]] = []
    for pair in found:
        part = int(hashlib.sha256(pair.repo.encode()).hexdigest(), 16) % _PARTS
        query, code = joined(pair.docstring_tokens), Code(name_code(pair.url), pair.code)
        if part in _TRAIN:
            train.append((query, code))
        elif part in _VALID:
            valid.append((query, code))
        else:
            codes.append(code)
            queries.append(Query(name_query(query), query, {code.id: 1}))
    return Collection(codes, queries, odd, train, valid)
