"""Labels against gold ones."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contract import Classes, Failure, Output, Prediction, Texts
from harness.errors import InvalidPrediction
from harness.metrics.bootstrap import intervals
from harness.metrics.classification import ACCURACY, LabelScorer

SCORER = LabelScorer(("cat", "dog"), {"1": "cat", "2": "dog", "3": "dog", "4": "cat"}, {"1": {"size": "small"}})


def answered(**labels: str) -> dict[str, Prediction]:
    return {id[1:]: Prediction(id[1:], Classes(label)) for id, label in labels.items()}


def test_accuracy_counts_a_missing_answer_as_wrong() -> None:
    columns = SCORER.columns(["1", "2", "3", "4"], answered(x1="cat", x2="dog", x3="cat"))
    assert columns["right"].tolist() == [1, 1, 0, 0]
    found = intervals([ACCURACY], columns, 4)["accuracy"]
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high


def test_a_failure_is_wrong_and_allowed() -> None:
    prediction = Prediction("1", Failure("refused"))
    SCORER.check(prediction)
    assert SCORER.columns(["1"], {"1": prediction})["right"].tolist() == [0]


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (Classes("dgo"), "'dgo'"),
        (Classes("dog", {"dog": 1.0, "cow": 0.0}), "'cow'"),
        (Classes("dog", {"dog": float("nan")}), "no finite number"),
        (Texts(["dog"]), "not with a label"),
    ],
)
def test_answers_that_break_the_protocol_are_refused(output: Output, complaint: str) -> None:
    with pytest.raises(InvalidPrediction, match=complaint):
        SCORER.check(Prediction("1", output))


def test_gold_shows_label_and_groups() -> None:
    assert SCORER.gold("1") == {"label": "cat", "groups": {"size": "small"}}
    assert np.isfinite(SCORER.columns(["2"], {})["right"]).all()
