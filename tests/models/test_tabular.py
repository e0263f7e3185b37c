"""Learners over rows of features: they learn, say which settings they have, and count what a row costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from harness import registry
from harness.contract import Classes, Example, Places, Prediction, Resources
from harness.models.tabular import Tabular, TabularConfig
from tests.flows.generated import accuracy, inputs

LEARNERS = (
    "decision_tree",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
    "logistic_regression",
)


def tabular(**settings: object) -> Tabular:
    return Tabular(TabularConfig.model_validate(settings), seed=0)


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_finds_the_rule_and_the_same_one_each_time(learner: str, tmp_path: Path) -> None:
    first, second = ([*run(learner, tmp_path)] for _ in range(2))
    assert first == second
    assert accuracy(first) > 0.93


def run(learner: str, folder: Path) -> list[Prediction]:
    model = tabular(learner=learner)
    given, test = inputs(folder)
    model.prepare(Resources(given, [], folder, folder))
    return model.predict(test)


@pytest.mark.parametrize("learner", LEARNERS)
def test_missing_numbers_and_new_levels_get_an_answer(learner: str, tmp_path: Path) -> None:
    model = tabular(learner=learner)
    model.prepare(Resources(inputs(tmp_path)[0], [], tmp_path, tmp_path))
    rows = [[None, None, None], [float("inf"), -1e300, "never seen"]]
    for answer in model.predict([Example(str(place), row) for place, row in enumerate(rows)]):
        assert isinstance(answer.output, Classes)
        assert sum(answer.output.scores.values()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("learner", LEARNERS[:-1])
def test_nodes_of_a_row_are_counted_and_priced(learner: str, tmp_path: Path) -> None:
    trees = {} if learner == "decision_tree" else {"trees": 3}
    model = tabular(learner=learner, depth=2, **trees)
    given, test = inputs(tmp_path)
    prepared = model.prepare(Resources(given, [], tmp_path, tmp_path))
    count = trees.get("trees", 1)
    assert count < float(prepared.facts["nodes_of_a_row"]) <= 2 * count
    assert 3 * count <= int(prepared.facts["nodes"]) <= 7 * count
    (stage,) = model.phases().stages
    ((usage,),) = {answer.usage for answer in model.predict(test)}
    assert (usage.stage, usage.nodes) == (stage.name, round(float(prepared.facts["nodes_of_a_row"])))
    assert stage.each["nodes"].flops == 1


def test_a_tree_of_depth_1_is_one_comparison(tmp_path: Path) -> None:
    model = tabular(learner="decision_tree", depth=1)
    given, test = inputs(tmp_path)
    assert model.prepare(Resources(given, [], tmp_path, tmp_path)).facts["nodes"] == 3
    assert 0.5 < accuracy(model.predict(test)) < 0.9


def test_settings_of_another_learner_are_refused() -> None:
    with pytest.raises(ValidationError, match="`logistic_regression` has no `trees`"):
        tabular(learner="logistic_regression", trees=5)


def test_a_window_of_flows_is_a_row_of_all_their_features(tmp_path: Path) -> None:
    workload = registry.task("nids/simulated/window-8").load(Places(data=tmp_path, cache=tmp_path))
    model = tabular(learner="decision_tree", depth=4)
    prepared = model.prepare(Resources(workload.inputs, [], tmp_path, tmp_path))
    one = registry.task("nids/simulated").load(Places(data=tmp_path, cache=tmp_path))
    alone = tabular(learner="decision_tree").prepare(Resources(one.inputs, [], tmp_path, tmp_path))
    assert prepared.facts["features"] == 8 * int(alone.facts["features"])
    answers = {answer.id: answer for answer in model.predict(workload.examples)}
    ids = [example.id for example in workload.examples]
    columns = workload.scorer.columns(ids, answers)
    balanced = workload.scorer.metrics[0].aggregate(columns, np.ones((1, len(ids))))
    assert balanced[0] > max(line.value for line in workload.lines)


@pytest.mark.data
def test_logistic_regression_reaches_what_is_known_of_nsl_kdd(data_root: Path, tmp_path: Path) -> None:
    workload = registry.task("nids/nsl-kdd").load(Places(data=data_root, cache=tmp_path))
    model = tabular(learner="logistic_regression", levels=128, iterations=200)
    model.prepare(Resources(workload.inputs, [], tmp_path, tmp_path))
    answers = {answer.id: answer for answer in model.predict(workload.examples)}
    ids = [example.id for example in workload.examples]
    columns, weights = workload.scorer.columns(ids, answers), np.ones((1, len(ids)))
    found = {metric.name: metric.aggregate(columns, weights)[0] for metric in workload.scorer.metrics}
    assert found["accuracy"] == pytest.approx(0.754, abs=0.005)
    assert found["f1"] == pytest.approx(0.743, abs=0.005)
