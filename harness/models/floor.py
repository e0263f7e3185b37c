"""Floors for sequences with labels: rules that solve nothing, so that what they score is what a task gives away."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from random import Random
from typing import ClassVar, Literal

from harness.config import ModelConfig
from harness.contract import (
    ByteSequence,
    Classes,
    Example,
    Failure,
    Input,
    Output,
    Prediction,
    Prepared,
    Resources,
    Usage,
)
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.work import Stage, Work

_BATCH_SIZE = 256
_STAGE = "rule"
_EDGE, _PATH = b",", b":"


class FloorConfig(ModelConfig):
    """A rule that looks at next to nothing."""

    rule: Literal["majority", "first_symbol", "random_child"]
    """`majority` gives the most common label of training; `first_symbol` the most common one among training sequences
    that begin alike (in ListOps: under the same root); `random_child` any vertex that an edge leads to from the end
    of the path, in graphs written as `,ab,bc?ac:a`."""


class Floor:
    """Answers by a rule that solves nothing: the most common label, that of the first symbol, a random edge."""

    kind: ClassVar[str] = "floor"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = FloorConfig
    offers = frozenset({"classes", "sequences", "rows"})

    def __init__(self, config: FloorConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._rule = config.rule
        self._seed = seed
        self._label = ""
        self._by_first: dict[object, str] = {}

    def prepare(self, resources: Resources) -> Prepared:
        """Count the labels of the training split."""
        if self._rule == "random_child":
            return Prepared()
        labels: Counter[str] = Counter()
        by_first: defaultdict[object, Counter[str]] = defaultdict(Counter)
        for row in resources.train:
            labels[row.label] += 1
            by_first[_first(row.input)][row.label] += 1
        # Of equally common labels the one that the task names first: the order of training rows decides nothing.
        rank = {label: -place for place, label in enumerate(resources.request.labels)}
        self._label = _most_common(labels, rank)
        if self._rule == "first_symbol":
            self._by_first = {first: _most_common(counts, rank) for first, counts in by_first.items()}
        return Prepared(facts={"label": self._label, "first_symbols": len(self._by_first)})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A label for each example; none where there is no edge to follow."""
        answer: Callable[[Example], Output] = self._child if self._rule == "random_child" else self._known
        return [Prediction(example.id, answer(example), (Usage(stage=_STAGE),)) for example in examples]

    def phases(self) -> Work:
        """A look-up, or about a call for every edge: some microseconds of Python."""
        looked_up = Operation("look-up", "call", "", 1.0, 0.0, 0.0, 0.0)
        return Work((Stage(_STAGE, device="host", dtype="float32", once=Phase(_STAGE, (looked_up,))),))

    def _known(self, example: Example) -> Output:
        return Classes(self._by_first.get(_first(example.input), self._label))

    def _child(self, example: Example) -> Output:
        if not isinstance(example.input, ByteSequence):
            return Failure("unanswered", "the input is no graph")
        edges, _, path = example.input.data.partition(b"?")
        here = path.rpartition(_PATH)[2][-1:]
        children = sorted(chr(edge[1]) for edge in edges.split(_EDGE) if len(edge) == 2 and edge[:1] == here)
        if not children:
            return Failure("unanswered", "no edge leads on")
        digest = hashlib.sha256(f"{self._seed} {example.id}".encode()).hexdigest()
        return Classes(Random(digest).choice(children))


def _first(sequence: Input) -> object:
    symbols = sequence.data if isinstance(sequence, ByteSequence) else sequence
    return symbols[0] if isinstance(symbols, bytes | str | list) and symbols else None


def _most_common(counts: Counter[str], rank: dict[str, int]) -> str:
    return max(counts, key=lambda label: (counts[label], rank[label]))
