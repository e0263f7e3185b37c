"""The vocabulary of Equal Footing: what tasks, models and the loop say to each other.

Every record here can cross a process boundary (msgspec structs, msgpack on the wire), because a model runs in a
worker of its own. Nothing that a worker receives holds a test label: gold answers live in the task's `Scorer`,
which never leaves the parent process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray: TypeAlias = npt.NDArray[np.float64]

_T = TypeVar("_T")

Capability = Literal["ranking", "classes", "texts", "loglikelihood", "images"]
"""What a task needs of a model and a model offers; a pair fits when needs is a subset of offers."""


# --- What a model is given ---------------------------------------------------------------------------------------


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
    """Labelled examples as a msgpack stream, written by `harness.records.write_labelled`."""

    def __iter__(self) -> Iterator[Labelled]:
        from harness.records import read_labelled

        return read_labelled(Path(self.path))


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much and what a task asks of every prediction."""

    depth: int = 0
    """Documents to rank for each query (self-retrieval allowance included)."""
    labels: tuple[str, ...] = ()
    """The classes to choose from."""
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


# --- What a model answers ----------------------------------------------------------------------------------------


class Ranking(msgspec.Struct, frozen=True, tag="ranking"):
    """Documents with their scores, best first; ids unique, scores finite."""

    ids: list[str]
    scores: list[float]


class Classes(msgspec.Struct, frozen=True, tag="classes", omit_defaults=True):
    """The chosen label, and the score of each class where the model has one."""

    label: str
    scores: dict[str, float] = {}


class Texts(msgspec.Struct, frozen=True, tag="texts"):
    """Generated texts, one for each requested sample."""

    texts: list[str]


class LogLikelihood(msgspec.Struct, frozen=True, tag="loglikelihood"):
    """Log-probability (nats) of a byte string in its context, and its length in bytes."""

    nats: float
    byte_count: int


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """No answer, for a reason that running again would not change."""

    kind: Literal["over_limit", "refused", "unanswered"]
    message: str = ""


Output: TypeAlias = Ranking | Classes | Texts | LogLikelihood | Failure


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Work that a prediction took, counted and not timed, so that it can be priced later on any hardware."""

    stage: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens whose computation was reused."""
    output_tokens: int = 0
    image_tokens: int = 0
    batch_rows: int = 0
    """Rows of the padded batch that the example was computed in."""
    batch_tokens: int = 0
    """Length that the batch was padded to."""
    postings: int = 0
    """Inverted-list entries visited."""
    nodes: int = 0
    """Graph nodes visited."""
    documents: int = 0
    """Documents scored (scanned or reranked)."""


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model's answer to one example, with the work it took."""

    id: str
    output: Output
    usage: tuple[Usage, ...] = ()


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """Resources that a piece of work took in the worker process."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_rss_bytes: int = 0
    """Highest resident memory, less that of an empty worker."""
    cached: bool = False
    """True if part of the work was found in a cache or checkpoint and is charged at its first cost."""


class Prepared(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `prepare` left behind."""

    index_ram_bytes: int | None = None
    """What the index holds in memory; None where the model does not say."""
    index_disk_bytes: int | None = None
    facts: dict[str, str | int | float] = {}
    """Anything worth showing: vocabulary size, dimensions, truncated texts …"""


@runtime_checkable
class Model(Protocol):
    """A system under evaluation. Lives in a worker process and never sees a test label."""

    offers: frozenset[str]
    batch_size: int
    """Examples per `predict` call; a batch is what a crash can lose."""

    def prepare(self, resources: Resources) -> Prepared | None:
        """Index the corpus, train on the train split, load weights: whatever predictions need."""
        ...

    def predict(self, examples: Sequence[Example]) -> Sequence[Prediction]:
        """Answer the examples; one left out counts as unanswered."""
        ...


# --- What a task is ----------------------------------------------------------------------------------------------


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
class Workload:
    """A task whose data is loaded and checked."""

    inputs: Inputs
    examples: Sequence[Example]
    scorer: Scorer
    digest: str
    """sha256 over the content of data and the protocol, whatever the files are called."""
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    """Counts a reader should see, such as dangling judgements."""
    document_titles: Callable[[set[str]], Mapping[str, str]] | None = None
    """Titles of documents by id, so that the board can show what was ranked."""


@dataclass(frozen=True)
class Places:
    """Where things live on this machine."""

    data: Path
    """Data root: `--data`, else HARNESS_DATA, else a folder of the cache."""
    cache: Path

    @classmethod
    def default(cls, data: Path | None = None) -> Places:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = Path(os.environ.get("HARNESS_CACHE") or home / "equal-footing")
        root = data or Path(os.environ.get("HARNESS_DATA") or cache / "data")
        return cls(data=root.expanduser().resolve(), cache=cache.expanduser().resolve())


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
    """A group of tasks that share a loader; registered under `equal_footing.tasks`."""

    name: str

    def tasks(self) -> Sequence[Task]: ...

    def open(self, path: Path) -> Task:
        """A user's own data of this family's layout. Raises `harness.errors.DataError`."""
        ...


def read_jsonl(path: Path, record: type[Any]) -> Iterator[Any]:
    """Stream the records of a JSON-lines file; blank lines are passed over.

    Raises `harness.errors.DataError` with file and line for a record that does not parse.
    """
    from harness.errors import DataError

    decode = msgspec.json.Decoder(record).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError) as error:
                        raise DataError(
                            f"{path}, line {number}: {error}",
                            hint="The file may be half-downloaded or not in the expected layout.",
                        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
