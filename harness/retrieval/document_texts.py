"""The text of any document of a corpus by its id, read from the file: 16 bytes of memory a document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from harness.contract import Corpus, Document
from harness.errors import DataError

_DOCUMENTS_PER_REPORT = 1000


class _Id(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


class DocumentTexts:
    """Where each document of a corpus stands in its file, by a hash of its id."""

    def __init__(self, corpus: Corpus, progress: Callable[[int, int, str], None]) -> None:
        self._path = Path(corpus.path)
        hashes: npt.NDArray[np.uint64] = np.empty(corpus.count, dtype=np.uint64)
        places: npt.NDArray[np.int64] = np.empty(corpus.count, dtype=np.int64)
        decode = msgspec.json.Decoder(_Id).decode
        offset = found = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    hashes[found], places[found] = _hash(decode(line).id), offset
                    found += 1
                    if found % _DOCUMENTS_PER_REPORT == 0:
                        progress(found, corpus.count, "documents")
                offset += len(line)
        by_hash = np.argsort(hashes[:found], kind="stable")
        self._hashes, self._places = hashes[by_hash], places[by_hash]

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def nbytes(self) -> int:
        return self._hashes.nbytes + self._places.nbytes

    def read(self, ids: Sequence[str]) -> list[Document]:
        """The documents, in the order of `ids`. Raises `DataError` for an id that the corpus does not have."""
        with self._path.open("rb") as file:
            return [self._read(file, id) for id in ids]

    def _read(self, file: BinaryIO, id: str) -> Document:
        wanted = _hash(id)
        for place in range(*np.searchsorted(self._hashes, [wanted, wanted + np.uint64(1)]).tolist()):
            file.seek(int(self._places[place]))
            document = msgspec.json.decode(file.readline(), type=Document)
            if document.id == id:
                return document
        raise DataError(f"the ranking to be reworked holds {id!r}, which is not in the corpus {self._path}")


def _hash(id: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big") >> 1)
