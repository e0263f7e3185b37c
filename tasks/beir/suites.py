"""The averages that the literature reports of BEIR."""

from __future__ import annotations

from collections.abc import Sequence

from harness.contract import Suite
from tasks.beir.catalogue import COLLECTIONS

_FORUMS = "cqadupstack"
# In the order of BEIR's table; MS MARCO, on which most models are trained, is not in the average.
_ALL = (
    *("trec-covid", "bioasq", "nfcorpus", "nq", "hotpotqa", "fiqa", "signal1m", "trec-news", "robust04", "arguana"),
    *("webis-touche2020", _FORUMS, "quora", "dbpedia-entity", "scidocs", "fever", "climate-fever", "scifact"),
)
_BY_HAND = ("bioasq", "signal1m", "trec-news", "robust04")
_SMALL = ("nfcorpus", "fiqa", "arguana", "scidocs", "scifact")


def suites() -> Sequence[Suite]:
    """BEIR as a whole, the part that anyone can download, the small collections, and CQADupStack."""
    from harness.metrics.ranking import RankingScorer

    metrics = RankingScorer.metrics
    forums = Suite(
        name=f"beir/{_FORUMS}",
        members=tuple(f"beir/{it.name}" for it in COLLECTIONS if it.name.startswith(f"{_FORUMS}/")),
        metrics=metrics,
        description="The twelve forums of CQADupStack.",
    )

    def suite(name: str, members: Sequence[str], description: str) -> Suite:
        found = tuple(forums if member == _FORUMS else f"beir/{member}" for member in members)
        return Suite(name=f"beir/{name}", members=found, metrics=metrics, description=description)

    return [
        suite("18", _ALL, "All 18 zero-shot collections of BEIR, CQADupStack counted once: the average of the paper."),
        suite("14", [m for m in _ALL if m not in _BY_HAND], "The 14 of the 18 that anyone can download."),
        suite("small", _SMALL, "The five collections of at most 60,000 documents."),
        forums,
    ]
