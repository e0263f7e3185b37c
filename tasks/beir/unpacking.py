"""Zips of BEIR folders: unpacked once, into the cache, under the digest of what they hold."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.archives import unpack_zip
from harness.contract import DataStatus, Places, TaskCard, Workload
from harness.digest import file_digest
from harness.errors import DataError
from tasks.beir.folder import load_folder, own_card
from tasks.beir.layout import HINT, Layout, choose_split

# The largest, cqadupstack, is 5 GB; text in JSON shrinks to no less than a tenth.
_MAX_BYTES = 100 * 10**9
_MAX_RATIO = 50
_MAX_FILES = 10_000


def unpacked_folder(cache: Path, digest: str) -> Path:
    """Where the content of a zip with this digest is, or will be."""
    return cache / "unpacked" / digest


def unpack(path: Path, digest: str, places: Places) -> Path:
    """The content of a zip that has this digest. Raises `DataError` if it cannot be unpacked within the limits."""
    folder = unpacked_folder(places.cache, digest)
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write to {folder.parent}: {error.strerror}", hint="Set HARNESS_CACHE to a folder you may write."
        ) from error
    try:
        unpack_zip(
            path,
            folder,
            max_bytes=_MAX_BYTES,
            max_ratio=_MAX_RATIO,
            max_files=_MAX_FILES,
            progress=places.progress,
        )
    except DataError:
        if not folder.is_dir():  # else somebody was faster: it is the same content
            raise
    return folder


@dataclass(frozen=True)
class ZipTask:
    """A user's own zip of one folder in BEIR layout, as a task named `beir:<name of the zip>`."""

    path: Path
    inner: PurePosixPath
    """The folder in the zip that holds corpus.jsonl."""
    split: str

    @classmethod
    def open(cls, path: Path) -> ZipTask:
        """Find the folder and the split in the zip's list. Raises `DataError` if it has none, or several."""
        path = path.expanduser().resolve()
        entries = _list(path)
        folders = sorted({entry.parent for entry in entries if entry.name == "corpus.jsonl"})
        if not folders:
            raise DataError(f"{path} holds no corpus.jsonl", hint=HINT)
        if len(folders) > 1:
            raise DataError(
                f"{path} holds {len(folders)} collections: {', '.join(map(str, folders))}",
                hint="Unpack it, and give the folder of one of them. cqadupstack.zip runs as beir/cqadupstack "
                "from the folder beir of the data root.",
            )
        qrels = folders[0] / "qrels"
        splits = [entry.stem for entry in entries if entry.parent == qrels and entry.suffix == ".tsv"]
        return cls(path, folders[0], choose_split(splits, f"{path}, {qrels}"))

    @property
    def card(self) -> TaskCard:
        return own_card(self.path.stem, self.split)

    def status(self, places: Places) -> DataStatus:
        if self.path.is_file():
            return DataStatus("here", str(self.path))
        return DataStatus("manual", str(self.path), "the zip is gone")

    def load(self, places: Places) -> Workload:
        """Unpack it, unless its content is in the cache, and read it. Raises `DataError`."""
        folder = unpack(self.path, file_digest(self.path), places)
        return load_folder(Layout(folder / self.inner, self.split), places.progress)


def _list(path: Path) -> Sequence[PurePosixPath]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [PurePosixPath(entry.filename) for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"{path} is neither a folder nor a zip file that can be read: {error}",
            hint=f"It may be half-downloaded: delete it and fetch it again. {HINT}",
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint=HINT) from error
