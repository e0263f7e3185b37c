"""What a model is given: examples without labels, the data to prepare from, and the means to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import msgspec

from harness.records import read_jsonl, read_stream, write_stream

if TYPE_CHECKING:
    from harness.contract.answers import Cost

_T = TypeVar("_T")


class Image(msgspec.Struct, frozen=True):
    """A picture on disk, named by its content."""

    path: str
    sha256: str

    def read_bytes(self) -> bytes:
        """The encoded file (PNG, JPEG …)."""
        return Path(self.path).read_bytes()


class ByteSequence(msgspec.Struct, frozen=True, tag="bytes"):
    """A long sequence of symbols below 256: characters of a text, pixels of a picture."""

    data: bytes


class Prompt(msgspec.Struct, frozen=True, tag="prompt", omit_defaults=True):
    """A generation input: text, and the images that it refers to in order."""

    text: str
    images: tuple[Image, ...] = ()
    system: str = ""


Input: TypeAlias = str | list[float | str | None] | ByteSequence | Prompt
"""Text (a query), a row of features, a sequence of symbols, or a prompt."""


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question to a model, under an id that is stable over runs and versions."""

    id: str
    input: Input
    candidates: tuple[str, ...] | None = None
    """Ids to choose from, where the protocol restricts them."""
    groups: dict[str, str] = {}
    """Subgroup by name (language, length bin …), for analyses. Stays in the parent process."""


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document of a corpus, in the field names of the BEIR layout."""

    id: str = msgspec.field(name="_id")
    text: str = ""
    title: str = ""


class Labelled(msgspec.Struct, frozen=True):
    """A training or validation example with its label."""

    id: str
    input: Input
    label: str


class _Records(msgspec.Struct, frozen=True):
    """A file of records that a worker streams: its path, number of records and content digest (sha256)."""

    path: str
    count: int
    digest: str

    def __len__(self) -> int:
        return self.count


class Corpus(_Records, frozen=True):
    """Documents as JSON lines: `_id`, `title`, `text`."""

    def __iter__(self) -> Iterator[Document]:
        return read_jsonl(Path(self.path), Document)


class LabelledSet(_Records, frozen=True):
    """Labelled examples in a file that a worker streams."""

    def __iter__(self) -> Iterator[Labelled]:
        return read_stream(Path(self.path), Labelled)

    @classmethod
    def write(cls, path: Path, records: Iterable[Labelled]) -> LabelledSet:
        """Write the records, atomically; name the file by what it holds, for the cache is shared."""
        count, digest = write_stream(path, records)
        return cls(path=str(path), count=count, digest=digest)


class Column(msgspec.Struct, frozen=True):
    """A feature of a table's rows."""

    name: str
    kind: Literal["number", "category"]


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much and what a task asks of every prediction."""

    depth: int = 0
    """Documents to rank for each query (self-retrieval allowance included)."""
    labels: tuple[str, ...] = ()
    """The classes to choose from."""
    columns: tuple[Column, ...] = ()
    """What the values of a row of features are, in their order."""
    window: int = 1
    """Rows in a test example: the one to label stands last, after its predecessors (None before the first row), all in
    one list. Training rows come one by one in the same order."""
    max_output_tokens: int = 0
    samples: int = 1
    """Independent texts to generate for each prompt."""


class Inputs(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a task hands to the model's process, apart from the examples themselves."""

    request: Request = Request()
    corpus: Corpus | None = None
    train: LabelledSet | None = None
    validation: LabelledSet | None = None
    support: LabelledSet | None = None
    """Few-shot examples."""


Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, total, unit) while a model prepares."""


Charge: TypeAlias = "Callable[[Cost], None]"
"""Called with the first cost of work that was found in a cache or a checkpoint."""


def _silent(done: int, total: int, unit: str) -> None:
    return None


def _free(cost: Cost) -> None:
    return None


@dataclass(frozen=True)
class Resources:
    """Everything a model may use: the task's inputs, folders of its own, and the seed."""

    inputs: Inputs
    example_ids: Sequence[str]
    """Ids of all examples of the task, in order; with `--limit` only the first are asked."""
    scratch: Path
    """Private to this run and kept until it is done: checkpoints here survive a crash."""
    cache: Path
    """Shared between runs; write atomically, under a name that is a content digest."""
    seed: int = 0
    progress: Progress = field(default=_silent)
    charge: Charge = field(default=_free)
    """Reused work is not free: pass what it took when it was done, and the run is charged for it, flagged as cached."""

    @property
    def corpus(self) -> Corpus:
        """The corpus; raises if the task has none."""
        return _present(self.inputs.corpus, "corpus")

    @property
    def train(self) -> LabelledSet:
        """The training split; raises if the task has none."""
        return _present(self.inputs.train, "train split")

    @property
    def validation(self) -> LabelledSet:
        """The validation split; raises if the task has none."""
        return _present(self.inputs.validation, "validation split")

    @property
    def request(self) -> Request:
        return self.inputs.request


def _present(value: _T | None, what: str) -> _T:
    if value is None:
        raise ValueError(f"this task provides no {what}")
    return value
