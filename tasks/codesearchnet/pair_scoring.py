"""How a collection of pairs becomes a scorer and its floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.contract import Example, Line, Scorer
from tasks.codesearchnet.audit import twins
from tasks.codesearchnet.collection import Collection
from tasks.codesearchnet.pair_scorer import PairScorer, Rules


@dataclass(frozen=True)
class PairScoring:
    """Reciprocal rank by the rules of a protocol."""

    rules: Rules = field(default_factory=Rules)

    @property
    def primary_metric(self) -> str:
        return self.rules.primary_metric

    def scorer(self, collection: Collection, examples: Sequence[Example], depth: int) -> Scorer:
        qrels = {query.id: {id: 1 for id, grade in query.grades.items() if grade > 0} for query in collection.queries}
        return PairScorer(qrels, examples, twins(collection), self.rules, depth)

    def floors(self, collection: Collection, scorer: Scorer) -> Sequence[Line]:
        """What a random order of the candidates gets."""
        assert isinstance(scorer, PairScorer)
        value = scorer.random_score([query.id for query in collection.queries])
        about = f"The mean over all orders of the {len(collection.codes):,} candidates."
        return [] if value is None else [Line("random order", value, "floor", about)]
