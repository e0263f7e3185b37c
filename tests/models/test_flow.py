"""FlowTransformer's parts: each can take another's place, and a window is worth what the head lets through."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from harness import registry
from harness.contract import Example, Metric, Places, Resources
from harness.flows.balanced import Balanced
from harness.flows.parts import SHAPES
from harness.metrics.aggregate import mean
from harness.metrics.significance import difference
from harness.models.flow import FlowConfig, FlowNetwork
from harness.models.sequence import Mixer
from tests.flows.generated import accuracy, inputs

ENCODINGS = ("none", "record_dense", "record_projection", "category_dense", "category_lookup", "category_projection")
HEADS = ("last_token", "flatten", "average_pooling", "cls_token", "feature_dense", "feature_projection")
ORDERLESS = ("average_pooling", "cls_token")
SMALL: dict[str, object] = {"inner_width": 16, "layers": 1, "hidden": [16], "train_batch_size": 32}


def flow(seed: int = 0, **settings: object) -> FlowNetwork:
    return FlowNetwork(FlowConfig.model_validate({**SMALL, **settings}), seed)


def prepared(folder: Path, model: FlowNetwork, **request: object) -> FlowNetwork:
    folder.mkdir(exist_ok=True)
    model.prepare(Resources(inputs(folder, **request)[0], [], folder, folder))
    return model


def test_it_learns_and_the_same_seed_gives_the_same_answers(tmp_path: Path) -> None:
    settings = {"budget": {"steps": 300}, "optimizer": {"learning_rate": 1e-2}, "encoding": "category_lookup"}
    _, test = inputs(tmp_path)
    first, again, other = (
        prepared(tmp_path / name, flow(seed, **settings)) for name, seed in zip("abc", (0, 0, 1), strict=True)
    )
    assert accuracy(first.predict(test)) > 0.9
    assert first.predict(test) == again.predict(test)
    assert first.predict(test) != other.predict(test)


@pytest.mark.parametrize(("encoding", "head"), [*product(ENCODINGS, HEADS[:1]), *product(ENCODINGS[:1], HEADS[1:])])
def test_every_encoding_and_head_gives_probabilities(encoding: str, head: str, tmp_path: Path) -> None:
    model = prepared(tmp_path, flow(encoding=encoding, head=head, budget={"steps": 2}), window=3)
    rows = torch.randn(5, 3, model.reader.preprocessor.width).clamp(0, 2).numpy()
    found = model.probabilities(rows)
    assert found.shape == (5, 2)
    assert found.sum(axis=1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize("mixer", get_args(Mixer))
def test_every_mixer_of_sequence_models_can_stand_for_attention(mixer: str, tmp_path: Path) -> None:
    model = prepared(tmp_path, flow(mixer=mixer, head="cls_token", budget={"steps": 2}), window=3)
    rows = torch.randn(5, 3, model.reader.preprocessor.width).clamp(0, 2).numpy()
    other = rows.copy()
    other[:, 0] = 0
    assert (model.probabilities(rows) != model.probabilities(other)).any()  # tokens do see each other
    assert model.phases().stages[0].once.flops > 0  # type: ignore[union-attr]


def test_a_window_and_a_step_of_training_are_counted(tmp_path: Path) -> None:
    work = prepared(tmp_path, flow(budget={"steps": 2}), window=3).phases()
    classify, training = work.stages
    assert classify.once is not None and training.once is not None
    assert 0 < classify.once.flops < training.once.flops
    assert work.preparing[0].examples == 2
    budget = {"flops": 7.5 * training.once.flops}
    (tmp_path / "more").mkdir()
    more = flow(budget=budget).prepare(Resources(inputs(tmp_path, window=3)[0], [], tmp_path / "more", tmp_path))
    assert more.facts["training_steps"] == 7


def test_a_causal_transformer_does_not_look_ahead_and_an_encoder_does() -> None:
    from harness.flows import transformers

    rows = torch.randn(1, 4, 8)
    changed = rows.clone()
    changed[:, -1] += 1
    for name, same in (("basic_encoder", False), ("basic_decoder", True)):
        stack = transformers.make(SHAPES[name], 8, length=4).eval()  # type: ignore[index]
        assert torch.allclose(stack(rows)[:, 0], stack(changed)[:, 0]) is same


def test_without_positions_average_pooling_and_the_cls_token_do_not_know_which_flow_is_asked(
    tmp_path: Path,
) -> None:
    for head in HEADS:
        model = prepared(tmp_path / head, flow(head=head, budget={"steps": 1}), window=3)
        windows = np.random.default_rng(0).uniform(0, 1, (4, 3, model.reader.preprocessor.width))
        windows[:, :, 2:] = 1
        turned = model.probabilities(windows[:, ::-1])
        assert np.allclose(turned, model.probabilities(windows)) is (head in ORDERLESS)


def test_positions_tell_it(tmp_path: Path) -> None:
    model = prepared(tmp_path, flow(head="average_pooling", positions=True, budget={"steps": 30}), window=3)
    windows = np.random.default_rng(0).uniform(0, 1, (4, 3, model.reader.preprocessor.width))
    assert not np.allclose(model.probabilities(windows[:, ::-1]), model.probabilities(windows))


def test_a_shorter_window_looks_at_the_last_flows_alone(tmp_path: Path) -> None:
    model = prepared(tmp_path, flow(window=1, budget={"steps": 5}), window=2)
    one, other = ([1.0, 2.0, "tcp", 3.0, 4.0, "udp"], [9.0, None, "icmp", 3.0, 4.0, "udp"])
    answers = model.predict([Example("one", one), Example("other", other)])
    assert answers[0].output == answers[1].output


def test_balanced_batches_have_as_many_of_each_label_however_rare() -> None:
    codes = torch.zeros(1000, dtype=torch.long)
    codes[3] = 1
    batches = Balanced(codes, 64, seed=1)
    assert all(codes[batches(step)].sum() == 32 for step in range(5))
    assert batches(4).tolist() == Balanced(codes, 64, seed=1)(4).tolist() != batches(5).tolist()


def test_selection_keeps_the_best_weights_and_its_curve(tmp_path: Path) -> None:
    model = flow(select=True, budget={"steps": 40})
    found = model.prepare(Resources(inputs(tmp_path)[0], [], tmp_path, tmp_path))
    assert found.facts["rows"] == 900  # validation is not trained on
    assert [step for step, _ in found.curves["validation balanced accuracy"]] == [20, 40]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="heads \\(3\\) divide"):
        FlowConfig.model_validate({"heads": 3})
    with pytest.raises(ValidationError, match="has no layers"):
        FlowConfig.model_validate({"transformer": "none", "layers": 2})
    with pytest.raises(ValidationError, match="mixer `fft` cannot be"):
        FlowConfig.model_validate({"transformer": "gpt_small", "mixer": "fft"})


def test_where_order_tells_the_last_token_beats_average_pooling_over_three_seeds(tmp_path: Path) -> None:
    workload = registry.task("nids/simulated/window-8").load(Places(data=tmp_path, cache=tmp_path))
    ids = [example.id for example in workload.examples]
    right = {}
    for head in ("last_token", "average_pooling"):
        columns = []
        for seed in range(3):
            model = FlowNetwork(FlowConfig.model_validate({"head": head, "budget": {"steps": 100}}), seed)
            folder = tmp_path / f"{head} {seed}"
            folder.mkdir()
            model.prepare(Resources(workload.inputs, [], folder, folder))
            answers = {answer.id: answer for answer in model.predict(workload.examples)}
            columns.append(workload.scorer.columns(ids, answers)["balanced_accuracy"])
        right[head] = {"balanced_accuracy": np.mean(columns, axis=0)}
    metric = Metric("balanced_accuracy", mean("balanced_accuracy"))
    found = difference(metric, right["last_token"], right["average_pooling"], len(ids))
    assert found.low > 0
