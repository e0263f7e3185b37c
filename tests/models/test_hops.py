"""A small transformer learns to follow threads, and says nothing of objects whose names it never saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.contract import Example, Failure, Inputs, LabelledSet, Places, Prompt, Resources, Texts, Workload
from harness.errors import InputError
from harness.models.hops import Hops, HopsConfig
from tasks.needle_threading.small import NAME


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    folder = tmp_path_factory.mktemp("threading-small")
    return registry.task(NAME).load(Places(folder, folder))


def trained(inputs: Inputs, folder: Path, steps: int) -> Hops:
    model = Hops(HopsConfig(steps=steps, rows=32, width=32), seed=0)
    model.prepare(Resources(inputs, [], folder, folder))
    return model


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


def test_it_learns_single_needles_of_small_objects_from_examples(task: Workload, tmp_path: Path) -> None:
    assert task.inputs.train is not None and task.inputs.validation is not None

    def small(split: LabelledSet, name: str) -> LabelledSet:
        records = [r for r in split if isinstance(r.input, Prompt) and len(r.input.text.partition("\n")[0]) < 60]
        return LabelledSet.write(tmp_path / name, records)

    inputs = Inputs(train=small(task.inputs.train, "train"), validation=small(task.inputs.validation, "validation"))
    model = trained(inputs, tmp_path, steps=300)
    asked = list(inputs.validation or ())
    answers = model.predict([Example(record.id, record.input) for record in asked])
    right = [
        isinstance(found.output, Texts) and found.output.texts[0].split()[-1:] == record.label.split()[-1:]
        for found, record in zip(answers, asked, strict=True)
    ]
    assert sum(right) / len(right) > 0.8
    (strange,) = model.predict([Example("q", Prompt('{"x": "y"}\nKey: "x"'))])
    assert isinstance(strange.output, Failure)
    again = trained(inputs, tmp_path, steps=300)
    assert again.predict([Example(r.id, r.input) for r in asked]) == answers, "its checkpoint is the same model"


def test_lookup_solves_it_and_a_missing_split_is_told(task: Workload, tmp_path: Path) -> None:
    from harness.models.haystack_rules import HaystackRules, HaystackRulesConfig

    lookup = HaystackRules(HaystackRulesConfig.model_validate({"rule": "lookup"}), 0)
    answers = {p.id: p for p in lookup.predict(task.examples)}
    columns = task.scorer.columns([e.id for e in task.examples], answers)
    assert columns["accuracy"].all()
    with pytest.raises(InputError, match="no train split"):
        trained(Inputs(), tmp_path / "none", steps=1)
