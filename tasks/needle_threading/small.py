"""`needle/threading-small`: threads through objects of up to 32 pairs of 128 short names, with data to learn it from.

A variant of its own, for models that are trained from scratch: its scores say nothing about UUIDs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from harness.contract import (
    DataStatus,
    Example,
    Failure,
    FloatArray,
    Inputs,
    Labelled,
    LabelledSet,
    Metric,
    Places,
    Prediction,
    Prompt,
    Request,
    TaskCard,
    Texts,
    Workload,
)
from harness.digest import combined_digest
from harness.errors import InvalidPrediction
from harness.metrics.aggregate import mean
from tasks.needle_threading import short_cuts
from tasks.needle_threading.haystack import Haystack

NAME, PROTOCOL = "needle/threading-small", "needle-small-1"
NAMES = tuple(f"{letter}{digit}" for letter in "abcdefghijklmnop" for digit in range(8))
_NAME = re.compile(r"\b[a-p][0-7]\b")
_SIZES, _TRAIN_SIZES = (8, 16, 32), (4, 8, 16, 32)
_LENGTHS = (1, 2, 3, 4)
_DIRECTIONS = ("forward", "backward", "random")
_REPEATS = 20
_TRAIN_HAYSTACKS, _VALIDATION_HAYSTACKS = 8_000, 50
"""Of all sizes together; about six questions each."""
_BUDGET = 64

METRICS = (
    Metric("accuracy", mean("accuracy"), description="Share of answers whose last name is the end of the thread."),
    Metric("hops", mean("hops"), description="Share of the thread's values among the last names of the answer."),
)


@dataclass(frozen=True)
class _Thread:
    text: str
    """The object, a line break, and the question."""
    start: str
    path: tuple[str, ...]
    groups: Mapping[str, str]

    @property
    def id(self) -> str:
        return "q" + hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def asked(self) -> tuple[str, ...]:
        return (self.start,)

    @property
    def answers(self) -> tuple[str, ...]:
        return self.path[-1:]


@dataclass(frozen=True)
class SmallThreadsTask:
    """Single needles and threads of two to four pairs, at 8, 16 and 32 pairs, with train and validation splits."""

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=NAME,
            family="needle",
            protocol=PROTOCOL,
            primary_metric="accuracy",
            needs=frozenset({"texts"}),
            description=(
                "Follow a thread of one to four pairs to its end, in a JSON object of 8, 16 or 32 pairs of 128 short "
                "names; with examples to learn it from."
            ),
            generated=True,
            marks=("128 names, not UUIDs",),
            licence="Apache-2.0",
        )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "made from seeds when it is loaded")

    def load(self, places: Places) -> Workload:
        """Draw the haystacks; the training splits are written to the cache, under a digest of what makes them."""
        folder = places.cache / "needle"
        folder.mkdir(parents=True, exist_ok=True)
        asked = list(_test())
        content = hashlib.sha256(json.dumps([[t.text, t.path] for t in asked]).encode()).hexdigest()
        train, validation = (
            LabelledSet.write(folder / f"{PROTOCOL}-{content[:12]}-{split}.msgpack", _labelled(split, count))
            for split, count in (("train", _TRAIN_HAYSTACKS), ("validation", _VALIDATION_HAYSTACKS))
        )
        without_a_model = [share for t in asked for share in short_cuts.shares(_pairs(t), [t])]
        return Workload(
            inputs=Inputs(request=Request(max_output_tokens=_BUDGET), train=train, validation=validation),
            examples=[Example(t.id, Prompt(t.text), groups=dict(t.groups)) for t in asked],
            scorer=SmallThreadsScorer({t.id: t for t in asked}),
            digest=combined_digest(protocol=PROTOCOL, test=content, train=train.digest, validation=validation.digest),
            facts={"questions": len(asked), "train_questions": len(train), "validation_questions": len(validation)},
            lines=short_cuts.lines(without_a_model),
        )


class SmallThreadsScorer:
    """The last name in the answer counts, so a model may tell its way."""

    metrics: Sequence[Metric] = METRICS

    def __init__(self, gold: Mapping[str, _Thread]) -> None:
        self._gold = gold

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure` and `Texts` with a text. Raises `InvalidPrediction` for anything else."""
        match prediction.output:
            case Failure() | Texts([_, *_]):
                return
        raise InvalidPrediction(f"example {prediction.id!r} was not answered with a text", hint="Return Texts([…]).")

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Whether the end is right, and the share of hops: name → [n]."""
        named = {id: _names(predictions.get(id)) for id in example_ids}
        right = [named[id][-1:] == [self._gold[id].path[-1]] for id in example_ids]
        hops = [_followed(named[id], self._gold[id].path) for id in example_ids]
        return {"accuracy": np.array(right, dtype=np.float64), "hops": np.array(hops, dtype=np.float64)}

    def gold(self, example_id: str) -> dict[str, Any]:
        """The way along the thread, and the groups."""
        thread = self._gold[example_id]
        return {"hops": list(thread.path), "groups": dict(thread.groups)}


def _followed(names: Sequence[str], path: Sequence[str]) -> float:
    """The share of the way that is told, among as many different names as it has, the last ones."""
    told = list(dict.fromkeys(reversed(names)))[: len(path)]
    return sum(value in told for value in path) / len(path)


def _pairs(thread: _Thread) -> short_cuts.Pairs:
    return short_cuts.pairs_of(thread.text.partition("\n")[0])


def _names(prediction: Prediction | None) -> list[str]:
    match prediction.output if prediction else None:
        case Texts([text, *_]):
            return _NAME.findall(text[-10_000:])
    return []


def _test() -> Iterator[_Thread]:
    for pairs in _SIZES:
        for length in _LENGTHS:
            for direction in _DIRECTIONS if length > 1 else ("forward",):
                for repeat in range(_REPEATS * (1 if length > 1 else len(_DIRECTIONS))):
                    random = Random(f"{PROTOCOL} test {pairs} {length} {direction} {repeat}")
                    yield _haystack(random, pairs, (length, direction))[0]


def _labelled(split: str, count: int) -> Iterator[Labelled]:
    """Questions over `count` haystacks, those of one after each other; the label is the way, the end last."""
    for number in range(count):
        random = Random(f"{PROTOCOL} {split} {number}")
        for thread in _haystack(random, _TRAIN_SIZES[number % len(_TRAIN_SIZES)]):
            yield Labelled(f"{split}-{thread.id}", Prompt(thread.text), " ".join(thread.path))


def _haystack(random: Random, pairs: int, first: tuple[int, str] | None = None) -> list[_Thread]:
    """Threads of one object, which are decoys for each other; the asked one first, others until it is full."""
    names = random.sample(NAMES, 2 * pairs)
    hay = Haystack(names[:pairs], names[pairs:])
    free = list(range(pairs))
    random.shuffle(free)
    cells = [first] if first else []
    while len(free) > sum(length for length, _ in cells):
        room = min(len(free) - sum(length for length, _ in cells), pairs // 2, _LENGTHS[-1])
        cells.append((random.randint(1, room), random.choice(_DIRECTIONS)))
    woven = []
    for length, direction in cells:
        positions, free = free[:length], free[length:]
        if direction != "random":
            positions.sort(reverse=direction == "backward")
        woven.append((hay.keys[positions[0]], hay.weave(positions), length, direction))
    return [
        _Thread(
            f"{hay.text}\nStarting from the specified key in the JSON object, follow the thread: look up the value, "
            "and as long as the value is itself a key, look up the value of that key. Give the final value. "
            f'Key: "{start}"\n Corresponding value: ',
            start,
            path,
            {"pairs": str(pairs), "length": str(length), "direction": direction},
        )
        for start, path, length, direction in woven
    ]
