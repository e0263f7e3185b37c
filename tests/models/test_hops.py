"""A small transformer learns to follow threads, and says nothing of objects whose names it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness import registry
from harness.contract import (
    Example,
    Failure,
    Inputs,
    LabelledSet,
    Places,
    Prediction,
    Prompt,
    Resources,
    Texts,
    Workload,
)
from harness.errors import InputError
from harness.models.hops import Hops, HopsConfig
from tasks.needle_threading import small


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    folder = tmp_path_factory.mktemp("threading-small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "_TRAIN_HAYSTACKS", 400)
        return registry.task(small.NAME).load(Places(folder, folder))


def trained(inputs: Inputs, folder: Path, steps: int) -> tuple[Hops, Mapping[str, Sequence[tuple[float, float]]]]:
    model = Hops(HopsConfig(steps=steps, rows=16, width=32), seed=0)
    prepared = model.prepare(Resources(inputs, [], folder, folder))
    return model, prepared.curves


def test_splits_share_no_object_and_no_end_is_in_the_question(task: Workload) -> None:
    assert task.inputs.train is not None and task.inputs.validation is not None
    asked = {
        str(example.input.text).partition("\n")[0] for example in task.examples if isinstance(example.input, Prompt)
    }
    seen = {
        str(record.input.text).partition("\n")[0]
        for split in (task.inputs.train, task.inputs.validation)
        for record in split
        if isinstance(record.input, Prompt)
    }
    assert len(task.examples) == 720 and not asked & seen
    for example in task.examples:
        assert isinstance(example.input, Prompt)
        assert (
            task.scorer.gold(example.id)["hops"][-1] not in example.input.text.partition("\n")[2].partition("Key:")[2]
        )


def test_only_the_last_names_of_an_answer_count(task: Workload) -> None:
    id = next(example.id for example in task.examples if len(task.scorer.gold(example.id)["hops"]) == 4)
    way = task.scorer.gold(id)["hops"]
    answers = {
        " ".join([*way, *(name for name in small.NAMES if name not in way)]): (0, 0),  # who recites all follows nothing
        " ".join(way): (1, 1),
        f"{way[0]}, then {way[1]}": (0, 0.5),
        "": (0, 0),
    }
    for text, expected in answers.items():
        columns = task.scorer.columns([id], {id: Prediction(id, Texts([text]))})
        assert (columns["accuracy"][0], columns["hops"][0]) == expected, text


def test_training_learns_and_its_checkpoint_is_the_same_model(task: Workload, tmp_path: Path) -> None:
    assert task.inputs.train is not None and task.inputs.validation is not None

    def of_four(split: LabelledSet, name: str) -> LabelledSet:
        records = [r for r in split if isinstance(r.input, Prompt) and len(r.input.text.partition("\n")[0]) < 60]
        return LabelledSet.write(tmp_path / name, records)

    inputs = Inputs(train=of_four(task.inputs.train, "train"), validation=of_four(task.inputs.validation, "validation"))
    model, curves = trained(inputs, tmp_path, steps=60)
    losses = [value for _, value in curves["loss"]]
    assert losses[-1] < losses[0] - 0.5
    asked = [Example(record.id, record.input) for record in inputs.validation or ()]
    answers = model.predict(asked)
    assert all(isinstance(found.output, Texts) for found in answers)
    (strange,) = model.predict([Example("q", Prompt('{"x": "y"}\nKey: "x"'))])
    assert isinstance(strange.output, Failure)
    again, _ = trained(inputs, tmp_path, steps=60)
    assert again.predict(asked) == answers


def test_lookup_solves_it_and_a_missing_split_is_told(task: Workload, tmp_path: Path) -> None:
    from harness.models.haystack_rules import HaystackRules, HaystackRulesConfig

    lookup = HaystackRules(HaystackRulesConfig.model_validate({"rule": "lookup"}), 0)
    answers = {p.id: p for p in lookup.predict(task.examples)}
    columns = task.scorer.columns([e.id for e in task.examples], answers)
    assert columns["accuracy"].all()
    with pytest.raises(InputError, match="no train split"):
        trained(Inputs(), tmp_path / "none", steps=1)
