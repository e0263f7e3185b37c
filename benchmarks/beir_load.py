"""What loading a large corpus in BEIR layout takes in the harness's own process, beside BEIR's loader.

    python benchmarks/beir_load.py [--documents 1000000] [--folder /tmp/corpus]

Writes a corpus of about 100 words a document (Zipf's law over 500,000 words) with 1,000 queries, and loads it in fresh
processes: by the harness (all checks, digest, and then the titles of what a run would show), and by BEIR's own
`GenericDataLoader` (`pip install --no-deps beir`), which keeps the texts. CPU seconds are user + system, memory is the
highest resident memory beyond that after the imports. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from harness import meter
from harness.contract import Places

WORDS, LENGTH, CHUNK = 500_000, 100, 10_000
QUERIES, JUDGED, SHOWN = 1_000, 20, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="Keep the corpus here, and use it if it is there.")
    parser.add_argument("--only", choices=sorted(LOADERS), help="Load in this process (the script starts itself so).")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measured(arguments.only, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "corpus"
        if not (folder / "corpus.jsonl").exists():
            write(folder, arguments.documents)
        report = {name: in_fresh_process(name, folder) for name in LOADERS}
        report["corpus_bytes"] = (folder / "corpus.jsonl").stat().st_size
        print(json.dumps({"documents": arguments.documents} | report, indent=2))


def write(folder: Path, documents: int) -> None:
    """The corpus, its queries (pieces of documents) and judgements, the same for the same number of documents."""
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("wb") as file:
        for number, text in enumerate(texts(documents)):
            record = {"_id": f"doc{number}", "title": " ".join(text.split(" ", 5)[:5]), "text": text}
            file.write(msgspec.json.encode(record) + b"\n")
    chosen = random.Random(0)
    with (folder / "queries.jsonl").open("wb") as queries, (folder / "qrels" / "test.tsv").open("w") as qrels:
        qrels.write("query-id\tcorpus-id\tscore\n")
        for number, text in enumerate(texts(QUERIES, seed=1)):
            queries.write(msgspec.json.encode({"_id": f"q{number}", "text": " ".join(text.split(" ", 8)[:8])}) + b"\n")
            judged = chosen.sample(range(documents), JUDGED)
            qrels.writelines(f"q{number}\tdoc{document}\t1\n" for document in judged)


def texts(count: int, seed: int = 0) -> Iterator[str]:
    generator = np.random.Generator(np.random.PCG64(seed))
    words = np.array([f"w{rank:x}" for rank in range(WORDS)], dtype=object)
    odds = 1 / np.arange(1, WORDS + 1)
    steps = np.cumsum(odds / odds.sum())
    for first in range(0, count, CHUNK):
        drawn = np.searchsorted(steps, generator.random((min(CHUNK, count - first), LENGTH)))
        yield from (" ".join(row) for row in words[np.minimum(drawn, WORDS - 1)].tolist())


def in_fresh_process(name: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    loaded: dict[str, object] = json.loads(done.stdout)
    return loaded


def measured(name: str, folder: Path) -> dict[str, object]:
    run = LOADERS[name](folder)
    meter.mark_empty_worker()
    report: dict[str, object] = {}
    for step, work in run:
        with meter.Stopwatch() as watch:
            found = work()
        report[step] = {
            "cpu_seconds": round(watch.cost.cpu_seconds, 2),
            "wall_seconds": round(watch.cost.wall_seconds, 2),
            "peak_rss_mb": round(watch.cost.peak_rss_bytes / 1e6, 1),
            "found": found,
        }
    return report


def harness(folder: Path):  # type: ignore[no-untyped-def]
    """Load, check a ranking of 1,000 for each query, and find the titles of the ten first of each."""
    import ir_measures  # noqa: F401 - imported before the memory is marked, as the others are

    from harness.contract import Prediction, Ranking
    from harness.metrics.ranking import RankingScorer  # noqa: F401
    from tasks.beir import FAMILY

    task = FAMILY.open(folder)
    state = {}

    def load() -> object:
        state["workload"] = task.load(Places(folder, folder))
        return dict(state["workload"].facts)

    def check() -> object:
        workload = state["workload"]
        count = workload.inputs.corpus.count
        generator = np.random.Generator(np.random.PCG64(2))
        scores = [float(1000 - rank) for rank in range(1000)]
        state["shown"] = set()
        for example in workload.examples:
            ids = [f"doc{number}" for number in generator.choice(count, size=1000, replace=False, shuffle=False)]
            workload.scorer.check(Prediction(example.id, Ranking(ids, scores)))
            state["shown"] |= set(ids[:SHOWN])
        return len(workload.examples)

    def titles() -> object:
        return len(state["workload"].document_titles(state["shown"]))

    return [("load", load), ("check 1,000 rankings (drawn here)", check), ("titles", titles)]


def beir(folder: Path):  # type: ignore[no-untyped-def]
    """Corpus, queries and judgements as dictionaries."""
    from beir.datasets.data_loader import GenericDataLoader

    def load() -> object:
        loaded.extend(GenericDataLoader(str(folder)).load(split="test"))
        return [len(part) for part in loaded]

    loaded: list[object] = []
    return [("load", load)]


LOADERS = {"harness": harness, "beir": beir}

if __name__ == "__main__":
    main()
