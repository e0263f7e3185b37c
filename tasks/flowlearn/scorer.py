"""The scorers of FlowLearn: one for each form of answer, lenient and strict reading side by side.

An example without an answer is wrong, and its answer unparsed; docs/flowlearn.md states the rules with examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Failure, Metric, Prediction, Texts
from harness.errors import InvalidPrediction
from harness.flowcharts import answers
from harness.flowcharts.answers import fold
from harness.flowcharts.mermaid import write
from harness.metrics.aggregate import mean
from harness.metrics.graphs import overlap
from tasks.flowlearn.questions import KINDS, Form, Question

if TYPE_CHECKING:
    from harness.contract import FloatArray

Row = dict[str, float]
"""The statistics of one example, by column."""

_UNPARSED = Metric(
    "unparsed", mean("unparsed"), higher_is_better=False, description="Share of answers in which nothing was found."
)
_STRICT_UNPARSED = Metric(
    "strict_unparsed",
    mean("strict_unparsed"),
    higher_is_better=False,
    description="Share of answers that are more or less than what was asked for.",
)


class _Scorer:
    """What the scorers share: gold questions by example id, and one answer after the other."""

    metrics: Sequence[Metric]

    def __init__(self, questions: Iterable[Question]) -> None:
        self._questions = {question.id: question for question in questions}

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure` and `Texts` with a text. Raises `InvalidPrediction` for anything else."""
        match prediction.output:
            case Failure() | Texts([_, *_]):
                return
        raise InvalidPrediction(
            f"example {prediction.id!r} was answered with {type(prediction.output).__name__}, not with a text",
            hint="The task asks for a text: return Texts([answer]).",
        )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """The statistics of each example: name → [n]."""
        rows = [self.row(self._questions[id], _text(predictions.get(id))) for id in example_ids]
        return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]} if rows else {}

    def row(self, question: Question, text: str) -> Row:
        """The statistics of one answer; an empty one stands for none."""
        raise NotImplementedError

    def gold(self, example_id: str) -> dict[str, Any]:
        """The answer, the chart that it is about, and its groups."""
        question = self._questions[example_id]
        found: dict[str, Any] = {"answer": question.answer, "kind": question.kind, "chart": question.chart_key}
        if question.corrected and question.corrected != question.answer:
            found["corrected"] = question.corrected
        if question.chart is not None:
            found["mermaid"] = write(question.chart)
        if question.picture is not None:
            found |= {"image": str(question.picture.path), "image_sha256": question.picture.sha256}
        return found | {"groups": dict(question.groups)}


class TextScorer(_Scorer):
    """The text in a box."""

    metrics: Sequence[Metric] = (
        Metric("exact_match", mean("exact_match"), description="Case, white space and `The answer is` do not count."),
        Metric("exact_match_raw", mean("exact_match_raw"), description="To the letter, but for white space around it."),
        Metric("contains", mean("contains"), description="The text is somewhere in the answer."),
        Metric("unparsed", mean("unparsed"), higher_is_better=False, description="Share of empty answers."),
    )

    def row(self, question: Question, text: str) -> Row:
        said, gold = answers.stripped(text), fold(question.answer)
        return {
            "exact_match": float(gold in (fold(said), fold(text))),
            "exact_match_raw": float(text.strip() == question.answer),
            "contains": float(gold in fold(text)),
            "unparsed": float(not said),
        }


class CountScorer(_Scorer):
    """How many there are."""

    metrics: Sequence[Metric] = (
        Metric("accuracy", mean("right"), description="Share of right counts: the first number in the answer counts."),
        Metric("strict_accuracy", mean("strict_right"), description="The same where the answer has to be the number."),
        Metric(
            "mae",
            lambda columns, weights: _or_zero(columns["error"], columns["parsed"], weights),
            higher_is_better=False,
            description="Mean absolute error of the answers with a number; 0 where none has one, so look at unparsed.",
        ),
        _UNPARSED,
        _STRICT_UNPARSED,
    )

    def row(self, question: Question, text: str) -> Row:
        gold = int(question.answer)
        said, strict = answers.number(text), answers.strict_number(text)
        return {
            "right": float(said == gold),
            "strict_right": float(strict == gold),
            "error": float(abs(said - gold)) if said is not None else 0.0,
            "parsed": float(said is not None),
            "unparsed": float(said is None),
            "strict_unparsed": float(strict is None),
        }


class BooleanScorer(_Scorer):
    """True or false; an answer that is neither is wrong."""

    metrics: Sequence[Metric] = (
        Metric("accuracy", mean("right"), description="The first of the words true and false in the answer counts."),
        Metric("strict_accuracy", mean("strict_right"), description="The same where the answer has to be the word."),
        Metric(
            "corrected_accuracy",
            mean("corrected_right"),
            description="Against what the chart says, where an official answer contradicts it.",
        ),
        Metric("yes_rate", mean("yes"), description="Share of answers that say true; neither better nor worse."),
        _UNPARSED,
        _STRICT_UNPARSED,
    )

    def row(self, question: Question, text: str) -> Row:
        gold, corrected = question.answer == "true", (question.corrected or question.answer) == "true"
        said, strict = answers.boolean(text), answers.strict_boolean(text)
        return {
            "right": float(said is gold),
            "strict_right": float(strict is gold),
            "corrected_right": float(said is corrected),
            "yes": float(said is True),
            "gold_true": float(gold),
            "gold_false": float(not gold),
            "right_true": float(said is gold and gold),
            "right_false": float(said is gold and not gold),
            "unparsed": float(said is None),
            "strict_unparsed": float(strict is None),
        }


