"""A transformer trained from scratch to follow threads through small objects, hop by hop."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Example, Failure, LabelledSet, Prediction, Prepared, Prompt, Resources, Texts, Usage
from harness.errors import InputError

if TYPE_CHECKING:
    import torch

_BATCH_SIZE = 256
_COMMA, _ASK, _END, _SPECIAL = 0, 1, 2, 3
_MOST_NAMES = 1000
_MOST_HOPS = 16
_QUESTIONS = 6
"""Of one object in a training sequence."""
_IGNORED = -100
_STAGE = "hops"
_START = re.compile(r'Key: "([^"]+)"')


class HopsConfig(ModelConfig):
    """A small transformer, and how long it is trained."""

    steps: int = Field(default=600, ge=1)
    """Updates of the weights. Objects grow over them, from the smallest of the training data to the largest."""
    rows: int = Field(default=48, ge=1)
    """Objects in a training step."""
    width: int = Field(default=64, ge=8, multiple_of=8)
    """Of the residual stream."""
    layers: int = Field(default=2, ge=1)
    """Of attention and feed-forward."""
    heads: int = Field(default=4, ge=1)
    """Attention heads; they divide the width."""
    learning_rate: float = Field(default=4e-3, gt=0)
    """At its highest."""


@dataclass(frozen=True)
class _Thread:
    pairs: tuple[tuple[str, str], ...]
    start: str


class Hops:
    """Reads an object as `key value ,` and a key, and writes value after value until one is no key."""

    kind: ClassVar[str] = "hops"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = HopsConfig
    offers = frozenset({"texts"})

    def __init__(self, config: HopsConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config, self._seed = config, seed

    def prepare(self, resources: Resources) -> Prepared:
        """Train on the train split and keep the weights that do best on the validation split."""
        import torch

        from harness.models.hop_network import HopNetwork
        from harness.training import OptimizerSettings, Plan, train

        config = self._config
        objects: defaultdict[tuple[tuple[str, str], ...], list[list[str]]] = defaultdict(list)
        for record in _of(resources, "train"):
            thread = _read(record.input)
            if thread is None:
                raise InputError("the training data has no JSON objects with a key to start from")
            objects[thread.pairs].append([thread.start, *record.label.split()])
        names = sorted({name for pairs in objects for pair in pairs for name in pair})
        if len(names) > _MOST_NAMES:
            raise InputError(f"the training data has {len(names):,} names; this kind learns up to {_MOST_NAMES:,}")
        self._ids = {name: place + _SPECIAL for place, name in enumerate(names)}
        self._names = {id: name for name, id in self._ids.items()}
        batches = _Batches(objects, self._ids, config.steps, config.rows, self._seed)
        torch.manual_seed(self._seed)
        self._network = HopNetwork(_SPECIAL + len(names), config.width, config.layers, config.heads)
        checked = [(_read(record.input), record.label.split()[-1]) for record in _of(resources, "validation")]

        def validate(module: torch.nn.Module) -> float:
            found = self._follow([thread for thread, _ in checked if thread])
            return sum(way[-1:] == [end] for way, (_, end) in zip(found, checked, strict=True)) / len(checked)

        trained = train(
            self._network,
            batches,
            _loss,
            Plan(
                steps=config.steps,
                scratch=resources.scratch,
                identity={"settings": config.model_dump(), "data": resources.train.digest, "seed": self._seed},
                optimizer=OptimizerSettings(learning_rate=config.learning_rate),
                seed=self._seed,
                every=max(1, config.steps // 5),
                metric="validation accuracy",
                device="cpu",
            ),
            validate,
            progress=resources.progress,
            charge=resources.charge,
        )
        return Prepared(facts=trained.facts, curves=trained.curves)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The way along each thread, its end last."""
        threads = [_read(example.input) for example in examples]
        known = [thread for thread in threads if thread and self._knows(thread)]
        ways = iter(self._follow(known))
        found = []
        for example, thread in zip(examples, threads, strict=True):
            if thread is None or not self._knows(thread):
                found.append(Prediction(example.id, Failure("unanswered", "no object of names that it was trained on")))
                continue
            way = next(ways)
            usage = Usage(_STAGE, prompt_tokens=3 * len(thread.pairs) + 2, output_tokens=len(way) + 1)
            found.append(Prediction(example.id, Texts([" ".join(way)]), (usage,)))
        return found

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers: nothing is kept."""
        return self.predict(examples)

    def _knows(self, thread: _Thread) -> bool:
        return all(name in self._ids for pair in (*thread.pairs, (thread.start,)) for name in pair)

    def _follow(self, threads: Sequence[_Thread]) -> list[list[str]]:
        """Names that the network writes until it ends, those of objects of one size together."""
        import torch

        ways: list[list[str]] = [[] for _ in threads]
        by_size: defaultdict[int, list[int]] = defaultdict(list)
        for place, thread in enumerate(threads):
            by_size[len(thread.pairs)].append(place)
        with torch.inference_mode():
            for places in by_size.values():
                rows = [[*_object(threads[p].pairs, self._ids), _ASK, self._ids[threads[p].start]] for p in places]
                ids, going = torch.tensor(rows), set(places)
                for _ in range(_MOST_HOPS):
                    last = torch.zeros_like(ids, dtype=torch.bool)
                    last[:, -1] = True
                    chosen = self._network(ids, last).argmax(-1)
                    for place, token in zip(places, chosen.tolist(), strict=True):
                        if token < _SPECIAL:
                            going.discard(place)
                        if place in going:
                            ways[place].append(self._names[token])
                    if not going:
                        break
                    ids = torch.cat([ids, chosen[:, None]], dim=1)
        return ways


class _Batches:
    """Objects of one size a step, small ones first; names are dealt anew, so that none is learnt by heart."""

    def __init__(
        self,
        objects: dict[tuple[tuple[str, str], ...], list[list[str]]],
        ids: dict[str, int],
        steps: int,
        rows: int,
        seed: int,
    ) -> None:
        self._names, self._steps, self._rows, self._seed = len(ids), steps, rows, seed
        by_size: defaultdict[int, list[tuple[list[int], list[int]]]] = defaultdict(list)
        for pairs, ways in objects.items():
            by_size[len(pairs)].append(_sequence(pairs, ways[:_QUESTIONS], ids))
        self._by_size = [by_size[size] for size in sorted(by_size)]

    def __call__(self, step: int) -> Sequence[torch.Tensor]:
        import torch

        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        # Of the time, the small sizes have a tenth each, then all sizes take turns with the largest.
        level = min(10 * step // self._steps, len(self._by_size) - 1)
        if level == len(self._by_size) - 1 and step % 3 == 0:
            level = int(torch.randint(len(self._by_size), (1,), generator=generator))
        sequences = self._by_size[level]
        chosen = torch.randint(len(sequences), (self._rows,), generator=generator).tolist()
        longest = max(len(sequences[place][0]) for place in chosen)
        ids = torch.full((self._rows, longest), _COMMA)
        targets = torch.full((self._rows, longest), _IGNORED)
        for row, place in enumerate(chosen):
            sequence, wanted = sequences[place]
            ids[row, : len(sequence)] = torch.tensor(sequence)
            targets[row, : len(wanted)] = torch.tensor(wanted)
        dealt = torch.arange(_SPECIAL + self._names).repeat(self._rows, 1)
        dealt[:, _SPECIAL:] = _SPECIAL + torch.rand((self._rows, self._names), generator=generator).argsort(1)
        keep = targets == _IGNORED
        return dealt.gather(1, ids), dealt.gather(1, targets.clamp(min=0)).masked_fill(keep, _IGNORED)


def _sequence(
    pairs: tuple[tuple[str, str], ...], ways: Sequence[Sequence[str]], ids: dict[str, int]
) -> tuple[list[int], list[int]]:
    """Tokens of an object and its questions, and for each token the next one where it is part of an answer."""
    tokens = _object(pairs, ids)
    targets = [_IGNORED] * len(tokens)
    for way in ways:
        hops = [ids[name] for name in way]
        tokens += [_ASK, *hops]
        targets += [_IGNORED, *hops[1:], _END]
    return tokens, targets


def _object(pairs: tuple[tuple[str, str], ...], ids: dict[str, int]) -> list[int]:
    return [token for key, value in pairs for token in (ids[key], ids[value], _COMMA)]


def _loss(module: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    ids, targets = batch
    asked = targets != _IGNORED
    return torch.nn.functional.cross_entropy(module(ids, asked), targets[asked])


def _read(given: object) -> _Thread | None:
    text = given.text if isinstance(given, Prompt) else str(given)
    before, end, question = text.rpartition("}\n")
    start = _START.search(question)
    try:
        pairs = json.loads(before + end.strip(), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    named = isinstance(pairs, tuple) and all(isinstance(v, str) for _, v in pairs)
    return _Thread(pairs, start[1]) if named and start else None


def _of(resources: Resources, split: str) -> LabelledSet:
    found: LabelledSet | None = getattr(resources.inputs, split)
    if found is None:
        raise InputError(f"the task has no {split} split, and this kind is trained from scratch")
    return found
