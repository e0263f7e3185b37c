"""Code search: what is called CodeSearchNet, one task for each protocol, and pairs of your own in its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from harness.errors import DataError
from tasks.codesearchnet import catalogue
from tasks.codesearchnet.pair_scorer import Rules
from tasks.codesearchnet.pair_scoring import PairScoring
from tasks.codesearchnet.pairs import PairFiles
from tasks.codesearchnet.task import CodeSearchTask
from tasks.codesearchnet.variants import STRIPPED
from tasks.codesearchnet.webquery import WebQueryTask

_ENDINGS = (".jsonl", ".jsonl.gz")


class CodeSearchNetFamily:
    """Every protocol, and any file or folder of records in CodeSearchNet's format."""

    name = "codesearchnet"

    def tasks(self) -> Sequence[Task]:
        """The catalogue, without touching a file."""
        return [*catalogue.tasks(), WebQueryTask()]

    def suites(self) -> Sequence[Suite]:
        """Means over languages, never over pooled queries."""
        return catalogue.suites()

    def open(self, path: Path) -> Task:
        """A file of records, or a folder of such files. Raises `DataError` if there is none."""
        place = path.expanduser().resolve()
        files = sorted(file for file in place.iterdir() if file.name.endswith(_ENDINGS)) if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            raise DataError(
                f"{path} holds no records",
                hint="Give a .jsonl or .jsonl.gz file of records in CodeSearchNet's format, or a folder of them.",
            )
        name = place.name
        for ending in reversed(_ENDINGS):
            name = name.removesuffix(ending)
        return CodeSearchTask(
            name=f"codesearchnet:{name}",
            about="Your own pairs: find the code by its documentation, which is taken out of it.",
            protocol="csn-pairs-1",
            source=PairFiles(tuple(files)),
            scoring=PairScoring(Rules(cut=None)),
            variant=STRIPPED,
        )


FAMILY = CodeSearchNetFamily()
