"""Scoring answers to questions: exact after normalising, pass@k, and what a vote over the samples makes of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.contract import Failure, FloatArray, Metric, Prediction, Texts
from harness.errors import InvalidPrediction
from harness.metrics.aggregate import mean
from harness.metrics.pass_at_k import sample_columns, sample_metrics

_KS = (2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_EXACT = Metric(
    "exact_match",
    mean("exact_match"),
    description="Share of answers that are an accepted one, but for case, blanks and the marks around them; of samples "
    "their mean, which is pass@1.",
)
_VOTE = Metric("vote", mean("vote"), description="The answer that most samples give is right; the first of a tie.")


class QuestionsScorer:
    """Holds the accepted answers by id; a missing answer or sample is a wrong one."""

    def __init__(self, answers: Mapping[str, Sequence[str]], samples: int) -> None:
        self._answers, self._samples = answers, samples
        self._accepted = {id: {normalised(text) for text in texts} - {""} for id, texts in answers.items()}
        self._ks = tuple(k for k in _KS if k <= samples)
        several = (*sample_metrics(samples, self._ks), _VOTE) if samples > 1 else ()
        self.metrics: Sequence[Metric] = (_EXACT, *several)

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure`, and `Texts` of as many texts as samples at most. Raises `InvalidPrediction` for others."""
        match prediction.output:
            case Failure():
                return
            case Texts(texts) if 1 <= len(texts) <= self._samples:
                return
        raise InvalidPrediction(
            f"{prediction.id!r} was not answered with texts, {self._samples} at most",
            hint="Return Texts([…]) with a text for each sample.",
        )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Statistics of each question: name → [n]."""
        said = [_said(predictions.get(id)) for id in example_ids]
        verdicts = [[one in self._accepted[id] for one in its] for id, its in zip(example_ids, said, strict=True)]
        exact = np.array([sum(verdict) / self._samples for verdict in verdicts], dtype=np.float64)
        if self._samples == 1:
            return {"exact_match": exact}
        votes = [_vote(its) in self._accepted[id] for id, its in zip(example_ids, said, strict=True)]
        several = sample_columns(verdicts, self._samples, self._ks)
        return {"exact_match": exact, **several, "vote": np.array(votes, dtype=np.float64)}

    def gold(self, example_id: str) -> dict[str, Any]:
        """The accepted answers."""
        return {"answers": list(self._answers[example_id])}


def normalised(text: str) -> str:
    """In lower case, compatible characters as one, single blanks, no marks at either end."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    start, end = 0, len(words)
    while start < end and _is_mark(words[start]):
        start += 1
    while end > start and _is_mark(words[end - 1]):
        end -= 1
    return words[start:end]


def _is_mark(character: str) -> bool:
    """Punctuation and blanks, but no sign that a number may have."""
    return character.isspace() or (unicodedata.category(character)[0] == "P" and character not in "-%#")


def _said(prediction: Prediction | None) -> list[str]:
    match prediction.output if prediction else None:
        case Texts(texts):
            return [normalised(text) for text in texts]
    return []


def _vote(said: Sequence[str]) -> str:
    counts = Counter(filter(None, said))
    return max(counts, key=counts.__getitem__) if counts else ""
