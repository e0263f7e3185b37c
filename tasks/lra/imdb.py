"""Reviews of films, as bytes: positive or negative? From the archive of Maas et al. (2011), or from JSON lines of it.

Long Range Arena selects models on the test split, for it has no other. Here a tenth of the training reviews, by the
hash of their bytes, is for validation.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from harness.contract import Places
from harness.errors import DataError
from tasks.lra.lines import AGAIN, numbered
from tasks.lra.splits import Pair, Splits, cut

LABELS = ("negative", "positive")
LENGTH = 4000
"""Bytes of a review that are kept: the length in the paper's table."""
_VALIDATION = 2500
_ARCHIVE = "aclImdb_v1.tar.gz"
_LINES = ("train.jsonl.xz", "test.jsonl.xz")
FILES = ((_ARCHIVE,), _LINES)
"""Either the one, or the others."""
_MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/\d+_\d+\.txt")
_REVIEWS = 12_500
"""Of each label in each split."""
_LARGEST = 1 << 20


class _Review(msgspec.Struct):
    """A line."""

    label: Literal[0, 1]
    text: str


def read(folder: Path, places: Places) -> Splits:
    """The reviews with their labels. Raises `DataError` for files that are missing, broken or not complete."""
    if (folder / _ARCHIVE).is_file():
        train, test = _of_archive(folder / _ARCHIVE)
    else:
        train, test = (list(_of_lines(folder / name)) for name in _LINES)
    for split, pairs in (("train", train), ("test", test)):
        counts = Counter(label for _, label in pairs)
        if any(counts[label] != _REVIEWS for label in LABELS):
            found = ", ".join(f"{counts[label]:,} {label}" for label in LABELS)
            raise DataError(f"{folder}: the split {split} has {found} reviews, not {_REVIEWS:,} of each", hint=AGAIN)
    parts = cut(train, _VALIDATION)
    return Splits(parts.train, parts.validation, test)


HINT = f"Put {_ARCHIVE} of https://ai.stanford.edu/~amaas/data/sentiment there."


def _of_lines(path: Path) -> Iterator[Pair]:
    decode = msgspec.json.Decoder(_Review).decode
    for number, line in numbered(path):
        try:
            review = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}, line {number}: {error}", hint=AGAIN) from error
        yield review.text.encode()[:LENGTH], LABELS[review.label]


def _of_archive(path: Path) -> tuple[list[Pair], list[Pair]]:
    """The reviews in an archive, which is read as a stream and never unpacked."""
    found: dict[str, list[Pair]] = {"train": [], "test": []}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                match = _MEMBER.fullmatch(member.name)
                if not match or not member.isreg():
                    continue
                if member.size > _LARGEST:
                    raise DataError(f"{path}, {member.name!r}: more than {_LARGEST:,} bytes long")
                file = archive.extractfile(member)
                assert file is not None
                label = LABELS[match[2] == "pos"]
                found[match[1]].append((file.read()[:LENGTH], label))
                if sum(map(len, found.values())) > 4 * _REVIEWS:
                    raise DataError(f"{path} has more than {4 * _REVIEWS:,} labelled reviews")
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not an archive that can be read: {error}", hint=AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", hint=AGAIN) from error
    return found["train"], found["test"]
