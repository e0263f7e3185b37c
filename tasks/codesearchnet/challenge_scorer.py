"""NDCG of the CodeSearchNet challenge (Husain et al. 2019, arXiv:1909.09436; `relevanceeval.py` of its repository).

A query's relevances are the means over its annotators. Of a ranking the first 300 count. Gain is 2^relevance - 1,
the discount log2(1 + rank), and the ideal runs over all judged functions of the query, however many. *Within* only
judged functions have ranks; in *all* every function has one, and one that nobody judged gains nothing. Queries without
any relevant function are not asked.

The published script counts a function again each time that it is listed, so that one good function 300 times scores up
to 41. Here a repeated function counts once, at its first place. Equal scores gain what they do on average over all
their orders, which is exact: the mean discount of their places for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.contract import Example, FloatArray, Line, Metric, Prediction, Ranking, Scorer
from harness.metrics.aggregate import mean
from harness.metrics.ranking import RankingScorer
from tasks.codesearchnet.collection import Collection

DEPTH = 300
"""What the script reads of a query's answer."""
_DESCRIPTIONS = {
    "nDCG_all": "The challenge's NDCG where functions that nobody judged take places and gain nothing.",
    "nDCG_within": "The challenge's NDCG among judged functions only. A random order scores .7 to .9 if all functions "
    "are judged.",
    "Judged@10": "The share of the first ten functions that somebody has judged at all.",
}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ndcg:
    """Both readings of NDCG of one ranking."""

    within: float
    all: float


def ndcg(ids: Sequence[str], scores: Sequence[float], relevance: Mapping[str, float]) -> Ndcg:
    """NDCG of a ranking, best first, by the relevance of the judged functions; 0 if none is relevant.

    Both are at most 1: an id that is there again is passed over.
    """
    ids, values = _first_times(ids, scores)
    gains = np.array([2.0 ** relevance[id] - 1 if id in relevance else 0.0 for id in ids])
    is_judged = np.array([id in relevance for id in ids], dtype=bool)
    ideal = ideal_gain(relevance)
    if not ideal or not len(ids):
        return Ndcg(0.0, 0.0)
    within = _gain(gains[is_judged], values[is_judged])
    return Ndcg(within / ideal, _gain(gains, values) / ideal)


def ideal_gain(relevance: Mapping[str, float]) -> float:
    """The most that a ranking can gain: all judged functions, the most relevant first."""
    gains = np.sort(np.array([2.0**grade - 1 for grade in relevance.values()]))[::-1]
    return float((gains * _discounts(len(gains))).sum())


def random_ndcg(relevance: Mapping[str, float], total: int) -> Ndcg:
    """The mean over all orders of `total` functions: what is known without reading any."""
    gains = sum(2.0**grade - 1 for grade in relevance.values())
    judged, ideal = len(relevance), ideal_gain(relevance)
    discounts = _discounts(min(DEPTH, total))
    spread = gains / total * float(discounts.sum())
    # Of the first 300, k are judged with the chance of a draw without putting back; they have the ranks 1 to k.
    within = sum(
        _chance(k, min(DEPTH, total), judged, total) * float(_discounts(k).sum()) for k in range(1, judged + 1)
    )
    return Ndcg(gains / judged * within / ideal, spread / ideal)


class ChallengeScorer:
    """Scores rankings of functions by graded judgements (query → function → mean relevance)."""

    metrics: Sequence[Metric] = [Metric(name, mean(name), description=text) for name, text in _DESCRIPTIONS.items()]

    def __init__(self, relevance: Mapping[str, Mapping[str, float]], corpus_ids: Sequence[str]) -> None:
        self._relevance = relevance
        marks = {query: dict.fromkeys(judged, 1) for query, judged in relevance.items()}
        self._house = RankingScorer(marks, corpus_ids, depth=DEPTH, drop_self=False)

    def check(self, prediction: Prediction) -> None:
        """As every ranking is checked: known functions, each once, with finite scores."""
        self._house.check(prediction)

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Each metric's value for each example: name → [n]; 0 for a query that is not answered."""
        found = [self._scored(id, predictions.get(id)) for id in example_ids]
        judged = self._house.columns(example_ids, predictions)["Judged@10"]
        return {
            "nDCG_all": np.array([each.all for each in found]),
            "nDCG_within": np.array([each.within for each in found]),
            "Judged@10": judged,
        }

    def gold(self, example_id: str) -> Any:
        """The mean relevance of every judged function, the most relevant first."""
        judged = self._relevance.get(example_id, {})
        return dict(sorted(judged.items(), key=lambda item: -item[1]))

    def _scored(self, id: str, prediction: Prediction | None) -> Ndcg:
        if prediction is None or not isinstance(prediction.output, Ranking):
            return Ndcg(0.0, 0.0)
        return ndcg(prediction.output.ids, prediction.output.scores, self._relevance[id])


@dataclass(frozen=True)
class ChallengeScoring:
    """The challenge's way to score a collection."""

    primary_metric = "nDCG_all"

    def scorer(self, collection: Collection, examples: Sequence[Example], depth: int) -> Scorer:
        relevance = {query.id: query.grades for query in collection.queries}
        return ChallengeScorer(relevance, [code.id for code in collection.codes])

    def floors(self, collection: Collection, scorer: Scorer) -> Sequence[Line]:
        """What a random order of all candidates gets; the description has it for *within*."""
        found = [random_ndcg(query.grades, len(collection.codes)) for query in collection.queries]
        within = float(np.mean([each.within for each in found]))
        about = f"The mean over all orders of the {len(collection.codes):,} candidates; nDCG_within {within:.3f}."
        return [Line("random order", float(np.mean([each.all for each in found])), "floor", about)]


def _first_times(ids: Sequence[str], scores: Sequence[float]) -> tuple[list[str], Floats]:
    """The first 300 distinct ids in the order of their scores, stable, with the scores as the house compares them."""
    values = np.asarray(scores, dtype=np.float64).astype(np.float32).astype(np.float64)
    order = np.argsort(-values, kind="stable").tolist()
    first = list(dict.fromkeys(ids[place] for place in order))[:DEPTH]
    best: dict[str, float] = {}
    for place in order:
        best.setdefault(ids[place], float(values[place]))
    return first, np.array([best[id] for id in first])


def _gain(gains: Floats, scores: Floats) -> float:
    """Discounted gain [n] of functions by descending scores [n], each tied one with the mean discount of its group."""
    if not len(gains):
        return 0.0
    discounts = _discounts(len(gains))
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    sizes = np.diff(np.r_[starts, len(scores)])
    return float((np.add.reduceat(gains, starts) * np.add.reduceat(discounts, starts) / sizes).sum())


def _discounts(count: int) -> Floats:
    found: Floats = 1 / np.log2(np.arange(2, count + 2))
    return found


def _chance(k: int, drawn: int, marked: int, total: int) -> float:
    """The chance of k marked ones among `drawn` of `total` (hypergeometric)."""
    if k > drawn or drawn - k > total - marked:
        return 0.0
    return exp(_log_choose(marked, k) + _log_choose(total - marked, drawn - k) - _log_choose(total, drawn))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
