"""Unpacking archives that we did not make: nothing leaves the folder, nothing swells without bound."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from harness.contract import Progress
from harness.errors import DataError

_BLOCK_BYTES = 1 << 20
_MEGABYTE = 10**6


def unpack_zip(
    path: Path, target: Path, *, max_bytes: int, max_ratio: float, max_files: int, progress: Progress | None = None
) -> None:
    """Unpack a zip file into the new folder `target`, all of it or nothing.

    `max_bytes` bounds what is written, `max_ratio` that amount over the archive's own size, `max_files` the
    entries. Sizes are counted while unpacking, because headers can lie and entries can overlap. `progress` is told
    the megabytes written, of those that the headers promise.

    Raises `DataError` for a broken, encrypted, oversized or hostile archive, and if `target` exists.
    """
    if target.exists():
        raise DataError(f"{target} exists already", hint="Delete it to unpack again.")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch,
            zipfile.ZipFile(path) as archive,
        ):
            # A folder inside the private one, so that the result has the user's ordinary permissions.
            content = Path(scratch) / "content"
            content.mkdir()
            entries = archive.infolist()
            if len(entries) > max_files:
                raise DataError(f"{path} has {len(entries):,} entries, more than the {max_files:,} allowed")
            limit = min(max_bytes, int(path.stat().st_size * max_ratio))
            budget = _Budget(path, limit, sum(entry.file_size for entry in entries), progress)
            for entry in entries:
                _unpack_entry(archive, entry, content, budget)
            content.rename(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is not a zip file that can be read: {error}", hint=_AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot unpack {path} into {target}: {error.strerror or error}") from error


_AGAIN = "It may be half-downloaded: delete it and fetch it again."


class _Budget:
    """Bytes that have been written, at most `limit`; `promised` is what the headers say will be."""

    def __init__(self, path: Path, limit: int, promised: int, progress: Progress | None) -> None:
        self._path, self._limit, self._promised, self._progress = path, limit, promised, progress
        self._spent = 0

    def spend(self, amount: int) -> None:
        self._spent += amount
        if self._progress:
            self._progress(self._spent // _MEGABYTE, self._promised // _MEGABYTE, f"MB of {self._path.name}")
        if self._spent > self._limit:
            raise DataError(
                f"{self._path} unpacks to more than {self._limit:,} bytes",
                hint="It looks like a zip bomb; nothing of it was kept.",
            )


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, content: Path, budget: _Budget) -> None:
    _refuse_hostile(archive, entry)
    place = content / entry.filename
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    # "x": an entry that is there twice is an error, not a silent replacement.
    with archive.open(entry) as source, place.open("xb") as sink:
        _copy(source, sink, budget)


def _refuse_hostile(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    where = f"{archive.filename}, entry {name!r}"
    if entry.flag_bits & 0x1:
        raise DataError(f"{where} is encrypted")
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.drive or windows.root or "\0" in name:
        raise DataError(f"{where} is not a relative path")
    if "\\" in name or ".." in PurePosixPath(name).parts:
        raise DataError(f"{where} leads out of its folder")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is compressed in a way other than deflate")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{where} is a link or a device, not a file")


def _copy(source: IO[bytes], sink: IO[bytes], budget: _Budget) -> None:
    while block := source.read(_BLOCK_BYTES):
        budget.spend(len(block))
        sink.write(block)
