"""The BEIR family: zero-shot retrieval, scored as Thakur et al. (2021) do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from tasks.beir.catalogue import COLLECTIONS
from tasks.beir.collection import CollectionTask
from tasks.beir.folder import FolderTask
from tasks.beir.python_docs import PythonDocs
from tasks.beir.suites import suites
from tasks.beir.unpacking import ZipTask


class BeirFamily:
    """Every BEIR collection, the embedded one, and any folder in BEIR layout."""

    name = "beir"

    def tasks(self) -> Sequence[Task]:
        """The catalogue, without touching a file."""
        return [PythonDocs(), *(CollectionTask(collection) for collection in COLLECTIONS)]

    def suites(self) -> Sequence[Suite]:
        """The averages over the catalogue."""
        return suites()

    def open(self, path: Path) -> Task:
        """A folder in BEIR layout, or a zip of one. Raises `harness.errors.DataError` if it is not one."""
        return ZipTask.open(path) if path.expanduser().is_file() else FolderTask.open(path)


FAMILY = BeirFamily()
