"""BM25 as the corpus grows: `harness eval` on made-up corpora of 100,000, 300,000 and 1,000,000 documents.

    python benchmarks/bm25_scale.py [--documents 100000 300000 1000000] [--queries 1000]

Each corpus (benchmarks/zipf_corpus.py) is written as a folder in BEIR layout, 0.6 KB a document, and evaluated with an
empty database and cache. Prints one JSON object: for each size what the run is charged (CPU seconds to prepare and to
predict, peak memory of the worker, index bytes), the whole command with the parent, and the exponents of growth.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import zipf_corpus

ROOT = Path(__file__).resolve().parents[1]
SUBMISSION = ROOT / "submissions" / "bm25.yaml"
COSTS = ("prepare_cpu_seconds", "predict_cpu_seconds", "peak_rss_bytes", "index_bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=1_000)
    arguments = parser.parse_args()
    sizes = sorted(arguments.documents)
    rows = [measure(size, arguments.queries) for size in sizes]
    growth = [
        {
            "from": smaller["documents"],
            "to": larger["documents"],
            **{f"{cost}_exponent": exponent(smaller, larger, cost) for cost in COSTS},
        }
        for smaller, larger in pairwise(rows)
    ]
    print(json.dumps({"queries": arguments.queries, "sizes": rows, "growth": growth}, indent=2))


def measure(documents: int, queries: int) -> dict[str, float]:
    """One evaluation of one size. The peak of the parent is that of the largest size so far."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, database = Path(folder) / "corpus", f"{folder}/results.db"
        zipf_corpus.write(corpus, documents, queries)
        corpus_bytes = (corpus / "corpus.jsonl").stat().st_size
        before = os.times()
        harness("eval", str(SUBMISSION), "--task", f"beir:{corpus}", "--db", database, cache=f"{folder}/cache")
        after = os.times()
        rows = json.loads(harness("results", "--db", database, "--json", cache=f"{folder}/cache"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "documents": documents,
        "corpus_bytes": corpus_bytes,
        **{cost: rows[0][cost] for cost in COSTS},
        "command_cpu_seconds": after[2] + after[3] - before[2] - before[3],
        "largest_process_peak_rss_bytes": peak,
    }


def harness(*arguments: str, cache: str) -> str:
    """Standard output of a harness command."""
    command = [sys.executable, "-m", "harness.cli", *arguments]
    done = subprocess.run(
        command, check=True, cwd=ROOT, env=os.environ | {"HARNESS_CACHE": cache}, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def exponent(smaller: dict[str, float], larger: dict[str, float], cost: str) -> float:
    """The power of the number of documents that a cost grows with."""
    return round(math.log(larger[cost] / smaller[cost]) / math.log(larger["documents"] / smaller["documents"]), 2)


if __name__ == "__main__":
    main()
