"""Detection metrics give what scikit-learn gives, with any weights, and their limits are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from harness.contract import Classes, Failure, Prediction
from harness.errors import InvalidPrediction
from harness.metrics.bootstrap import intervals
from harness.metrics.detection import curve
from harness.metrics.detection_scorer import DetectionScorer, Flow

flows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=4, max_size=40
)


def scored(cases: list[tuple[bool, float, bool]]) -> tuple[DetectionScorer, list[str], dict[str, Prediction]]:
    ids = [f"{i}" for i in range(len(cases))]
    known = {
        id: Flow("neptune", "dos", unseen) if attack else Flow("normal", "", False)
        for id, (attack, _, unseen) in zip(ids, cases, strict=True)
    }
    said = {
        id: Prediction(id, Classes("attack" if score >= 0.5 else "benign", {"attack": score}))
        for id, (_, score, _) in zip(ids, cases, strict=True)
    }
    return DetectionScorer(known), ids, said


def values(cases: list[tuple[bool, float, bool]]) -> dict[str, float]:
    scorer, ids, said = scored(cases)
    columns = scorer.columns(ids, said)
    return {m.name: float(m.aggregate(columns, np.ones((1, len(ids))))[0]) for m in scorer.metrics}


@settings(max_examples=60, deadline=None)
@given(flows.filter(lambda cases: 0 < sum(case[0] for case in cases) < len(cases)))
def test_as_scikit_learn_has_it(cases: list[tuple[bool, float, bool]]) -> None:
    found = values(cases)
    attack = np.array([case[0] for case in cases])
    score = np.array([case[1] for case in cases])
    said = score >= 0.5
    expected = {
        "accuracy": sk.accuracy_score(attack, said),
        "balanced_accuracy": sk.balanced_accuracy_score(attack, said),
        "f1": sk.f1_score(attack, said, zero_division=0),
        "precision": sk.precision_score(attack, said, zero_division=0),
        "detection_rate": sk.recall_score(attack, said),
        "mcc": sk.matthews_corrcoef(attack, said),
        "auc": sk.roc_auc_score(attack, score),
        "pr_auc": sk.average_precision_score(attack, score),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    fpr, tpr, _ = sk.roc_curve(attack, score, drop_intermediate=False)
    assert found["detection@far1%"] == pytest.approx(tpr[fpr <= 0.01].max())
    thresholds, alarm_rate, detection = curve(attack.astype(float), score)
    assert list(alarm_rate) == pytest.approx(fpr[1:])
    assert list(detection) == pytest.approx(tpr[1:])
    assert len(thresholds) == len(fpr) - 1


@given(flows)
def test_weights_are_repeats(cases: list[tuple[bool, float, bool]]) -> None:
    scorer, ids, said = scored(cases)
    columns = scorer.columns(ids, said)
    twice = {name: np.repeat(column, 2) for name, column in columns.items()}
    for metric in scorer.metrics:
        weighted = metric.aggregate(columns, np.full((1, len(ids)), 2.0))
        repeated = metric.aggregate(twice, np.ones((1, 2 * len(ids))))
        assert weighted == pytest.approx(repeated, abs=1e-12), metric.name


def test_precision_falls_where_attacks_are_rare() -> None:
    found = values([(True, 1.0, False)] * 9 + [(True, 0.0, False)] + [(False, 1.0, False)] + [(False, 0.0, False)] * 9)
    assert found["precision"] == pytest.approx(0.9)
    assert found["precision@1%"] == pytest.approx(0.01 * 0.9 / (0.01 * 0.9 + 0.99 * 0.1))


def test_families_and_unseen_types_have_a_rate_of_their_own() -> None:
    found = values([(True, 1.0, True), (True, 0.0, True), (True, 1.0, False), (False, 0.0, False)])
    assert found["unseen_detection"] == 0.5
    assert found["detection[dos]"] == pytest.approx(2 / 3)


def test_a_detector_that_is_sure_and_wrong_is_not_calibrated() -> None:
    assert values([(True, 0.0, False), (False, 1.0, False)])["calibration_error"] == 1
    assert values([(True, 0.5, False), (False, 0.5, False)])["calibration_error"] == 0


def test_flows_without_an_answer_pass_as_benign_and_are_wrong() -> None:
    scorer, ids, _ = scored([(True, 1.0, False), (False, 0.0, False)])
    columns = scorer.columns(ids, {ids[0]: Prediction(ids[0], Failure("unanswered"))})
    assert list(columns["hit"]) == [0, 0]
    assert list(columns["right"]) == [0, 0]
    assert intervals(scorer.metrics, columns, 2)["precision"].value == 0


@pytest.mark.parametrize(("label", "scores"), [("Attack", {}), ("attack", {"attack": 1.5}), ("attack", {"x": 0.1})])
def test_what_is_no_label_or_no_probability_is_refused(label: str, scores: dict[str, float]) -> None:
    scorer, ids, _ = scored([(True, 1.0, False)])
    with pytest.raises(InvalidPrediction):
        scorer.check(Prediction(ids[0], Classes(label, scores)))
