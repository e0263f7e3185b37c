"""Labelled sequences in three splits, and the files of them that workers read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from harness.contract import ByteSequence, DataStatus, Labelled, LabelledSet, Places
from harness.digest import file_digest
from harness.errors import DataError

Pair: TypeAlias = tuple[bytes, str]
"""A sequence of symbols and its label."""

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """The sequences of each split with their labels."""

    train: Iterable[Pair]
    validation: Iterable[Pair]
    test: Iterable[Pair]


@dataclass(frozen=True)
class Written:
    """The splits as files; the test split never reaches a worker with its labels."""

    train: LabelledSet
    validation: LabelledSet
    test: LabelledSet


class Source(Protocol):
    """Where the splits of a task come from."""

    def status(self, places: Places) -> DataStatus:
        """Cheap: looks for files, reads none."""
        ...

    def written(self, name: str, places: Places) -> Written:
        """The splits of the task of that name. Raises `harness.errors.DataError`."""
        ...


@dataclass(frozen=True)
class Made:
    """Splits that a program makes from a seed, once, and that are known by their digests."""

    make: Callable[[], Splits]
    digests: tuple[str, str, str]
    """sha256 of the files of train, validation and test."""

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "made from a seed when it is first loaded")

    def written(self, name: str, places: Places) -> Written:
        """The files, found in the cache or made. Raises `DataError` if other data comes out than that of the task."""
        paths = [_file(places, name, split, digest) for split, digest in zip(NAMES, self.digests, strict=True)]
        if not all(path.is_file() and file_digest(path) == d for path, d in zip(paths, self.digests, strict=True)):
            made = self.make()
            found = [
                LabelledSet.write(path, shuffled(pairs))
                for path, pairs in zip(paths, (made.train, made.validation, made.test), strict=True)
            ]
            if tuple(one.digest for one in found) != self.digests:
                for path in paths:
                    path.unlink()
                digests = ", ".join(one.digest for one in found)
                raise DataError(
                    f"{name}: the generator made other data on this machine than elsewhere ({digests})",
                    hint="Scores on it could not be compared. Please report it, with the output of `harness doctor`.",
                )
        return Written(
            *(LabelledSet(str(path), _count(path), d) for path, d in zip(paths, self.digests, strict=True)),
        )


@dataclass(frozen=True)
class Read:
    """Splits that are read from files that somebody else made."""

    folder: str
    """Below the data root."""
    files: Sequence[Sequence[str]]
    """In that folder: the whole of one of these."""
    read: Callable[[Path, Places], Splits]
    hint: str
    """Where to get them."""
    in_order: bool = False
    """True for what is too large to be shuffled in memory, and has no order to hide."""

    def status(self, places: Places) -> DataStatus:
        folder = places.data / self.folder
        return DataStatus("manual" if self._missing(folder) else "here", str(folder), self.hint)

    def written(self, name: str, places: Places) -> Written:
        """The files, read and checked anew. Raises `DataError` if one is missing or broken."""
        folder = places.data / self.folder
        if missing := self._missing(folder):
            raise DataError(f"{name}: {folder} has no {' and no '.join(missing)}", hint=self.hint)
        return write(name, self.read(folder, places), places, in_order=self.in_order)

    def _missing(self, folder: Path) -> Sequence[str]:
        """What is not there of the files of which most are."""
        lacking = [[name for name in names if not (folder / name).exists()] for names in self.files]
        return min(lacking, key=len)


def write(name: str, splits: Splits, places: Places, *, in_order: bool = False) -> Written:
    """The splits as files in the cache, each under a name that is its content's."""
    arranged = in_sequence if in_order else shuffled
    return Written(
        *(
            _write(places, name, split, arranged(pairs))
            for split, pairs in zip(NAMES, (splits.train, splits.validation, splits.test), strict=True)
        )
    )


def shuffled(pairs: Iterable[Pair]) -> Iterator[Labelled]:
    """The pairs in an order that tells nothing of their labels: by the hash of the sequence, which is the id too."""
    last, repeat = "", 1
    for digest, (data, label) in _hashed(pairs):
        id = digest[:16]
        repeat = repeat + 1 if id == last else 1
        last = id
        yield Labelled(id if repeat == 1 else f"{id}-{repeat}", ByteSequence(data), label)


def cut(pairs: Iterable[Pair], validation: int, test: int = 0) -> Splits:
    """So many pairs to validate and to test, the first by the hash of their sequences; the others to train."""
    ordered = [pair for _, pair in _hashed(pairs)]
    return Splits(ordered[validation + test :], ordered[test : validation + test], ordered[:test])


def divided(pairs: Iterable[Pair], train: int, validation: int) -> Splits:
    """The first to train, the next to validate, the rest to test."""
    drawn = list(pairs)
    return Splits(drawn[:train], drawn[train : train + validation], drawn[train + validation :])


def _hashed(pairs: Iterable[Pair]) -> list[tuple[str, Pair]]:
    return sorted((hashlib.sha256(pair[0]).hexdigest(), pair) for pair in pairs)


def symbols(row: Labelled) -> bytes:
    """The sequence of a row of this family."""
    assert isinstance(row.input, ByteSequence)
    return row.input.data


def in_sequence(pairs: Iterable[Pair]) -> Iterator[Labelled]:
    """The pairs as they come, numbered."""
    for number, (data, label) in enumerate(pairs):
        yield Labelled(f"{number:06}", ByteSequence(data), label)


def _write(places: Places, name: str, split: str, records: Iterable[Labelled]) -> LabelledSet:
    # Named by its content only once that is known; two processes may be at it at once.
    scratch = places.cache / name / f"{split}-of-{os.getpid()}"
    written = LabelledSet.write(scratch, records)
    path = _file(places, name, split, written.digest)
    scratch.replace(path)
    return LabelledSet(str(path), written.count, written.digest)


def _file(places: Places, name: str, split: str, digest: str) -> Path:
    return places.cache / name / f"{split}-{digest[:16]}"


def _count(path: Path) -> int:
    """Records of a file, by its length prefixes."""
    count = 0
    with path.open("rb") as file:
        while head := file.read(4):
            file.seek(int.from_bytes(head, "big"), 1)
            count += 1
    return count
