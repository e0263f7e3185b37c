"""Hubness: do a few documents turn up among the first of many queries, whatever is asked?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from harness.contract import Ranking
from harness.metrics.ranking import first

OCCURRENCES_AT = 10
HUBNESS = f"hubness@{OCCURRENCES_AT}"
"""What the fact is called that a run has of it."""


def hubness(rankings: Iterable[Ranking], documents: int, k: int = OCCURRENCES_AT) -> float | None:
    """Skewness of the k-occurrences N_k of all documents: E[(N_k - μ)³] / σ³; about 0 without hubs, large with them.

    N_k of a document is the number of queries that have it among their first k, 0 for most (Radovanović, Nanopoulos and
    Ivanović 2010, "Hubs in Space", section 2). None if it is the same for every document.
    """
    occurrences = Counter(
        id for ranking in rankings for id in first(dict(zip(ranking.ids, ranking.scores, strict=True)), k)
    )
    counts = np.fromiter(occurrences.values(), dtype=np.float64, count=len(occurrences))
    mean = counts.sum() / documents
    never = documents - len(counts)

    def moment(power: int) -> float:
        return float((((counts - mean) ** power).sum() + never * (-mean) ** power) / documents)

    variance = moment(2)
    return moment(3) / variance**1.5 if variance > 0 else None
