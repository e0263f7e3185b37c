"""Several rankings of the same query made into one, and rankings put in the evaluator's order.

All results are documents with float32 scores, by score and then by id, both descending, as trec_eval ranks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.contract import Ranking

RRF_K = 60
Scale: TypeAlias = Literal["min_max", "z"]

_Float64: TypeAlias = npt.NDArray[np.float64]


def ranked(scores: Mapping[str, float], depth: int | None = None) -> Ranking:
    """The best `depth` documents (None: all) of a score each, as the evaluator orders them."""
    ids = sorted(scores, reverse=True)
    values = np.array([scores[id] for id in ids], dtype=np.float64).astype(np.float32)
    order = np.argsort(-values, kind="stable")[:depth]
    return Ranking([ids[place] for place in order.tolist()], values[order].tolist())


def reciprocal_rank(rankings: Sequence[Ranking], k: int = RRF_K) -> dict[str, float]:
    """Σ 1 / (k + rank), ranks from 1; a document that a ranking lacks gets nothing from it.

    Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet …", section 3, with k = 60 there.
    The rankings must be in order.
    """
    fused: dict[str, float] = {}
    for ranking in rankings:
        for rank, id in enumerate(ranking.ids, start=1):
            fused[id] = fused.get(id, 0.0) + 1 / (k + rank)
    return fused


def weighted_sum(
    rankings: Sequence[Ranking], weights: Sequence[float] | None = None, scale: Scale = "min_max"
) -> dict[str, float]:
    """Σ weight · scaled score (the convex combination of hybrid retrieval); weights are 1 if not given.

    `min_max` maps a ranking's scores to 0 to 1, `z` to mean 0 and standard deviation 1; a ranking whose scores are all
    the same becomes ones, and zeros. A document that a ranking lacks counts as much there as its last one does: 0
    with `min_max`.
    """
    fused = dict.fromkeys((id for ranking in rankings for id in ranking.ids), 0.0)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        scaled, absent = _SCALES[scale](np.array(ranking.scores, dtype=np.float64))
        found = dict(zip(ranking.ids, scaled.tolist(), strict=True))
        for id in fused:
            fused[id] += weight * found.get(id, absent)
    return fused


def _min_max(scores: _Float64) -> tuple[_Float64, float]:
    low, high = scores.min(initial=np.inf), scores.max(initial=-np.inf)
    return ((scores - low) / (high - low) if high > low else np.ones_like(scores)), 0.0


def _z(scores: _Float64) -> tuple[_Float64, float]:
    spread = scores.std() if len(scores) else 0.0
    scaled = (scores - scores.mean()) / spread if spread > 0 else np.zeros_like(scores)
    return scaled, float(scaled.min(initial=0.0))


_SCALES: dict[Scale, Callable[[_Float64], tuple[_Float64, float]]] = {"min_max": _min_max, "z": _z}
