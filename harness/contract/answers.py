"""What a model answers, and what its work took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from harness.contract.given import Example, Resources

Capability = Literal["ranking", "classes", "texts", "loglikelihood", "images", "sequences", "rows"]
"""What a task needs of a model and a model offers; a pair fits when needs is a subset of offers. The last three are
inputs: pictures, long sequences of symbols, rows of features."""


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
    """Nodes of a graph, or clusters of an inverted file, visited."""
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
    curves: dict[str, list[tuple[float, float]]] = {}
    """Learning curves by name (`loss`, `validation accuracy`): points of (step, value), finite."""


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

    # Five methods are optional. The first two are called before a run, on a model that has prepared nothing.
    #
    # concerns(request: Request) -> Sequence[str]
    #     What to be told of this model and a task that asks so: an answer that would be cut off, say.
    # held_bytes(documents: int, depth: int) -> int
    #     The most memory that a run holds for a corpus of that size, beside a run of a few documents and its index.
    #
    # The others are called after the last prediction, and nothing that they do is charged.
    #
    # phases() -> harness.efficiency.work.Work
    #     What each stage of the predictions' usage takes, in operations: never a number of seconds.
    # findings() -> Mapping[str, str | int | float]
    #     Facts that only the predictions show, such as an approximate search's recall, beside those of prepare.
    # again(examples) -> Sequence[Prediction]
    #     The same answers, without any cache: called several times to measure seconds.
