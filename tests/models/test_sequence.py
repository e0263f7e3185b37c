"""The kind `sequence`: what it learns, reads, refuses and says of itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.contract import (
    ByteSequence,
    Classes,
    Example,
    Inputs,
    Labelled,
    LabelledSet,
    Prepared,
    Prompt,
    Request,
    Resources,
)
from harness.errors import DataError, RunFailed
from harness.models.sequence import Mixer, SequenceConfig, SequenceModel
from harness.sequence.feed_forward import FEED_FORWARDS
from harness.sequence.mixers import MIXERS
from harness.sequence.norms import NORMS

SMALL = {"width": 16, "heads": 2, "depth": 1, "hidden": 16, "device": "cpu"}


def rows(count: int, seed: int, *, pair: bool = False) -> list[tuple[bytes, str]]:
    """Is the first symbol there again? Of a pair: do both begin alike? Sequences have 4 to 9 symbols."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        text = bytes(draw.choice(b"abcdef") for _ in range(draw.randrange(4, 10)))
        if pair:
            other = bytes(draw.choice(b"ab") for _ in range(4))
            text = bytes(draw.choice(b"ab") for _ in range(5))
            found.append((text + b"\0" + other, "yes" if text[:1] == other[:1] else "no"))
        else:
            found.append((text, "yes" if text.count(b"a") > 1 else "no"))
    return found


def resources(folder: Path, *, pair: bool = False, labels: tuple[str, ...] = ("no", "yes")) -> Resources:
    def written(split: str, seed: int, count: int) -> LabelledSet:
        examples = [
            Labelled(str(i), ByteSequence(t), label) for i, (t, label) in enumerate(rows(count, seed, pair=pair))
        ]
        return LabelledSet.write(folder / split, examples)

    inputs = Inputs(Request(labels=labels), train=written("train", 1, 400), validation=written("validation", 2, 100))
    return Resources(inputs, [], folder / "scratch", folder, seed=0)


def prepared(folder: Path, **settings: object) -> tuple[SequenceModel, Prepared]:
    pair = bool(settings.get("pair", False))
    config = SequenceConfig.model_validate({**SMALL, "budget": {"steps": 120}, **settings})
    model = SequenceModel(config, seed=0)
    return model, model.prepare(resources(folder, pair=pair))


def accuracy(model: SequenceModel, *, pair: bool = False) -> float:
    test = rows(200, 3, pair=pair)
    answers = model.predict([Example(str(i), ByteSequence(text)) for i, (text, _) in enumerate(test)])
    said = [answer.output.label for answer in answers if isinstance(answer.output, Classes)]
    return sum(one == label for one, (_, label) in zip(said, test, strict=True)) / len(test)


def test_it_learns_what_it_is_shown_and_keeps_its_curves(tmp_path: Path) -> None:
    model, found = prepared(tmp_path, optimizer={"learning_rate": 0.01})
    assert accuracy(model) > 0.9
    assert [step for step, _ in found.curves["loss"]] == list(range(12, 121, 12))
    assert found.facts["best_validation_accuracy"] == max(v for _, v in found.curves["validation accuracy"])


@pytest.mark.parametrize(
    "slot",
    [
        *({"mixer": name} for name in MIXERS),
        *({"norm": name} for name in NORMS),
        *({"feed_forward": name} for name in FEED_FORWARDS),
        {"feed_forward": "experts", "share_layers": True, "depth": 2},
        {"pooling": "last", "causal": True},
    ],
    ids=lambda slot: "-".join(map(str, slot.values())),
)
def test_whatever_stands_in_the_slots_learns(tmp_path: Path, slot: dict[str, object]) -> None:
    _, found = prepared(tmp_path, budget={"steps": 60}, optimizer={"learning_rate": 0.02}, norm_warmup=20, **slot)
    assert found.curves["loss"][-1][1] < 0.95 * found.curves["loss"][0][1]


def test_it_learns_pairs_with_one_encoder_for_both(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path, pair=True, pooling="cls", optimizer={"learning_rate": 0.01}, budget={"steps": 200})
    assert accuracy(model, pair=True) > 0.9


