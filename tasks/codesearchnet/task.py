"""A protocol as a task: where its files are, what its card says, and how it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.contract import DataStatus, Places, TaskCard, Workload
from harness.errors import DataError
from tasks.codesearchnet.challenge_scorer import ChallengeScoring
from tasks.codesearchnet.collection import Collection, workload
from tasks.codesearchnet.pair_scoring import PairScoring
from tasks.codesearchnet.variants import AS_IT_IS, Variant

FAMILY_NAME = "codesearchnet"
CITATION = (
    "Husain, Wu, Gazit, Allamanis, Brockschmidt (2019): CodeSearchNet Challenge: Evaluating the State of Semantic "
    "Code Search. arXiv:1909.09436"
)


class Source(Protocol):
    """Where the queries and codes of a protocol come from."""

    def files(self, places: Places) -> Sequence[Path]:
        """The files that have to be there; none if nothing has."""
        ...

    def read(self, places: Places) -> Collection:
        """Raises `DataError` for files that are missing, broken or others than the published."""
        ...


@dataclass(frozen=True, kw_only=True)
class CodeSearchTask:
    """One protocol, in one variant."""

    name: str
    about: str
    protocol: str
    source: Source
    scoring: PairScoring | ChallengeScoring = field(default_factory=PairScoring)
    depth: int = 1000
    variant: Variant = AS_IT_IS
    licence: str = "each function keeps the licence of its repository"
    citation: str = CITATION
    url: str = "https://github.com/github/CodeSearchNet"
    marks: tuple[str, ...] = ()
    generated: bool = False
    how_to_get: str = ""

    @property
    def card(self) -> TaskCard:
        variant = f" Variant: {self.variant.about}." if self.variant.about else ""
        return TaskCard(
            name=self.name,
            family=FAMILY_NAME,
            protocol=self.protocol,
            primary_metric=self.scoring.primary_metric,
            needs=frozenset({"ranking"}),
            description=f"{self.about}{variant}",
            generated=self.generated,
            marks=self.marks + ((self.variant.name,) if self.variant.name else ()),
            licence=self.licence,
            citation=self.citation,
            url=self.url,
        )

    def status(self, places: Places) -> DataStatus:
        """Here if all its files are; nothing is downloaded, for the official place is gone."""
        files = self.source.files(places)
        if not files:
            return DataStatus("embedded", str(places.cache / "generated"))
        missing = [path for path in files if not path.is_file()]
        if not missing:
            return DataStatus("here", str(files[0].parent))
        return DataStatus("manual", str(missing[0].parent), f"no {missing[0].name}. {self.how_to_get}")

    def load(self, places: Places) -> Workload:
        """Read the files, check them, look for leaks. Raises `DataError`."""
        for path in self.source.files(places):
            if not path.is_file():
                raise DataError(f"{self.name} needs {path}, which is not there", hint=self.how_to_get or _DOCS)
        return workload(
            self.source.read(places),
            self.variant,
            self.scoring,
            protocol=self.protocol,
            depth=self.depth,
            places=places,
        )


_DOCS = "docs/codesearch.md says where each set can be had and how its files are called."