class JointScorer(BooleanScorer):
    """True and false statements together: always saying the same gives a balanced accuracy of .5."""

    metrics: Sequence[Metric] = (
        Metric(
            "balanced_accuracy",
            lambda columns, weights: _balanced(columns, weights),
            description="Mean of the accuracies on true and on false statements.",
        ),
        *BooleanScorer.metrics,
    )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Also what each example adds to the balanced accuracy, so that runs can be compared pair by pair."""
        found = super().columns(example_ids, predictions)
        if found:
            sizes = np.where(found["gold_true"] == 1, found["gold_true"].sum(), found["gold_false"].sum())
            found["balanced_accuracy"] = found["right"] * len(example_ids) / (2 * sizes)
        return found


class GraphScorer(_Scorer):
    """A chart, as Mermaid code or in sentences."""

    metrics: Sequence[Metric] = (
        Metric("link_f1", mean("link_f1"), description="F1 of ordered pairs of labels, mean over charts."),
        Metric("node_f1", mean("node_f1"), description="F1 of labels, mean over charts; case and white space folded."),
        Metric("exact_graph", mean("exact_graph"), description="Share of charts with all nodes and links and no more."),
        Metric("styled_link_f1", mean("styled_link_f1"), description="Link F1 where the line's style counts as well."),
        Metric("strict_link_f1", mean("strict_link_f1"), description="Link F1, 0 where the answer is more than code."),
        _UNPARSED,
        _STRICT_UNPARSED,
    )

    def row(self, question: Question, text: str) -> Row:
        described = question.kind == "to-description"
        wanted = _described(question.answer) if described else _drawn(question.answer)
        found = _described(text) if described else _drawn(text)
        nodes, links = overlap(found.labels, wanted.labels), overlap(found.pairs, wanted.pairs)
        link_f1 = links.f1 if found.labels else 0.0
        return {
            "link_f1": link_f1,
            "node_f1": nodes.f1,
            "exact_graph": float(nodes.exact and links.exact),
            "styled_link_f1": overlap(found.styled, wanted.styled).f1 if found.labels else 0.0,
            "strict_link_f1": link_f1 if found.strict else 0.0,
            "unparsed": float(not found.labels),
            "strict_unparsed": float(not found.strict),
        }


class CaptionScorer(_Scorer):
    """A caption, by its words: how far wordings agree, not whether they are true."""

    metrics: Sequence[Metric] = (
        Metric("word_f1", mean("word_f1"), description="F1 of the bag of words, mean over charts."),
        Metric("unparsed", mean("unparsed"), higher_is_better=False, description="Share of empty answers."),
    )

    def row(self, question: Question, text: str) -> Row:
        said = fold(text).split()
        return {"word_f1": overlap(said, fold(question.answer).split()).f1, "unparsed": float(not said)}


class _Graph:
    """Labels and links as they are compared."""

    def __init__(self, labels: Iterable[str], styled: Iterable[tuple[str, str, str]], strict: bool) -> None:
        self.labels = [fold(label) for label in labels]
        self.styled = [(fold(a), fold(b), style) for a, b, style in styled]
        self.pairs = [(a, b) for a, b, _ in self.styled]
        self.strict = strict


def _drawn(text: str) -> _Graph:
    read = answers.mermaid(text)
    return _Graph(read.chart.labels, read.chart.styled_pairs, read.strict)


def _described(text: str) -> _Graph:
    nodes, pairs, strict = answers.description(text)
    return _Graph(nodes, [(a, b, "") for a, b in pairs], strict)


def _text(prediction: Prediction | None) -> str:
    match prediction.output if prediction else None:
        case Texts([text, *_]):
            return answers.cut(text)
    return ""


def _or_zero(above: FloatArray, below: FloatArray, weights: FloatArray) -> FloatArray:
    total = (weights * below).sum(axis=-1)
    found: FloatArray = np.divide((weights * above).sum(axis=-1), total, out=np.zeros_like(total), where=total != 0)
    return found


def _balanced(columns: Mapping[str, FloatArray], weights: FloatArray) -> FloatArray:
    """NaN for a draw that lacks one of the classes."""
    halves = []
    for label in ("true", "false"):
        total = (weights * columns[f"gold_{label}"]).sum(axis=-1)
        right = (weights * columns[f"right_{label}"]).sum(axis=-1)
        halves.append(np.divide(right, total, out=np.full_like(total, np.nan), where=total != 0))
    balanced: FloatArray = (halves[0] + halves[1]) / 2
    return balanced


_SCORERS: dict[Form, type[_Scorer]] = {
    "text": TextScorer,
    "count": CountScorer,
    "boolean": BooleanScorer,
    "graph": GraphScorer,
    "caption": CaptionScorer,
}


def scorer_class(kinds: Sequence[str]) -> type[_Scorer]:
    """The scorer of a task over these kinds of questions."""
    return JointScorer if len(kinds) > 1 else _SCORERS[KINDS[kinds[0]].form]


def best_constant(questions: Sequence[Question], kinds: Sequence[str]) -> tuple[str, float]:
    """The answer that scores best if it is given to every question, and its score by the primary metric.

    For the floor of a task; known only with the answers in hand.
    """
    cls = scorer_class(kinds)
    metric, n = cls.metrics[0], len(questions)
    scorer = cls(questions)
    common = [answer for answer, _ in Counter(question.answer for question in questions).most_common(5)]

    def score(answer: str) -> float:
        rows = [scorer.row(question, answer) for question in questions]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return float(metric.aggregate(columns, np.ones((1, n)))[0])

    return max(((answer, score(answer)) for answer in common), key=lambda found: found[1])