def test_the_same_seed_gives_the_same_answers_whatever_the_batches(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    one, other = (prepared(tmp_path / name, dropout=0.1)[0] for name in "ab")
    test = [Example(str(i), ByteSequence(text)) for i, (text, _) in enumerate(rows(30, 4))]
    together = one.predict(test)
    alone = [other.predict([example])[0] for example in test]
    for first, second in zip(together, alone, strict=True):
        assert isinstance(first.output, Classes) and isinstance(second.output, Classes)
        assert first.output.scores == pytest.approx(second.output.scores, abs=1e-5)


def test_texts_and_prompts_are_read_as_bytes(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path)
    same = [Example("b", ByteSequence(b"abca")), Example("s", "abca"), Example("p", Prompt("abca"))]
    outputs = [answer.output for answer in model.predict(same)]
    assert outputs[0] == outputs[1] == outputs[2]


def test_what_is_longer_than_the_model_takes_is_cut_and_counted(tmp_path: Path) -> None:
    model, found = prepared(tmp_path, max_length=6)
    assert found.facts["truncated_train"] == sum(len(text) > 6 for text, _ in rows(400, 1))
    answers = model.predict([Example("long", ByteSequence(b"abcabcabc")), Example("cut", ByteSequence(b"abcabc"))])
    assert answers[0].output == answers[1].output
    assert answers[0].usage[0].prompt_tokens == 6
    assert model.findings()["truncated_test"] == 1


def test_an_empty_sequence_is_answered(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path)
    (answer,) = model.predict([Example("none", ByteSequence(b""))])
    assert isinstance(answer.output, Classes)


def test_badges_and_growth_are_found_by_trying(tmp_path: Path) -> None:
    softmax = prepared(tmp_path / "softmax")[0].findings()
    causal = prepared(tmp_path / "linear", mixer="linear", causal=True)[0].findings()
    fft = prepared(tmp_path / "fft", mixer="fft")[0].findings()
    assert (softmax["padding_invariant"], softmax["batch_invariant"], softmax["causal"]) == ("yes", "yes", "no")
    assert (causal["padding_invariant"], causal["causal"], causal["size_matched"]) == ("yes", "yes", "yes")
    assert (fft["padding_invariant"], fft["size_matched"]) == ("no", "no")
    assert softmax["growth_of_flops"] == pytest.approx(2.0, abs=0.02)
    assert causal["growth_of_flops"] <= 1.05 and fft["growth_of_flops"] <= 1.15  # type: ignore[operator]


def test_its_work_is_that_of_its_stages_and_its_steps(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path)
    work = model.phases()
    assert [stage.name for stage in work.stages[:2]] == ["classify", "train step"]
    assert {stage.name for stage in work.stages[2:]} == {"answer 32 sequences", "train on 32 sequences"}
    assert work.preparing[0].examples == 120
    forward = work.stages[0].prompt[-1][1].flops
    step = work.stages[1].once
    assert step is not None and 2.5 < step.flops / (32 * forward) < 4.5  # forward, and twice that backward


def test_a_budget_of_operations_is_kept(tmp_path: Path) -> None:
    model, found = prepared(tmp_path, budget={"flops": 2e9})
    step = model.phases().stages[1].once
    assert step is not None and found.facts["training_steps"] == int(2e9 / step.flops)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"width": 10, "heads": 4}, "4 heads do not divide a width of 10"),
        ({"mixer": "fft", "causal": True}, "the mixer fft cannot be causal"),
        ({"mixer": "nystromformer", "padding": "masked"}, "takes no mask; set padding: visible"),
        ({"mixer": "softmx"}, "Input should be"),
        ({"budget": {"steps": 5, "flops": 1e9}}, "a budget is one of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        SequenceConfig.model_validate(settings)


def test_the_settings_name_every_mixer() -> None:
    assert set(Mixer.__args__) == set(MIXERS)  # type: ignore[attr-defined]


def test_a_label_that_the_task_does_not_list_is_named(tmp_path: Path) -> None:
    model = SequenceModel(SequenceConfig.model_validate(SMALL), seed=0)
    with pytest.raises(DataError, match=r"has the label 'yes', which the task does not list"):
        model.prepare(resources(tmp_path, labels=("no", "maybe")))


def test_a_sequence_without_a_zero_byte_is_no_pair(tmp_path: Path) -> None:
    model = SequenceModel(SequenceConfig.model_validate({**SMALL, "pair": True}), seed=0)
    with pytest.raises(RunFailed, match="example 1 is no pair"):
        model.prepare(resources(tmp_path))


def test_rows_of_features_are_refused(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path)
    with pytest.raises(RunFailed, match="reads symbols and texts"):
        model.predict([Example("row", [1.0, 2.0])])
