"""The public BEIR zips: from where the user has them, else downloaded through ir_datasets, always checked by md5."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from harness.digest import file_digest
from harness.errors import DataError
from tasks.beir.unpacking import unpack, unpacked_folder


@dataclass(frozen=True)
class PublicZip:
    """A zip of the BEIR distribution."""

    name: str
    """Without `.zip`, as a user keeps it in the data root."""
    folder: str
    """The one folder that it holds."""
    md5: str
    bytes: int
    key: str
    """Its name in the download list of ir_datasets."""

    def kept(self, places: Places) -> Path | None:
        """The file, where it can be had without a network: in the data root, or where ir_datasets keeps downloads."""
        home = Path(os.environ.get("IR_DATASETS_HOME") or Path.home() / ".ir_datasets")
        found = [
            places.data / "beir" / f"{self.name}.zip",
            home / "downloads" / self.md5,
            home / "beir" / self.key / "source.zip",
        ]
        return next((path for path in found if path.is_file()), None)

    def unpacked(self, places: Places) -> Path:
        """Where its folder is once it has been unpacked."""
        return unpacked_folder(places.cache, self.md5) / self.folder

    def fetch(self, places: Places) -> None:
        """Put its folder into the cache, whole or not at all.

        Raises `DataError` if it cannot be had, is not the published file, or the cache cannot be written.
        """
        path = self.kept(places) or self._download(places)
        if (found := file_digest(path, "md5")) != self.md5:
            raise DataError(
                f"{path} is not the published {self.name}.zip: expected md5 {self.md5}, found {found}",
                hint="It may be half-downloaded: delete it and run again. "
                f"A zip of your own runs as `--task beir:{path}`.",
            )
        unpack(path, self.md5, places)
        if not self.unpacked(places).is_dir():
            raise DataError(f"{path} holds no folder {self.folder}", hint="It is not a zip in BEIR layout.")

    def _download(self, places: Places) -> Path:
        """ir_datasets shows how far it is, resumes, and keeps the file in its home."""
        try:
            # At its import ir_datasets makes its home folder, so that can fail too.
            from ir_datasets.util import DownloadConfig, home_path

            downloads = DownloadConfig.context("beir", home_path() / "beir")
            return Path(downloads[self.key].path())
        # ir_datasets reports a failed check as OSError, a full disk or several failures as RuntimeError.
        except (OSError, RuntimeError) as error:
            placed = places.data / "beir"
            raise DataError(
                f"{self.name}.zip (md5 {self.md5}) is not here and could not be downloaded: {error}",
                hint=f"Put the zip at {placed / self.name}.zip, or its folder at {placed / self.name}. "
                "beir/python-docs needs no network.",
            ) from error
