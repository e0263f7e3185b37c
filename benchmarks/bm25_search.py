"""Our BM25 against bm25s, fed the same lists of terms: queries per CPU second, and whether the scores agree.

    HARNESS_DATA=… python benchmarks/bm25_search.py scifact
    python benchmarks/bm25_search.py generated [--documents 100000] [--queries 300]

Terms are made beforehand by our analyzer (SciFact) or drawn by Zipf's law. Both compute Lucene's BM25 with k1 0.9,
b 0.4 and exact lengths, on one thread; the first search of each is not timed (numba compiles then, which is reported
apart). Rounds are interleaved; figures are of the best round, all rounds are printed. Scores are compared at each
rank, where bm25s pads with zeros. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import bm25s
import numpy as np
import zipf_corpus
from bm25_scifact_bare import K1, B, read_scifact

from harness.retrieval.analysis import Analyzer
from harness.retrieval.bm25_index import Bm25Index

DEPTHS = (1000, 10)
Terms = list[list[str]]


class Separated(Analyzer):
    """Takes terms that are made already, with spaces between them."""

    def terms(self, text: str) -> list[str]:
        return [text] if text else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=["scifact", "generated"])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.corpus == "scifact":
        documents, queries = scifact_terms()
    else:
        documents = list(zipf_corpus.documents(arguments.documents))
        queries = list(zipf_corpus.queries(arguments.queries))
    print(json.dumps(compare(documents, queries, arguments.rounds), indent=2))


def scifact_terms() -> tuple[Terms, Terms]:
    """Terms of SciFact's documents and test queries."""
    documents, queries, _ = read_scifact(Path(os.environ["HARNESS_DATA"]) / "beir" / "scifact")
    terms = Analyzer().terms
    return list(map(terms, documents.values())), list(map(terms, queries.values()))


def compare(documents: Terms, queries: Terms, rounds: int) -> dict[str, object]:
    """Index with all, search with all, check that they agree."""
    index_seconds: dict[str, float] = {}
    start = time.process_time()
    pairs = ((str(number), " ".join(terms)) for number, terms in enumerate(documents))
    ours = Bm25Index.build(pairs, Separated(), k1=K1, b=B, lucene_norms=False)
    index_seconds["ours"] = time.process_time() - start
    peers: dict[str, bm25s.BM25] = {}
    for backend in ("numpy", "numba") if find_spec("numba") else ("numpy",):
        start = time.process_time()
        peers[backend] = bm25s.BM25(method="lucene", k1=K1, b=B, backend=backend)
        peers[backend].index(documents, show_progress=False)
        index_seconds[f"bm25s_{backend}"] = time.process_time() - start
    report: dict[str, object] = {
        "documents": len(documents),
        "queries": len(queries),
        "mean_postings_of_a_query": sum(ours.search(query, 1).postings for query in queries) / len(queries),
        "bm25s": bm25s.__version__,
        "index_cpu_seconds": index_seconds,
    }
    for depth in DEPTHS:
        report[f"k={depth}"] = race(ours, peers, queries, min(depth, len(documents)), rounds)
    return report


def race(ours: Bm25Index, peers: dict[str, bm25s.BM25], queries: Terms, depth: int, rounds: int) -> dict[str, object]:
    """Queries per CPU second of each at one depth."""
    runners: dict[str, Callable[[], Sequence[np.ndarray]]] = {
        "ours": lambda: [ours.search(query, depth).scores for query in queries]
    }
    for name, peer in peers.items():
        runners[f"bm25s_{name}"] = lambda peer=peer: peer.retrieve(queries, k=depth, show_progress=False).scores
    first_seconds, scores = {}, {}
    for name, run in runners.items():
        start = time.process_time()
        scores[name] = run()
        first_seconds[name] = time.process_time() - start
    speeds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            start = time.process_time()
            run()
            speeds[name].append(round(len(queries) / (time.process_time() - start), 1))
    best = {name: max(speed) for name, speed in speeds.items()}
    return {
        "queries_per_cpu_second": best,
        "ours_over": {name: round(best["ours"] / best[name], 2) for name in best if name != "ours"},
        "largest_relative_difference": {
            name: max(map(difference, scores["ours"], scores[name])) for name in scores if name != "ours"
        },
        "first_call_cpu_seconds": first_seconds,
        "all_rounds": speeds,
    }


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest relative difference of scores at the same rank."""
    padded = np.zeros_like(theirs)
    padded[: len(ours)] = ours
    return float(np.max(np.abs(padded - theirs) / np.maximum(theirs, 1e-6)))


if __name__ == "__main__":
    main()
