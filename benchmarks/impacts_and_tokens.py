"""Search by learned impacts and by token vectors, against plain products of the same numbers.

    python benchmarks/impacts_and_tokens.py [--documents 200000] [--texts 20000]

Prints one JSON line. Impacts: documents of 120 terms drawn by Zipf's law from 30,522, queries of 30, k = 1,000, one
thread, against scipy's product with the query's columns and a partition, which gives the same scores but orders no tie.
Token vectors: documents of 100 × 128 in float16, queries of 32, k = 1,000, against the same product in float32, whose
last bits depend on tiles and threads.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.meter import Stopwatch, peak_rss_bytes

if TYPE_CHECKING:
    import numpy as np

    from harness.retrieval.impact_index import SparseRows

VOCABULARY, TERMS, ASKED, QUERIES, K = 30_522, 120, 30, 100, 1000
TOKENS, DIMENSIONS, QUERY_TOKENS, BLOCK = 100, 128, 32, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--texts", type=int, default=20_000)
    arguments = parser.parse_args()
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[library] = "1"
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(impacts(Path(folder), arguments.documents) | tokens(arguments.texts)))


def impacts(folder: Path, count: int) -> dict[str, float]:
    """Building and searching an impact index, and the same by scipy."""
    import numpy as np
    import scipy.sparse

    from harness.retrieval.impact_index import ImpactIndex
    from harness.retrieval.order import TieOrder

    blocks = [
        sparse_rows(np.random.default_rng(start), min(BLOCK, count - start), TERMS) for start in range(0, count, BLOCK)
    ]
    queries = sparse_rows(np.random.default_rng(count), QUERIES, ASKED)
    order = TieOrder.of([f"{place:08}" for place in range(count)])
    before = peak_rss_bytes()
    with Stopwatch() as build:
        index = ImpactIndex.build(lambda: blocks, order, folder)
    peak = peak_rss_bytes()
    with Stopwatch() as ours:
        hits = [index.search(query, K) for query in queries.each()]
    matrix = scipy.sparse.vstack([as_csr(block) for block in blocks], format="csc")
    with Stopwatch() as theirs:
        best = []
        for query in queries.each():
            scores = matrix[:, query.terms] @ query.weights
            best.append(np.sort(np.partition(scores, count - K)[count - K :])[::-1])
    agree = [
        np.allclose(hit.scores, scores[scores > 0][: len(hit.scores)], rtol=1e-4)
        for hit, scores in zip(hits, best, strict=True)
    ]
    postings = sum(hit.postings for hit in hits)
    return {
        "documents": count,
        "postings": len(index.documents),
        "build_cpu_seconds": build.cost.cpu_seconds,
        "index_bytes": index.disk_bytes,
        "peak_rss_bytes_beyond_the_vectors": peak - before,
        "impact_query_cpu_ms": 1000 * ours.cost.cpu_seconds / QUERIES,
        "postings_per_query": postings / QUERIES,
        "nanoseconds_per_posting": 1e9 * ours.cost.cpu_seconds / postings,
        "scipy_query_cpu_ms": 1000 * theirs.cost.cpu_seconds / QUERIES,
        "queries_with_equal_scores": float(np.mean(agree)),
    }


def tokens(count: int) -> dict[str, float]:
    """Exact MaxSim, and the product that it is made of in float32."""
    import numpy as np

    from harness.retrieval.max_sim import TokenVectors, search
    from harness.retrieval.order import TieOrder

    generator = np.random.default_rng(0)
    queries = [unit(generator, QUERY_TOKENS).astype(np.float16) for _ in range(4)]
    shards = [TokenVectors.of(unit(generator, BLOCK * TOKENS), [TOKENS] * BLOCK) for _ in range(count // BLOCK)]
    with Stopwatch() as ours:
        hits = search(queries, shards, K, TieOrder.of([f"{place:08}" for place in range(count)]))
    starts = np.arange(0, BLOCK * TOKENS, TOKENS)
    scores: list[list[Any]] = [[] for _ in queries]
    with Stopwatch() as single:
        for shard in shards:
            vectors = shard.vectors.astype(np.float32).T
            for of_query, query in zip(scores, queries, strict=True):
                products = query.astype(np.float32) @ vectors
                of_query.append(np.maximum.reduceat(products, starts, axis=1).sum(0))
    best = np.sort([np.concatenate(of_query) for of_query in scores], axis=1)[:, ::-1][:, :K]
    pairs = len(queries) * count
    return {
        "texts": count,
        "max_sim_cpu_microseconds_per_document": 1e6 * ours.cost.cpu_seconds / pairs,
        "float32_cpu_microseconds_per_document": 1e6 * single.cost.cpu_seconds / pairs,
        "largest_difference": float(np.abs(best - hits.scores).max()),
    }


def sparse_rows(generator: np.random.Generator, count: int, terms: int) -> SparseRows:
    """Texts of up to `terms` distinct terms by Zipf's law, their weights like SPLADE's."""
    import numpy as np

    from harness.retrieval.impact_index import SparseRows

    shares = np.cumsum(1 / (np.arange(VOCABULARY) + 10.0))
    rows = [np.unique(np.searchsorted(shares, generator.random(terms) * shares[-1])) for _ in range(count)]
    found = np.concatenate(rows).astype(np.int32)
    weights = generator.gamma(1.5, 0.6, len(found)).astype(np.float32)
    return SparseRows(np.array([len(row) for row in rows], dtype=np.int64), found, weights)


def as_csr(rows: SparseRows) -> Any:
    import numpy as np
    import scipy.sparse

    starts = np.concatenate([[0], np.cumsum(rows.counts)])
    return scipy.sparse.csr_matrix((rows.weights, rows.terms, starts), shape=(len(rows.counts), VOCABULARY))


def unit(generator: np.random.Generator, count: int) -> Any:
    import numpy as np

    vectors = generator.normal(size=(count, DIMENSIONS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
