"""Approximate search beside exact search: what an index takes to build and to search, and what it misses.

    python benchmarks/ann_search.py [--documents 50000] [--queries 200]

Made-up vectors of length 1, 384 dimensions, around 2,000 centres, mapped from shards as a run has them; depth 1001, as
BEIR tasks ask. Recall on them says little of texts: a run reports its own. CPU seconds of one thread. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.meter import Stopwatch

if TYPE_CHECKING:
    import numpy as np

    from harness.contract import Cost
    from harness.retrieval.order import Float32
    from harness.retrieval.vector_index import FlatIndex, VectorIndex

DIMENSIONS, CENTRES, DEPTH, SHARD = 384, 2000, 1001, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[library] = "1"
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder), arguments.documents, arguments.queries), indent=2))


def compare(folder: Path, documents: int, queries: int) -> dict[str, object]:
    """Build, search, and count, with exact search first."""
    import numpy as np

    from harness.retrieval.ann_index import AnnIndex, Hnsw, IvfPq

    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, DIMENSIONS), dtype=np.float32)
    exact = stored(folder, lambda: around(centres, SHARD, random), documents)
    asked = around(centres, queries, random)
    report: dict[str, object] = {"documents": documents, "queries": queries, "exact": searched(exact, asked)}
    free: list[Cost] = []
    for name, method in {"hnsw": Hnsw(32, 200, 64), "ivf_pq": IvfPq(0, 32, 64)}.items():
        with Stopwatch() as watch:
            index = AnnIndex.open(folder, method, exact, free.append)
        report[name] = {
            "build_cpu_seconds": watch.cost.cpu_seconds,
            "index_bytes": index.disk_bytes,
            **searched(index, asked),
            **index.findings(),
        }
    return report


def searched(index: VectorIndex, asked: Float32) -> dict[str, float]:
    """Queries per CPU second, and the mean of what a query visits."""
    with Stopwatch() as watch:
        usages = [found.usage for found in index.search(asked, DEPTH)]
    return {
        "queries_per_cpu_second": len(asked) / watch.cost.cpu_seconds,
        "documents_scored": sum(usage.documents for usage in usages) / len(usages),
        "nodes_or_lists": sum(usage.nodes for usage in usages) / len(usages),
    }


def around(centres: Float32, count: int, random: np.random.Generator) -> Float32:
    """Vectors of length 1 around centres at random."""
    import numpy as np

    vectors = centres[random.integers(len(centres), size=count)]
    vectors += 0.8 * random.standard_normal(vectors.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def stored(folder: Path, make: Callable[[], Float32], documents: int) -> FlatIndex:
    """Shards of the embedding cache, as a run leaves them."""
    from harness.retrieval.embedding_cache import Embedded, EmbeddingCache, Work
    from harness.retrieval.order import TieOrder
    from harness.retrieval.vector_index import FlatIndex

    cache, work = EmbeddingCache(folder, {}), Work([0] * SHARD, 0, [0] * SHARD, [0] * SHARD)
    shards = [cache.shard([str(number)], lambda _: Embedded(make(), work)) for number in range(documents // SHARD)]
    return FlatIndex(shards, TieOrder.of([str(number) for number in range(len(shards) * SHARD)]))


if __name__ == "__main__":
    main()
