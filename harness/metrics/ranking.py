"""Retrieval metrics as trec_eval defines them, under the names that ir-measures gives them.

All come from pytrec_eval (trec_eval's own C code), whose order is: score as float32 descending, then document
id descending. Two need care:

- RR@10: ir-measures hands it to the MS MARCO script, which leaves ties as they come. With trec_eval's order
  it is RR where the first relevant document is among ten, and 0 elsewhere.
- Judged@10: ir-measures sorts by float64 and breaks ties upwards, so its ten documents may be others than
  those of nDCG@10. Here it is the judged documents among those ten, over their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Failure, Metric, Prediction, Ranking
from harness.errors import InvalidPrediction
from harness.ids import IdSet
from harness.metrics.aggregate import mean

if TYPE_CHECKING:
    import numpy.typing as npt

    from harness.contract import FloatArray

DESCRIPTIONS = {
    "nDCG@10": "Normalised discounted cumulative gain of the first ten documents: 1 is the best possible order.",
    "R@100": "Recall: the share of the relevant documents that are among the first 100.",
    "R@1000": "Recall: the share of the relevant documents that are among the first 1,000.",
    "AP": "Average precision: precision at each relevant document, averaged; its mean is known as MAP.",
    "RR@10": "Reciprocal rank of the first relevant document, 0 if it is not among the first ten.",
    "Judged@10": "The share of the first ten documents that somebody has judged at all.",
}
"""The metrics in order of display, the primary one first, and what each says."""
NAMES = tuple(DESCRIPTIONS)

_SHORT = 10
_TREC_EVAL = {
    "nDCG@10": "ndcg_cut_10",
    "R@100": "recall_100",
    "R@1000": "recall_1000",
    "AP": "map",
    "RR": "recip_rank",
}
"""What trec_eval calls the metrics that it computes."""


class RankingScorer:
    """Scores rankings against relevance judgements (query id → document id → grade; more than 0 is relevant).

    Every example counts: a missing prediction, a failure, and a query without a relevant document score 0.
    With `drop_self` a document whose id is the query's is taken out before the ranking is cut to `depth`.
    """

    metrics: Sequence[Metric] = tuple(Metric(name, mean(name), description=text) for name, text in DESCRIPTIONS.items())

    def __init__(
        self,
        qrels: dict[str, dict[str, int]],
        corpus_ids: IdSet | Iterable[str],
        *,
        depth: int = 1000,
        drop_self: bool = True,
    ) -> None:
        self._qrels = qrels
        self._corpus_ids = corpus_ids if isinstance(corpus_ids, IdSet) else IdSet.of(corpus_ids)
        self._depth = depth
        self._drop_self = drop_self

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure`, and a `Ranking` of distinct documents of the corpus with finite scores.

        Raises `InvalidPrediction` for anything else.
        """
        output = prediction.output
        if isinstance(output, Failure):
            return
        if not isinstance(output, Ranking):
            raise InvalidPrediction(
                f"example {prediction.id!r} was answered with {type(output).__name__}, not with a Ranking",
                hint="The task ranks documents: return Ranking(ids, scores).",
            )
        _check_scores(prediction.id, output)
        self._check_ids(prediction.id, output.ids)

    def _check_ids(self, example_id: str, ids: list[str]) -> None:
        if len(set(ids)) < len(ids):
            repeated = Counter(ids).most_common(1)[0][0]
            raise InvalidPrediction(
                f"the ranking of example {example_id!r} holds {repeated!r} more than once",
                hint="Keep the best-scored of its entries (its best passage, say) and drop the others.",
            )
        if unknown := self._corpus_ids.unknown(ids):
            raise InvalidPrediction(
                f"the ranking of example {example_id!r} holds {unknown[0]!r}, which is not in the corpus",
                hint="Answer with ids that resources.corpus gives; an index of other data has other ids.",
            )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Each metric's value for each example: name → [n], aligned with `example_ids`."""
        run = {
            id: self._cut(id, prediction.output)
            for id in example_ids
            if (prediction := predictions.get(id)) and isinstance(prediction.output, Ranking)
        }
        found = self._evaluator.evaluate(run)
        nothing = dict.fromkeys(_TREC_EVAL.values(), 0.0)
        rows = [found.get(id, nothing) for id in example_ids]
        values = {name: np.array([row[its] for row in rows]) for name, its in _TREC_EVAL.items()}
        reciprocal_rank = values.pop("RR")
        values["RR@10"] = np.where(reciprocal_rank >= 1 / _SHORT, reciprocal_rank, 0.0)
        values["Judged@10"] = np.array([self._judged(id, run.get(id, {})) for id in example_ids])
        return {name: values[name] for name in NAMES}

    def gold(self, example_id: str) -> dict[str, int]:
        """The query's judgements: document id → grade."""
        return dict(self._qrels.get(example_id, {}))

    @cached_property
    def _evaluator(self) -> Any:
        import pytrec_eval

        # A negative grade is not relevant, as 0 is. Passed on as it is, it can crash the process:
        # pytrec_eval 0.5.11 does so after a query whose grades are all -2 or lower (as spam is marked in TREC).
        grades = {
            query: {document: max(0, grade) for document, grade in judged.items()}
            for query, judged in self._qrels.items()
        }
        return pytrec_eval.RelevanceEvaluator(grades, set(_TREC_EVAL.values()))

    def _cut(self, example_id: str, ranking: Ranking) -> dict[str, float]:
        run = dict(zip(ranking.ids, ranking.scores, strict=True))
        if self._drop_self:
            run.pop(example_id, None)
        return first(run, self._depth)

    def _judged(self, example_id: str, run: dict[str, float]) -> float:
        seen = first(run, _SHORT)
        judged = self._qrels.get(example_id, {})
        return sum(id in judged for id in seen) / len(seen) if seen else 0.0


def first(run: dict[str, float], k: int) -> dict[str, float]:
    """The first k documents (fewer if there are fewer) in trec_eval's order, themselves in the order of the run."""
    if len(run) <= k:
        return run
    scores = _as_float32(list(run.values()))
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    kept = dict(compress(run.items(), (scores >= last).tolist()))
    tied = sorted(compress(run, (scores == last).tolist()))
    for id in tied[: len(kept) - k]:
        del kept[id]
    return kept


def _as_float32(scores: list[float]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(scores, dtype=np.float64).astype(np.float32)


def _check_scores(example_id: str, ranking: Ranking) -> None:
    if len(ranking.ids) != len(ranking.scores):
        raise InvalidPrediction(
            f"the ranking of example {example_id!r} has {len(ranking.ids)} ids and {len(ranking.scores)} scores",
            hint="Give one score for each id.",
        )
    broken = np.flatnonzero(~np.isfinite(_as_float32(ranking.scores)))
    if broken.size:
        at = broken[0]
        raise InvalidPrediction(
            f"the ranking of example {example_id!r} scores {ranking.ids[at]!r} with {ranking.scores[at]}",
            hint="Scores must be finite and below 3.4e38 in size (trec_eval keeps them as float32); look for "
            "a division by zero or an overflow in the model.",
        )
