"""Scoring protocols in which a query has its code: reciprocal rank with the cut and the ties of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.contract import Example, FloatArray, Metric, Prediction, Ranking
from harness.errors import InvalidPrediction
from harness.metrics.aggregate import mean
from harness.metrics.ranking import RankingScorer
from harness.metrics.tied_ranks import FirstFound, first_found, random_reciprocal_rank, recall

_RECALL_AT = (1, 5, 10)

TieRule = Literal["expected", "pessimistic"]
"""`expected`: published with an `argsort`, whose order of equals is chance, so its mean is what was measured.
`pessimistic`: published as the number of scores that are greater or equal."""


@dataclass(frozen=True)
class Rules:
    """How a protocol scores a query."""

    cut: int | None = 1000
    """Ranks beyond count 0; None: no rank does."""
    ties: TieRule = "expected"
    primary: str = ""
    """The metric that rows are ranked by; empty: the reciprocal rank."""

    @property
    def reciprocal_rank(self) -> str:
        """The name of the protocol's reciprocal rank."""
        return f"RR@{self.cut}" if self.cut else "RR"

    @property
    def primary_metric(self) -> str:
        return self.primary or self.reciprocal_rank


@dataclass(frozen=True)
class Twins:
    """Documents and queries that say the same: the group of each by its id."""

    documents: Mapping[str, int]
    queries: Mapping[str, int]


class PairScorer:
    """Scores rankings of code; `qrels` holds the right codes of each query (id → id → 1)."""

    def __init__(
        self, qrels: dict[str, dict[str, int]], examples: Sequence[Example], twins: Twins, rules: Rules, depth: int
    ) -> None:
        self._qrels, self._rules, self._depth = qrels, rules, depth
        self._house = RankingScorer(qrels, twins.documents, depth=depth, drop_self=False)
        self._twins = twins
        self._groups = len(set(twins.documents.values()))
        self._candidates = {e.id: frozenset(e.candidates) for e in examples if e.candidates is not None}
        self._right_groups = _right_groups(qrels, twins)
        self.metrics: Sequence[Metric] = metrics(rules)

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure`, and a `Ranking` of distinct codes of the corpus (of the query's candidates, where it has
        any) with finite scores. Raises `InvalidPrediction` for anything else."""
        self._house.check(prediction)
        allowed = self._candidates.get(prediction.id)
        if allowed is not None and isinstance(prediction.output, Ranking):
            for id in prediction.output.ids:
                if id not in allowed:
                    raise InvalidPrediction(
                        f"the ranking of example {prediction.id!r} holds {id!r}, which is not among its candidates",
                        hint="This protocol ranks the candidates of each query only: Example.candidates.",
                    )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Each metric's value for each example: name → [n]."""
        house = self._house.columns(example_ids, predictions)
        rows = [self._row(id, predictions.get(id)) for id in example_ids]
        own = {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}
        both = own | {name: house[name] for name in ("nDCG@10", "RR@10")}
        return {metric.name: both[metric.name] for metric in self.metrics}

    def gold(self, example_id: str) -> Any:
        """The right codes of the query."""
        return dict(self._qrels.get(example_id, {}))

    def random_score(self, example_ids: Sequence[str]) -> float | None:
        """What a random order gets in the primary metric; None where that is not a reciprocal rank."""
        if self._rules.primary_metric != self._rules.reciprocal_rank or not example_ids:
            return None
        cut = self._rules.cut or len(self._twins.documents)
        scores = [random_reciprocal_rank(len(self._qrels[id]), self._total(id), cut) for id in example_ids]
        return float(np.mean(scores))

    def _total(self, example_id: str) -> int:
        candidates = self._candidates.get(example_id)
        return len(self._twins.documents) if candidates is None else len(candidates)

    def _row(self, example_id: str, prediction: Prediction | None) -> dict[str, float]:
        output = prediction.output if prediction else None
        ids = output.ids if isinstance(output, Ranking) else []
        scores = np.asarray(output.scores if isinstance(output, Ranking) else [], dtype=np.float64).astype(np.float32)
        right = self._qrels[example_id]
        is_right = np.array([id in right for id in ids], dtype=bool)
        total = self._total(example_id)
        cut = self._rules.cut or total
        found = first_found(scores, is_right, len(right), total)
        expected = found.expected(cut)
        name = self._rules.reciprocal_rank
        row = {
            name: expected if self._rules.ties == "expected" else found.worst(cut),
            f"{name}_expected": expected,
            f"{name}_optimistic": found.best(cut),
            f"{name}_pessimistic": found.worst(cut),
            f"{name}_distinct": self._distinct(example_id, ids, scores).expected(cut),
        }
        return row | {f"R@{k}": recall(scores, is_right, len(right), k) for k in _RECALL_AT}

    def _distinct(self, example_id: str, ids: Sequence[str], scores: Any) -> FirstFound:
        """Where the right code stands if codes that are the same count once, and any copy of it is right."""
        best: dict[int, float] = {}
        for id, score in zip(ids, scores.tolist(), strict=True):
            group = self._twins.documents[id]
            best[group] = max(score, best.get(group, score))
        right = self._right_groups[self._twins.queries[example_id]]
        values = np.array(list(best.values()), dtype=np.float32)
        is_right = np.array([group in right for group in best], dtype=bool)
        return first_found(values, is_right, len(right), self._groups)


def _right_groups(qrels: Mapping[str, Mapping[str, int]], twins: Twins) -> dict[int, set[int]]:
    """Of each group of queries that ask the same, the groups of codes that are right for any of them."""
    right: dict[int, set[int]] = {}
    for query, its in qrels.items():
        right.setdefault(twins.queries[query], set()).update(twins.documents[id] for id in its)
    return right


def metrics(rules: Rules) -> list[Metric]:
    """What a protocol reports, the primary metric first."""
    return [Metric(name, mean(name), description=text) for name, text in _descriptions(rules).items()]


def _descriptions(rules: Rules) -> dict[str, str]:
    name, cut = rules.reciprocal_rank, f"; 0 beyond rank {rules.cut:,}" if rules.cut else ""
    official = {
        "expected": f"Reciprocal rank of the right code (MRR), over all orders of equal scores on average{cut}.",
        "pessimistic": f"Reciprocal rank of the right code, which stands behind all of equal score{cut}.",
    }[rules.ties]
    all_of_them = {
        rules.primary_metric: "",
        name: official,
        f"{name}_expected": "The same over all orders of equal scores, on average." if rules.ties != "expected" else "",
        f"{name}_optimistic": "The same if the right code comes first among its equals; what was not returned is tied.",
        f"{name}_pessimistic": "The same if it comes last among its equals.",
        f"{name}_distinct": "The same where copies of a code count once, and any copy of the right one is right.",
        "nDCG@10": "Normalised discounted cumulative gain of the first ten codes.",
        "RR@10": "Reciprocal rank of the right code, 0 if it is not among the first ten.",
        **{f"R@{k}": f"Share of the right codes among the first {k}, over all orders of ties." for k in _RECALL_AT},
    }
    return {name: text for name, text in all_of_them.items() if text}
