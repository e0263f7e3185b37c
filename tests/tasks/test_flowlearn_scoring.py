"""Answers are read strictly and leniently side by side, and every rule has a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contract import Classes, Failure, Prediction, Texts
from harness.errors import InvalidPrediction
from harness.flowcharts import answers
from tasks.flowlearn.questions import Question
from tasks.flowlearn.scorer import (
    BooleanScorer,
    CaptionScorer,
    CountScorer,
    GraphScorer,
    JointScorer,
    TextScorer,
    _Scorer,
    best_constant,
)

GOLD = "```mermaid\nflowchart TB\nentity0(a b)\nentity1(c)\nentity2(d)\nentity0 --> entity1\nentity1 ==> entity2\n```"


def asked(kind: str, *golds: str, corrected: str = "") -> list[Question]:
    return [Question("word", f"{i}.jpeg", kind, "?", gold, corrected) for i, gold in enumerate(golds)]


def scores(scorer: _Scorer, questions: list[Question], *said: str | None) -> dict[str, float]:
    texts = {q.id: Prediction(q.id, Texts([text])) for q, text in zip(questions, said, strict=True) if text is not None}
    columns = scorer.columns([q.id for q in questions], texts)
    return {m.name: float(m.aggregate(columns, np.ones((1, len(questions))))[0]) for m in scorer.metrics}


@pytest.mark.parametrize(
    ("said", "lenient", "strict"),
    [
        ("7", 7, 7),
        (" 7.\n", 7, 7),
        ("The answer is 7.", 7, None),
        ("about 7 or 8", 7, None),
        ("seven", None, None),
        ("3.5", None, None),
        ("9" * 5000, None, None),
        ("1001", None, None),
        ("", None, None),
    ],
)
def test_counts(said: str, lenient: int | None, strict: int | None) -> None:
    assert (answers.number(said), answers.strict_number(said)) == (lenient, strict)


@pytest.mark.parametrize(
    ("said", "lenient", "strict"),
    [
        ("True.", True, True),
        (' "false"\n', False, False),
        ("It is false that …", False, None),
        ("untrue", None, None),
        ("yes", None, None),
    ],
)
def test_true_and_false(said: str, lenient: bool | None, strict: bool | None) -> None:
    assert (answers.boolean(said), answers.strict_boolean(said)) == (lenient, strict)


def test_an_absurd_number_does_not_spoil_the_mean_error() -> None:
    questions = asked("num-nodes", "5", "5", "5")
    found = scores(CountScorer(questions), questions, "6", "9" * 97, None)
    assert found["mae"] == 1.0
    assert found["unparsed"] == pytest.approx(2 / 3)


def test_always_the_same_answer_is_worth_half() -> None:
    questions = [*asked("is-true-a-to-b", "true", "true", "true"), *asked("is-false-a-to-b", "false")]
    found = scores(JointScorer(questions), questions, "true", "true", "true", "true")
    assert (found["balanced_accuracy"], found["accuracy"], found["yes_rate"]) == (0.5, 0.75, 1.0)
    said = {q.id: Prediction(q.id, Texts(["true"])) for q in questions}
    column = JointScorer(questions).columns([q.id for q in questions], said)["balanced_accuracy"]
    assert column.mean() == pytest.approx(0.5), "what each example adds"
    assert best_constant(questions, ["is-true-a-to-b", "is-false-a-to-b"])[1] == 0.5


def test_a_label_that_the_chart_contradicts_counts_in_both_ways() -> None:
    questions = asked("is-false-between", "false", corrected="true")
    found = scores(BooleanScorer(questions), questions, "true")
    assert (found["accuracy"], found["corrected_accuracy"]) == (0.0, 1.0)


def test_text_in_a_box() -> None:
    questions = asked("ocr", "Fused Map", "Fused Map", "Fused Map")
    found = scores(TextScorer(questions), questions, 'The answer is "fused  map".', "the box says Fused Map", None)
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["contains"] == pytest.approx(2 / 3)
    assert found["exact_match_raw"] == 0.0
    assert found["unparsed"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("label", ["answer key", "answerable", "Answer: 42", "the answer is blowing", "'quoted'.", "*"])
def test_the_text_itself_is_always_an_exact_answer(label: str) -> None:
    questions = asked("ocr", label)
    found = scores(TextScorer(questions), questions, label)
    assert (found["exact_match"], found["exact_match_raw"], found["contains"]) == (1.0, 1.0, 1.0)


def test_graphs() -> None:
    questions = asked("to-mermaid", GOLD)
    scorer = GraphScorer(questions)
    whole = scores(scorer, questions, GOLD)
    assert {whole[name] for name in ("link_f1", "node_f1", "exact_graph", "styled_link_f1", "strict_link_f1")} == {1.0}
    other_style = scores(scorer, questions, "Here it is: " + GOLD.replace("==>", "-.->"))
    assert (other_style["link_f1"], other_style["styled_link_f1"], other_style["strict_link_f1"]) == (1.0, 0.5, 0.0)
    turned = scores(scorer, questions, GOLD.replace("entity0 --> entity1", "entity1 --> entity0"))
    assert (turned["node_f1"], turned["link_f1"], turned["exact_graph"]) == (1.0, 0.5, 0.0)
    nothing = scores(scorer, questions, "I cannot see it.")
    assert (nothing["node_f1"], nothing["link_f1"], nothing["unparsed"]) == (0.0, 0.0, 1.0)


def test_descriptions() -> None:
    questions = asked("to-description", "a b points to c. c points to d. ")
    found = scores(GraphScorer(questions), questions, "The answer is: A b points to C. d points to c.")
    assert (found["node_f1"], found["link_f1"]) == (1.0, 0.5)
    listed = scores(GraphScorer(questions), questions, "Links:\n- 'a b' points to 'c'\n2. **c** points to **d**.\n")
    assert (listed["node_f1"], listed["exact_graph"]) == (1.0, 1.0)


def test_captions() -> None:
    questions = asked("caption", "The whole pipeline")
    assert scores(CaptionScorer(questions), questions, "the pipeline")["word_f1"] == pytest.approx(0.8)


def test_only_texts_are_answers() -> None:
    scorer = CountScorer(asked("num-nodes", "5"))
    scorer.check(Prediction("q", Failure("refused")))
    with pytest.raises(InvalidPrediction, match="not with a text"):
        scorer.check(Prediction("q", Classes("5")))


def test_ids_do_not_show_what_is_true() -> None:
    ids = [q.id for kind in ("is-true-between", "is-false-between") for q in asked(kind, "x")]
    assert len(set(ids)) == 2
    assert not [id for id in ids if "true" in id or "false" in id]
