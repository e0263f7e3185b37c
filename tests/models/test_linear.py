"""Linear models: what they can tell apart, and what they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.contract import ByteSequence, Classes, Example, Inputs, Labelled, LabelledSet, Request, Resources
from harness.errors import RunFailed
from harness.models.linear import Linear, LinearConfig

Label = Callable[[bytes], str]


def sequences(count: int, seed: int) -> list[bytes]:
    return [bytes(row) for row in np.random.default_rng(seed).integers(ord("a"), ord("d"), (count, 12), np.uint8)]


def accuracy(folder: Path, label: Label, classes: tuple[str, ...] = ("no", "yes"), **settings: object) -> float:
    def written(split: str, seed: int, count: int) -> LabelledSet:
        rows = sequences(count, seed)
        return LabelledSet.write(
            folder / split, [Labelled(str(i), ByteSequence(row), label(row)) for i, row in enumerate(rows)]
        )

    inputs = Inputs(Request(labels=classes), train=written("train", 1, 800), validation=written("validation", 2, 200))
    model = Linear(LinearConfig.model_validate(settings), seed=0)
    model.prepare(Resources(inputs, [], folder, folder))
    test = sequences(400, 3)
    answers = model.predict([Example(str(i), ByteSequence(row)) for i, row in enumerate(test)])
    said = [answer.output.label for answer in answers if isinstance(answer.output, Classes)]
    return sum(one == label(row) for one, row in zip(said, test, strict=True)) / len(test)


def test_counts_find_what_is_frequent_wherever_it_stands(tmp_path: Path) -> None:
    assert accuracy(tmp_path, lambda row: "yes" if row.count(b"a") > 4 else "no", features="counts") > 0.97


def test_pairs_find_what_single_symbols_cannot(tmp_path: Path) -> None:
    def holds_ab(row: bytes) -> str:
        return "yes" if b"ab" in row else "no"

    assert accuracy(tmp_path, holds_ab, features="counts") < 0.85
    assert accuracy(tmp_path, holds_ab, features="counts", n=2) > 0.97


def test_values_find_what_stands_at_a_place(tmp_path: Path) -> None:
    def third(row: bytes) -> str:
        return "yes" if row[2:3] > b"b" else "no"

    assert accuracy(tmp_path, third, features="values") > 0.97
    assert accuracy(tmp_path, third, features="values", length=2) < 0.8
    assert accuracy(tmp_path, third, features="counts", n=3) < 0.8


def test_more_than_two_classes_get_a_score_each(tmp_path: Path) -> None:
    first = accuracy(tmp_path, lambda row: chr(row[0]), classes=("a", "b", "c"), features="values")
    assert first > 0.6, "values are in order, so that the middle one of three is hard to tell"


def test_usage_and_work_fit_and_grow_with_the_classes(tmp_path: Path) -> None:
    rows = [Labelled(str(i), ByteSequence(b"abcd"[i % 4 :] + b"xy"), "pqrs"[i % 4]) for i in range(40)]
    split = LabelledSet.write(tmp_path / "rows", rows)
    model = Linear(LinearConfig(features="counts", length=3), seed=0)
    inputs = Inputs(Request(labels=tuple("pqrs")), train=split, validation=split)
    model.prepare(Resources(inputs, [], tmp_path, tmp_path))
    (prediction,) = model.predict([Example("0", ByteSequence(b"abcabc"))])
    (usage,), (stage,) = prediction.usage, model.phases().stages
    assert (usage.stage, usage.prompt_tokens) == (stage.name, 3)
    assert dict(stage.prompt)[2].flops == 2 * 2 * 4
    assert isinstance(prediction.output, Classes)
    assert set(prediction.output.scores) == set("pqrs")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [([(b"ab", "yes")] * 5, "more than one label"), ([(b"ab", "yes"), (b"cd", "no")], "3 sequences share")],
)
def test_training_data_that_tells_nothing_is_refused_in_words(
    tmp_path: Path, rows: list[tuple[bytes, str]], complaint: str
) -> None:
    split = LabelledSet.write(
        tmp_path / "rows", [Labelled(str(i), ByteSequence(d), y) for i, (d, y) in enumerate(rows)]
    )
    model = Linear(LinearConfig(features="counts"), seed=0)
    with pytest.raises(RunFailed, match=complaint):
        model.prepare(Resources(Inputs(train=split, validation=split), [], tmp_path, tmp_path))


def test_rows_of_numbers_are_refused_in_words(tmp_path: Path) -> None:
    split = LabelledSet.write(tmp_path / "rows", [Labelled("0", [1.0, 2.0], "no")])
    model = Linear(LinearConfig(features="counts"), seed=0)
    with pytest.raises(RunFailed, match="sequences of symbols"):
        model.prepare(Resources(Inputs(train=split, validation=split), [], tmp_path, tmp_path))
