"""An answer is read as the paper's sample reads it and as a person would, and a wrong one says what went wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Classes, Failure, Prediction, Texts, Usage
from harness.errors import InvalidPrediction
from tasks.needle_threading.answers import CLASSES, judge, strict_score
from tasks.needle_threading.haystack import Haystack
from tasks.needle_threading.questions import Question
from tasks.needle_threading.scorer import METRICS, HaystackText, NeedleScorer

HAY = Haystack.drawn(0, 25)
KEY, VALUE, OTHER = HAY.keys[3], HAY.values[3], HAY.values[7]
NEEDLE = Question("?", (KEY,), ((VALUE,),), one=True)
THREE = Question("?", tuple(HAY.keys[:3]), tuple((v,) for v in HAY.values[:3]), one=False, ordered=True)
SET = Question("?", (), tuple((v,) for v in HAY.values[:3]), one=False)
THREAD = Question("?", (KEY,), (tuple(HAY.values[10:14]),), one=True)
UUIDS = frozenset([*HAY.keys, *HAY.values])
STRANGER = "00000000-1111-2222-3333-444444444444"


def outcome(text: str, question: Question = NEEDLE, **options: bool) -> str:
    return judge(text, question, UUIDS, **options).outcome


# --- One value ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [f'"{VALUE}"', f" '{VALUE}'\n", f'"{VALUE} and more"'])
def test_what_the_papers_parser_reads(answer: str) -> None:
    verdict = judge(answer, NEEDLE, UUIDS)
    assert (verdict.strict, verdict.accuracy, verdict.outcome) == (1, 1, "right")


@pytest.mark.parametrize(
    "answer", [VALUE, f"The value is {VALUE}.", f"**{VALUE.upper()}**", f'{{"{KEY}": "{VALUE}"}}', f"{VALUE}, of {KEY}"]
)
def test_what_only_a_person_reads(answer: str) -> None:
    verdict = judge(answer, NEEDLE, UUIDS)
    assert (verdict.strict, verdict.accuracy, verdict.outcome) == (0, 1, "badly_formatted")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f'"{OTHER}"', "wrong_value"),
        (f'"{STRANGER}"', "invented"),
        (f"The key is {KEY}", "key_echoed"),
        ("I cannot find it.", "no_uuid"),
        ("", "no_uuid"),
        (f'"{VALUE[:20]}', "truncated"),
        (f"{VALUE} no, rather {OTHER}", "wrong_value"),
    ],
)
def test_what_went_wrong(answer: str, expected: str) -> None:
    verdict = judge(answer, NEEDLE, UUIDS)
    assert (verdict.accuracy, verdict.outcome) == (0, expected)


def test_an_answer_that_used_up_its_budget_is_truncated_unless_it_is_right() -> None:
    assert outcome("Let me think about", out_of_budget=True) == "truncated"
    assert outcome(f'"{VALUE}"', out_of_budget=True) == "right"


def test_reciting_the_haystack_earns_nothing() -> None:
    assert judge(HAY.text, NEEDLE, UUIDS).accuracy == 0
    assert judge(HAY.text, SET, UUIDS).accuracy == 0
    assert judge(HAY.text, NEEDLE, UUIDS).hops == judge(HAY.text, THREAD, UUIDS).hops == 0


def test_a_longer_run_of_digits_is_no_uuid() -> None:
    assert outcome(f"a{VALUE}") == "no_uuid"


# --- Several values -------------------------------------------------------------------------------------------------


def test_several_values_earn_their_share() -> None:
    first, second, third = THREE.answers
    cases = [
        (json.dumps([first, second, third]), 1, 1, "right"),
        (json.dumps([first, third]), 1 / 3, 2 / 3, "partial"),
        (json.dumps([third, second, first]), 1 / 3, 1, "badly_formatted"),
        (f"{first}\n{second}\n{third}", 0, 1, "badly_formatted"),
        (json.dumps([first, second, third, OTHER]), 0, 2 / 3, "partial"),
    ]
    for text, strict, accuracy, expected in cases:
        verdict = judge(text, THREE, UUIDS)
        assert (verdict.strict, verdict.accuracy, verdict.outcome) == pytest.approx((strict, accuracy, expected))


def test_no_order_is_asked_of_a_set() -> None:
    assert judge(json.dumps(SET.answers[::-1]), SET, UUIDS).strict == 1
    assert strict_score(json.dumps([SET.answers[0]] * 3), SET) == pytest.approx(1 / 3), "once is enough"


# --- Threads --------------------------------------------------------------------------------------------------------


def test_the_way_may_be_told_and_counts_where_the_end_is_missed() -> None:
    path = THREAD.paths[0]
    whole = judge(f"{KEY} -> " + " -> ".join(path), THREAD, UUIDS)
    assert (whole.accuracy, whole.hops) == (1, 1)
    half = judge(f"It is {path[1]}", THREAD, UUIDS)
    assert (half.accuracy, half.hops, half.outcome) == (0, 0.5, "on_the_way")
    assert judge(OTHER, THREAD, UUIDS).hops == 0


# --- Hostile and random answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "[" * 5000,
        '"' + "a" * 2_000_000,
        "(" * 9000 + ")" * 9000,
        "__import__('os').system('false')",
        "'\\q'",
        "\0",
        "[1, {}]",
        '["a", ' * 500,
        "'\ud800'",
        "-" * 100_000 + "f" * 8,
        "[[[]]]",
        "(1,)",
    ],
)
def test_no_answer_breaks_the_scorer(answer: str) -> None:
    for question in (NEEDLE, THREE, SET, THREAD):
        verdict = judge(answer, question, UUIDS)
        assert (verdict.accuracy, verdict.strict, verdict.hops) == (0, 0, 0)


PIECES = st.sampled_from([*HAY.keys[:5], *HAY.values[:15], STRANGER, '"', "[", "]", ", ", " is ", VALUE[:15], "\n"])


@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
def test_scores_are_shares_and_agree_with_the_outcome(text: str, out_of_budget: bool) -> None:
    for question in (NEEDLE, THREE, SET, THREAD):
        verdict = judge(text, question, UUIDS, out_of_budget=out_of_budget)
        assert verdict.outcome in CLASSES
        assert all(0 <= share <= 1 for share in (verdict.accuracy, verdict.strict, verdict.hops))
        right = verdict.outcome in ("right", "badly_formatted")
        assert right == (verdict.accuracy == 1 or verdict.strict == 1)


# --- The scorer -----------------------------------------------------------------------------------------------------

GOLD = {id: (NEEDLE, HaystackText(HAY.text, "0")) for id in "abcde"}


def test_every_example_is_of_one_class_answered_or_not() -> None:
    predictions = {
        "a": Prediction("a", Texts([f'"{VALUE}"'])),
        "b": Prediction("b", Failure("over_limit")),
        "c": Prediction("c", Failure("refused", "no")),
        "d": Prediction("d", Texts(["Well, let me see"]), (Usage(output_tokens=120),)),
    }
    columns = NeedleScorer(GOLD, 120).columns(list("abcde"), predictions)
    assert columns["accuracy"].tolist() == [1, 0, 0, 0, 0]
    classes = [name for name in CLASSES for n in range(5) if columns[name][n]]
    assert sorted(classes) == sorted(["right", "over_limit", "refused", "truncated", "unanswered"])
    assert np.array_equal(sum(columns[name] for name in CLASSES), np.ones(5))
    assert {metric.name for metric in METRICS} <= set(columns)


def test_an_answer_that_is_no_text_is_refused() -> None:
    scorer = NeedleScorer(GOLD, 120)
    for output in (Classes("a"), Texts([])):
        with pytest.raises(InvalidPrediction, match="example 'a'"):
            scorer.check(Prediction("a", output))
    scorer.check(Prediction("a", Failure("refused")))
    scorer.check(Prediction("a", Texts([""])))
