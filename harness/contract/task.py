"""What a task is: a card, data without labels for the worker, and a scorer that keeps the labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from harness.contract.answers import Prediction
from harness.contract.given import Example, Inputs, Progress, _silent

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FloatArray: TypeAlias = "npt.NDArray[np.float64]"


@dataclass(frozen=True)
class Places:
    """Where things live on this machine, and who is told how far a long load is."""

    data: Path
    """Data root: `--data`, else HARNESS_DATA, else a folder of the cache. May be read-only."""
    cache: Path
    progress: Progress = field(default=_silent, compare=False)
    """Called with (done, total, unit) while a task reads or unpacks its data."""

    @classmethod
    def default(cls, data: Path | None = None) -> Places:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = Path(os.environ.get("HARNESS_CACHE") or home / "equal-footing")
        root = data or Path(os.environ.get("HARNESS_DATA") or cache / "data")
        return cls(data=root.expanduser().resolve(), cache=cache.expanduser().resolve())


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """What a reader must know of a task before believing a number on it."""

    name: str
    """Such as `beir/scifact`."""
    family: str
    protocol: str
    """Name and version of the protocol, such as `beir-1`; a change of rules is a new version."""
    primary_metric: str
    needs: frozenset[str]
    description: str
    generated: bool = False
    """True when the data was made by a program, not collected."""
    marks: tuple[str, ...] = ()
    """What a reader must know before comparing, in two or three words: `random split`, `order has no meaning`."""
    on_request: bool = False
    """True for a task that runs where it is named only: one that would mislead, one of very many, or one that takes
    hours."""
    licence: str = "unknown"
    citation: str = ""
    url: str = ""


Aggregate: TypeAlias = "Callable[[Mapping[str, FloatArray], FloatArray], FloatArray]"
"""Columns (name -> [n]) and example weights [draws, n] in, one value for each draw [draws] out."""


@dataclass(frozen=True)
class Metric:
    """A number over examples: its field name, and how columns of per-example statistics make it."""

    name: str
    aggregate: Aggregate
    higher_is_better: bool = True
    description: str = ""
    """One line for readers who do not know it."""


class Scorer(Protocol):
    """The gold answers and the rules; stays in the parent process."""

    metrics: Sequence[Metric]

    def check(self, prediction: Prediction) -> None:
        """Raise `harness.errors.InvalidPrediction` if the prediction breaks the protocol (NaN, unknown ids …)."""
        ...

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Per-example statistics, each array aligned with `example_ids`; a missing prediction is scored."""
        ...

    def gold(self, example_id: str) -> Any:
        """The answer key of an example as plain JSON values, for the examples view."""
        ...


@dataclass(frozen=True)
class Line:
    """A score that every answer should be held against, found from the data and not by a model."""

    name: str
    """Such as `majority` or `exact to depth 2`."""
    value: float
    """Of the task's primary metric."""
    kind: Literal["floor", "rung"]
    """A `floor` is reached without solving anything, and gains are counted from the best of them. A `rung` is what
    solves a part of the task; it is drawn, and never enters a gain."""
    description: str = ""


AuditRow: TypeAlias = Mapping[str, "str | int | float | None"]


@dataclass(frozen=True)
class Workload:
    """A task whose data is loaded and checked."""

    inputs: Inputs
    examples: Sequence[Example]
    scorer: Scorer
    digest: str
    """sha256 over the content of data and the protocol, whatever the files are called."""
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    """Counts a reader should see, such as dangling judgements."""
    notes: Sequence[str] = ()
    """Sentences for whoever runs it: what is odd about the data, with file and line of the first case."""
    lines: Sequence[Line] = ()
    """Floors and rungs of the primary metric."""
    audit: Mapping[str, Sequence[AuditRow]] = field(default_factory=dict)
    """Tables of what was found wrong or odd in the data (duplicates, leaks, class balance …), by title: stored with
    the task and shown on its page."""
    document_titles: Callable[[set[str]], Mapping[str, str]] | None = None
    """Titles of documents by id, so that the board can show what was ranked."""


@dataclass(frozen=True)
class DataStatus:
    """Whether a task's data is here, and what to do if it is not."""

    state: Literal["here", "embedded", "downloadable", "manual"]
    where: str
    hint: str = ""

    @property
    def ready(self) -> bool:
        """True if the task can run without a download."""
        return self.state in ("here", "embedded")


class Task(Protocol):
    """A benchmark under one named protocol."""

    @property
    def card(self) -> TaskCard: ...

    def status(self, places: Places) -> DataStatus:
        """Cheap: looks for files, reads none."""
        ...

    def load(self, places: Places) -> Workload:
        """Read (or download) and check the data. Raises `harness.errors.DataError`."""
        ...


class Family(Protocol):
    """A group of tasks that share a loader; registered under `equal_footing.tasks`.

    May also have `suites()`: a sequence of `Suite` over its tasks, each named like one of them.
    """

    name: str

    def tasks(self) -> Sequence[Task]: ...

    def open(self, path: Path) -> Task:
        """A user's own data of this family's layout. Raises `harness.errors.DataError`."""
        ...
