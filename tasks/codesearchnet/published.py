"""Files that were published once: where they lie in the data root, and whether they are still the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from harness.digest import file_digest
from harness.errors import DataError


@dataclass(frozen=True)
class PublishedFile:
    """A file below `codesearchnet/` of the data root; without a `sha256` only its counts are checked."""

    name: str
    sha256: str = ""

    def at(self, places: Places) -> Path:
        return places.data / "codesearchnet" / self.name

    def checked(self, places: Places) -> Path:
        """Where it is. Raises `DataError` if it is another file than the published one."""
        path = self.at(places)
        if self.sha256 and (found := file_digest(path)) != self.sha256:
            raise DataError(
                f"{path} is not the published {path.name}: expected sha256 {self.sha256}, found {found}",
                hint="It may be half-downloaded: delete it and fetch it again. Pairs of your own run as "
                f"`--task codesearchnet:{path}`.",
            )
        return path


def counted(where: Path, what: str, expected: int, found: int, hint: str = "") -> None:
    """Raises `DataError` unless a set is as large as it was when scores were published on it."""
    if expected != found:
        raise DataError(
            f"{where}: expected {expected:,} {what}, found {found:,}",
            hint=hint or "Scores on other candidates than the published ones cannot be compared with those.",
        )
