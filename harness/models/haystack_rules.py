"""Rules that read a JSON object in the prompt: the ceiling, and the short cuts that a task must not reward."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import ClassVar, Literal

from harness.config import ModelConfig
from harness.contract import Example, Failure, Output, Prediction, Prompt, Resources, Texts, Usage
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.work import Stage, Work

_BATCH_SIZE = 32
_BYTES_PER_PAIR = 80
"""Of two UUIDs as JSON: what is read of a pair, at least once."""
_STAGE = "read"
_QUOTED = re.compile(r'"([^"\s]+)"')


class HaystackRulesConfig(ModelConfig):
    """A rule for questions about a JSON object of texts."""

    rule: Literal["lookup", "last_value", "random_value", "no_key"]
    """`lookup` finds keys and follows threads; `last_value` gives the end of the object; `random_value` any value;
    `no_key` a value that is no key of the object, of these the end of a thread where there is one."""


class HaystackRules:
    """Answers questions about a JSON object that stands before them, without a language model.

    Not the keys, only their number is known to the rules other than `lookup`: they show what a task gives away.
    """

    kind: ClassVar[str] = "haystack"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = HaystackRulesConfig
    offers = frozenset({"texts"})

    def __init__(self, config: HaystackRulesConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._rule = _RULES[config.rule]
        self._seed = seed
        self._last: tuple[str, _Object] | None = None

    def prepare(self, resources: Resources) -> None:
        """There is nothing to prepare."""

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A quoted value for each example, or a JSON list where the question asks for one."""
        return [Prediction(example.id, *self._answered(example)) for example in examples]

    def phases(self) -> Work:
        """Reading the object, pair by pair, on the host."""
        read = Operation("pair", "scan", "float32", 1.0, 0.0, float(_BYTES_PER_PAIR), 0.0)
        return Work((Stage(_STAGE, device="host", each={"documents": Phase(_STAGE, (read,))}),))

    def _answered(self, example: Example) -> tuple[Output, tuple[Usage, ...]]:
        """The answer, and as work the pairs of the object."""
        prompt = example.input.text if isinstance(example.input, Prompt) else str(example.input)
        before, end, question = prompt.rpartition("}\n")
        pairs = self._read(before + end.strip()) if end else None
        if pairs is None:
            return Failure("unanswered", "the prompt does not begin with a JSON object of texts"), ()
        digest = hashlib.sha256(f"{self._seed} {example.id}".encode()).hexdigest()
        values = self._rule(pairs, question, Random(digest))
        usage = (Usage(_STAGE, documents=len(pairs.pairs)),)
        if not values:
            return Failure("unanswered"), usage
        return Texts([json.dumps(values if "list" in question else values[0])]), usage

    def _read(self, text: str) -> _Object | None:
        """The object; questions of one haystack come one after the other, so the last is kept."""
        if self._last is None or self._last[0] != text:
            try:
                pairs = json.loads(text, object_pairs_hook=list)
                if not all(isinstance(value, str) for _, value in pairs):
                    return None
            except (ValueError, TypeError, RecursionError):
                return None
            self._last = text, _Object(pairs)
        return self._last[1]


@dataclass(frozen=True)
class _Object:
    """The pairs of an object in order; a key may stand several times."""

    pairs: Sequence[tuple[str, str]]

    @cached_property
    def values(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in self.pairs:
            found[key].append(value)
        return dict(found)

    @cached_property
    def ends(self) -> list[str]:
        """Final values of threads; all values that are no key if there is no thread."""
        known = {value for _, value in self.pairs}
        loose = [(key, value) for key, value in self.pairs if value not in self.values]
        return [value for key, value in loose if key in known] or [value for _, value in loose]

    def follow(self, key: str) -> list[str]:
        """The values at the ends of all threads from a key; one that comes back to itself has none."""
        ends, waiting, seen = [], [key], {key}
        while waiting:
            for value in self.values[waiting.pop()]:
                if value not in self.values:
                    ends.append(value)
                elif value not in seen:
                    seen.add(value)
                    waiting.append(value)
        return ends


def _lookup(pairs: _Object, question: str, random: Random) -> list[str]:
    named = _QUOTED.findall(question)
    if keys := [name for name in named if name in pairs.values]:
        find = pairs.follow if "follow the thread" in question else pairs.values.__getitem__
        return [value for key in keys for value in find(key)]
    return [value for key, value in pairs.pairs if named and named[0] in key]


def _last_value(pairs: _Object, question: str, random: Random) -> list[str]:
    return [value for _, value in pairs.pairs[-_asked_for(pairs, question) :]]


def _random_value(pairs: _Object, question: str, random: Random) -> list[str]:
    return _some([value for _, value in pairs.pairs], pairs, question, random)


def _no_key(pairs: _Object, question: str, random: Random) -> list[str]:
    return _some(pairs.ends, pairs, question, random)


def _some(values: list[str], pairs: _Object, question: str, random: Random) -> list[str]:
    return random.sample(values, min(len(values), _asked_for(pairs, question)))


def _asked_for(pairs: _Object, question: str) -> int:
    return max(1, sum(name in pairs.values for name in _QUOTED.findall(question)))


_RULES: dict[str, Callable[[_Object, str, Random], list[str]]] = {
    "lookup": _lookup,
    "last_value": _last_value,
    "random_value": _random_value,
    "no_key": _no_key,
}
