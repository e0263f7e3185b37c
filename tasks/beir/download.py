"""Fetching the public BEIR zips: from where the user put them, else through ir_datasets, always by md5."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.archives import unpack_zip
from harness.digest import file_digest
from harness.errors import DataError

# The largest, cqadupstack, is 5 GB; text in JSON shrinks to no less than a tenth.
_MAX_BYTES = 100 * 10**9
_MAX_RATIO = 50
_MAX_FILES = 10_000


@dataclass(frozen=True)
class PublicZip:
    """A zip of the BEIR distribution, which holds one folder of the same name."""

    name: str
    md5: str
    ir_datasets_key: str
    """Its name in the download list of ir_datasets."""


def fetch(archive: PublicZip, root: Path) -> None:
    """Put the archive's folder under `root`, whole or not at all.

    Looks for `<root>/<name>.zip`, then for a copy that ir_datasets keeps, then downloads.
    Raises `DataError` if it cannot be had, is not the published file, or `root` cannot be written.
    """
    _require_writable(root)
    path = _find_zip(archive, root)
    found = file_digest(path, "md5")
    if found != archive.md5:
        raise DataError(
            f"{path} is not the published {archive.name}.zip: expected md5 {archive.md5}, found {found}",
            hint="It may be half-downloaded: delete it and run again.",
        )
    _unpack(archive, path, root)


def _require_writable(root: Path) -> None:
    """Find out before the download, by writing: permissions alone do not tell."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=root).cleanup()
    except OSError as error:
        raise DataError(
            f"cannot write to {root}: {error.strerror}",
            hint="Give a data root that you may write, by --data or HARNESS_DATA.",
        ) from error


def _find_zip(archive: PublicZip, root: Path) -> Path:
    placed = root / f"{archive.name}.zip"
    if placed.is_file():
        return placed
    try:
        # At its import ir_datasets makes its home folder, so that can fail too.
        from ir_datasets.util import DownloadConfig, home_path

        # ir_datasets looks there by itself, but not for files under 5 MB.
        kept: Path = home_path() / "downloads" / archive.md5
        if kept.is_file():
            return kept
        downloads = DownloadConfig.context("beir", home_path() / "beir")
        return Path(downloads[archive.ir_datasets_key].path())
    # ir_datasets reports a failed check as OSError, a full disk or several failures as RuntimeError.
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{archive.name}.zip (md5 {archive.md5}) is not here and could not be downloaded: {error}",
            hint=f"Put the zip at {placed}, or its folder at {root / archive.name}. beir/python-docs needs no network.",
        ) from error


def _unpack(archive: PublicZip, path: Path, root: Path) -> None:
    folder = root / archive.name
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=root) as scratch:
        content = Path(scratch) / "content"
        unpack_zip(path, content, max_bytes=_MAX_BYTES, max_ratio=_MAX_RATIO, max_files=_MAX_FILES)
        try:
            (content / archive.name).rename(folder)
        except OSError as error:
            # Somebody else may have unpacked the same data meanwhile: it has the same md5.
            if not folder.is_dir():
                raise DataError(f"{path} holds no folder {archive.name}: {error.strerror}") from error
