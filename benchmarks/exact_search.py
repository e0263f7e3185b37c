"""Exact search against faiss-cpu's flat index: 300 queries x 1,000,000 x 384, k = 100, random unit vectors.

    python benchmarks/exact_search.py [--threads 1] [--documents 1000000]

Prints one JSON line. Both search the same vectors; ours maps them from a file and also sorts the ids, faiss gets
its own copy first, which is not counted. Peak memory is that of our search, taken before faiss is loaded; it
includes the mapped chunk, and cannot show less than what making the vectors took (`..._before_search`).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.meter import Stopwatch, peak_rss_bytes

if TYPE_CHECKING:
    import numpy as np

    from harness.retrieval.order import Float32

QUERIES, DIMENSIONS, K, CHUNK = 300, 384, 100, 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--documents", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[library] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder) / "vectors.f32", arguments.documents, arguments.threads)))


def compare(path: Path, count: int, threads: int) -> dict[str, float]:
    """Search with both and say how they compare."""
    import numpy as np

    from harness.retrieval.exact_search import search
    from harness.retrieval.order import TieOrder

    generator = np.random.default_rng(0)
    queries = unit_vectors(generator, QUERIES)
    with path.open("wb") as file:
        for start in range(0, count, CHUNK):
            unit_vectors(generator, min(CHUNK, count - start)).tofile(file)
    ids = [f"doc{place}" for place in range(count)]
    before = peak_rss_bytes()
    with Stopwatch() as ours:
        hits = search(queries, chunks(path, count), K, TieOrder.of(ids))
    peak = peak_rss_bytes()

    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(DIMENSIONS)
    for chunk in chunks(path, count):
        index.add(chunk)
    with Stopwatch() as theirs:
        _, documents = index.search(queries, K)
    return {
        "documents": count,
        "threads": threads,
        "cpu_seconds": ours.cost.cpu_seconds,
        "faiss_cpu_seconds": theirs.cost.cpu_seconds,
        "cpu_ratio": ours.cost.cpu_seconds / theirs.cost.cpu_seconds,
        "wall_seconds": ours.cost.wall_seconds,
        "faiss_wall_seconds": theirs.cost.wall_seconds,
        "wall_ratio": ours.cost.wall_seconds / theirs.cost.wall_seconds,
        "peak_rss_bytes": peak,
        "peak_rss_bytes_before_search": before,
        "same_documents": float(np.mean(hits.documents == documents)),
    }


def unit_vectors(generator: np.random.Generator, count: int) -> Float32:
    """Random directions, [count, DIMENSIONS] float32."""
    import numpy as np

    vectors = generator.standard_normal((count, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def chunks(path: Path, count: int) -> Iterator[Float32]:
    """The vectors of the file, mapped a chunk at a time."""
    import numpy as np

    for start in range(0, count, CHUNK):
        rows = min(CHUNK, count - start)
        yield np.memmap(path, np.float32, "r", start * DIMENSIONS * 4, (rows, DIMENSIONS))


if __name__ == "__main__":
    main()
