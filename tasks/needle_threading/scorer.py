"""The scorer of every needle task: four metrics side by side, and a column for each class of outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Failure, Metric, Prediction, Texts
from harness.errors import InvalidPrediction
from harness.metrics.aggregate import mean
from tasks.needle_threading.answers import CLASSES, Verdict, judge, uuids
from tasks.needle_threading.questions import Question

if TYPE_CHECKING:
    from harness.contract import FloatArray

METRICS = (
    Metric(
        "accuracy",
        mean("accuracy"),
        description="Share of the values asked for among the last UUIDs of the answer, in whatever words.",
    ),
    Metric(
        "strict_accuracy",
        mean("strict_accuracy"),
        description="The same as the paper's sample parses it: the answer has to be a Python literal.",
    ),
    Metric("exact", mean("exact"), description="Share of answers with all of the values."),
    Metric("hops", mean("hops"), description="Share of the thread that the answer followed; of needles, accuracy."),
)


@dataclass(frozen=True)
class HaystackText:
    """A haystack, and what it holds once that is asked."""

    text: str
    sha256: str

    @cached_property
    def uuids(self) -> frozenset[str]:
        return frozenset(uuids(self.text))


class NeedleScorer:
    """Scores texts against questions (by example id); a missing answer scores 0 and counts as unanswered."""

    metrics: Sequence[Metric] = METRICS

    def __init__(self, gold: Mapping[str, tuple[Question, HaystackText]], max_output_tokens: int) -> None:
        self._gold = gold
        self._budget = max_output_tokens

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
        """Each metric's value for each example, and 1 in the column of its outcome: name → [n]."""
        verdicts = [self._verdict(id, predictions.get(id)) for id in example_ids]
        return {
            "accuracy": np.array([v.accuracy for v in verdicts], dtype=np.float64),
            "strict_accuracy": np.array([v.strict for v in verdicts], dtype=np.float64),
            "exact": np.array([v.accuracy == 1 for v in verdicts], dtype=np.float64),
            "hops": np.array([v.hops for v in verdicts], dtype=np.float64),
            **{name: np.array([v.outcome == name for v in verdicts], dtype=np.float64) for name in CLASSES},
        }

    def gold(self, example_id: str) -> dict[str, Any]:
        """The values asked for, the way to each, the groups, and which haystack it was."""
        question, haystack = self._gold[example_id]
        way = {"hops": [list(path) for path in question.paths]} if len(question.paths[0]) > 1 else {}
        return {
            "values": list(question.answers),
            **way,
            "groups": question.groups,
            "haystack_sha256": haystack.sha256,
            "haystack_bytes": len(haystack.text),
        }

    def _verdict(self, example_id: str, prediction: Prediction | None) -> Verdict:
        question, haystack = self._gold[example_id]
        match prediction.output if prediction else None:
            case Texts([text, *_]):
                used = sum(usage.output_tokens for usage in prediction.usage) if prediction else 0
                return judge(text, question, haystack.uuids, out_of_budget=used >= self._budget)
            case Failure("over_limit" | "refused" as kind):
                return Verdict(0.0, 0.0, 0.0, kind)
        return Verdict(0.0, 0.0, 0.0, "unanswered")
