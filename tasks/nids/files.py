"""Finding the files of a data set: by what is in them, since two names circulate for the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.digest import file_digest
from harness.errors import DataError
from tasks.nids.catalogue import DataSet, Source


def candidates(data_set: DataSet, source: Source, root: Path) -> Iterator[Path]:
    """Files below the data root that go by one of the source's names."""
    folder = root / "nids" / data_set.folder
    for name in source.names:
        yield from sorted(folder.glob(name))


def found(data_set: DataSet, source: Source, root: Path) -> Path | None:
    """The file of a source; where names circulate swapped, the one with its content, else with its number of rows."""
    swapped = sum(bool(set(source.names) & set(other.names)) for other in data_set.sources) > 1
    for path in candidates(data_set, source, root):
        if not swapped or _is(source, path):
            return path
    return None


def check_rows(path: Path, source: Source, rows: int) -> None:
    """Raises `DataError` if the file does not have as many flows as the source."""
    if source.rows and rows != source.rows:
        raise DataError(
            f"{path} has {rows:,} flows; {source.names[0]} has {source.rows:,}",
            hint="Is it cut off, or another file under that name?",
        )


def check_is_no_impostor(path: Path) -> None:
    """Raises `DataError` for flows of KDD Cup '99, which circulate under the names of NSL-KDD."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    if first.rstrip().rpartition(",")[2].endswith(".") or ",normal." in first:
        raise DataError(
            f"{path} holds flows of KDD Cup '99 (labels such as “normal.”), not NSL-KDD",
            hint="A file of that kind circulates as KDDTrain+. NSL-KDD has 43 columns: 41 features, label, difficulty.",
        )


def _is(source: Source, path: Path) -> bool:
    if source.sha256:
        return file_digest(path) == source.sha256
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return blob == source.git_blob or (source.rows > 0 and content.count(b"\n") in (source.rows, source.rows + 1))
