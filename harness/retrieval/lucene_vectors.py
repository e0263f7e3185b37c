"""Learned sparse vectors from files: JSON lines of {"id": …, "vector": {term: weight}}, as Anserini reads them.

A file may have been made by anyone, so every complaint names file and line, and sizes are limited.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from harness.digest import combined_digest, file_digest
from harness.errors import SubmissionError
from harness.retrieval.lucene_index import RESERVED

_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_MAX_LINE_BYTES = 64 << 20
_MAX_TERM_CHARACTERS = 8191
"""Lucene takes 32,766 bytes."""
MAX_WEIGHTS = 2**31 - 1
"""Lucene counts a document's term frequencies in an int."""


class Vector(msgspec.Struct, frozen=True):
    """A line of a file; other keys of it are passed over."""

    id: str
    vector: dict[str, float]


def vector_files(path: Path) -> list[Path]:
    """The file, or the JSON-lines files of a folder (plain or gzipped) by name.

    Raises `SubmissionError` if there is none.
    """
    if path.is_file():
        return [path]
    files = sorted(file for file in path.glob("*") if file.name.endswith(_SUFFIXES)) if path.is_dir() else []
    if not files:
        raise SubmissionError(
            f"there are no vectors in {path}",
            hint=f"It should be a file of JSON lines or a folder of {', '.join(_SUFFIXES)}, beside the submission.",
        )
    return files


def vectors_digest(path: Path) -> str:
    """sha256 over the content of the files, in order; how they are called does not matter."""
    return combined_digest(**{str(place): file_digest(file) for place, file in enumerate(vector_files(path))})


def read_vectors(path: Path) -> Iterator[tuple[str, Vector]]:
    """Each vector, with its file and line for complaints.

    Raises `SubmissionError` for a line that is malformed, an id that was there before, and a weight that is negative
    or beyond Lucene's numbers.
    """
    decode = msgspec.json.Decoder(Vector).decode
    seen: set[str] = set()
    for file in vector_files(path):
        for number, line in _lines(file):
            where = f"{file}, line {number}"
            try:
                vector = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise SubmissionError(f"{where}: {error}", hint='A line is {"id": …, "vector": {…}}.') from error
            if vector.id in seen:
                raise SubmissionError(f"{where}: {vector.id!r} has a vector already", hint="Keep one line for an id.")
            if bad := next((term for term, weight in vector.vector.items() if not 0 <= weight <= MAX_WEIGHTS), None):
                raise SubmissionError(
                    f"{where}: the weight {vector.vector[bad]} of {bad!r} cannot be",
                    hint=f"Weights are from 0 to {MAX_WEIGHTS:,}.",
                )
            seen.add(vector.id)
            yield where, vector


def document_vectors(path: Path, corpus_ids: set[str], scale: float | None) -> Iterator[tuple[str, dict[str, int]]]:
    """The vectors of a corpus's documents, in the order of the files, in whole numbers. Empties `corpus_ids`.

    Vectors of other documents are passed over if every document has its own: then they are of a larger collection.
    Raises `SubmissionError` if not, for they are of another one; and as `read_vectors` and `whole_weights` do.
    """
    total, stranger = len(corpus_ids), ""
    for where, document in read_vectors(path):
        if document.id in corpus_ids:
            corpus_ids.remove(document.id)
            yield document.id, whole_weights(where, document.vector, scale)
        else:
            stranger = stranger or f"{where}: {document.id!r} is not among the task's documents, and "
    if corpus_ids and (stranger or len(corpus_ids) == total):
        raise SubmissionError(
            f"{stranger or f'{path}: '}{len(corpus_ids)} of them, such as {min(corpus_ids)!r}, have no vector",
            hint="The vectors may be of another data set, or of another version of this one.",
        )


def whole_weights(where: str, vector: Mapping[str, float], scale: float | None) -> dict[str, int]:
    """Document weights as whole numbers, which is what Lucene keeps; terms of weight 0 are left out.

    Raises `SubmissionError` for a fraction where there is no `scale`, and for terms and sums beyond Lucene's limits.
    """
    weights = {}
    for term, weight in vector.items():
        if scale is None and not float(weight).is_integer():
            raise SubmissionError(
                f"{where}: the weight {weight} of {term!r} is not a whole number",
                hint="Set `vector_scale` (100 is usual): weights are multiplied by it and rounded.",
            )
        if not term or len(term) > _MAX_TERM_CHARACTERS or any(character in term for character in RESERVED):
            raise SubmissionError(
                f"{where}: {term[:40]!r} cannot be a term",
                hint=f"1 to {_MAX_TERM_CHARACTERS:,} characters, no control characters U+001E and U+001F.",
            )
        if whole := round(weight * (scale or 1)):
            weights[term] = whole
    if sum(weights.values()) > MAX_WEIGHTS:
        raise SubmissionError(
            f"{where}: the weights add up to more than {MAX_WEIGHTS:,}", hint="Take a lower vector_scale."
        )
    return weights


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line that is not blank."""
    number = 0
    try:
        with _opened(path) as file:
            while line := file.readline(_MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > _MAX_LINE_BYTES:
                    raise SubmissionError(
                        f"{path}, line {number}: more than {_MAX_LINE_BYTES:,} bytes", hint="Is it JSON lines at all?"
                    )
                if not line.isspace():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise SubmissionError(f"cannot read {path}, after line {number}: {error}") from error


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
