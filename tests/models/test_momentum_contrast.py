"""The kind learns from a task's own pairs, beats where it began on words it was taught, and resumes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contract import Document, Example, Labelled, LabelledSet, Ranking, Resources
from harness.errors import RunFailed
from harness.models.momentum_contrast import MomentumContrast, MomentumContrastConfig
from tests.models.toy_world import resources_of

MEANINGS = {"apple": "kernel", "river": "socket", "window": "parser", "candle": "thread", "forest": "buffer"}
"""What a query says, and what code calls it."""


def pairs(count: int, seed: int) -> list[Labelled]:
    order = random.Random(seed)
    chosen = [order.sample(list(MEANINGS), 2) for _ in range(count)]
    return [
        Labelled(str(place), " ".join(words), f"def f(): return {'('.join(MEANINGS[w] for w in words)}")
        for place, words in enumerate(chosen)
    ]


def resources(folder: Path, *, with_train: bool = True) -> Resources:
    documents = [Document(id=word, text=f"def f(): return {MEANINGS[word]}") for word in MEANINGS]
    folder.mkdir(exist_ok=True)
    made = resources_of(folder, documents)
    if not with_train:
        return made
    inputs: Any = made.inputs
    train = LabelledSet.write(folder / "train.bin", pairs(120, 1))
    validation = LabelledSet.write(folder / "valid.bin", pairs(12, 2))
    import msgspec

    return replace(made, inputs=msgspec.structs.replace(inputs, train=train, validation=validation))


def config(**more: Any) -> MomentumContrastConfig:
    small: dict[str, Any] = {"steps": 20, "pairs_per_step": 16, "learning_rate": 0.1, "queue": 32, "momentum": 0.9}
    return MomentumContrastConfig(**(small | more))


def right(model: MomentumContrast) -> float:
    found = model.predict([Example(word, word) for word in MEANINGS])
    outputs = {each.id: each.output for each in found}
    return sum(isinstance(o, Ranking) and o.ids[0] == word for word, o in outputs.items()) / len(MEANINGS)


def test_it_beats_its_starting_point(tmp_path: Path) -> None:
    begun, learnt = MomentumContrast(config(steps=0), 0), MomentumContrast(config(), 0)
    begun.prepare(resources(tmp_path / "a"))
    prepared = learnt.prepare(resources(tmp_path / "b"))
    assert right(learnt) == 1.0 > right(begun)
    assert prepared.facts["training_pairs"] == 120
    assert [step for step, _ in prepared.curves["validation RR"]][-1] == 20
    assert {stage.name for stage in learnt.phases().stages} == {"encode", "search"}


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    first, again = MomentumContrast(config(steps=6), 3), MomentumContrast(config(steps=6), 3)
    first.prepare(resources(tmp_path / "a"))
    again.prepare(resources(tmp_path / "b"))
    assert first.identity() == again.identity()


def test_without_training_pairs_it_says_where_there_are(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no training pairs"):
        MomentumContrast(config(), 0).prepare(resources(tmp_path, with_train=False))
