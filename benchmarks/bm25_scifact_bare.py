"""BM25 on SciFact with nothing around it: the peer that `harness eval` is measured against.

    HARNESS_DATA=… python benchmarks/bm25_scifact_bare.py [--engine ours|bm25s]

Prints nDCG@10, R@100, R@1000 and the CPU seconds of the process, imports included, as JSON. `bm25s` is the
library of that name with k1 0.9, b 0.4, method lucene, a Porter stemmer and its English stop words.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TypeAlias

DEPTH = 1000
K1, B = 0.9, 0.4
METRICS = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "R@1000": "recall_1000"}

Texts: TypeAlias = dict[str, str]
Qrels: TypeAlias = dict[str, dict[str, int]]
Run: TypeAlias = dict[str, dict[str, float]]


def read_scifact(folder: Path) -> tuple[Texts, Texts, Qrels]:
    """Documents (title and text) and test queries by id, and the test judgements."""
    documents = {d["_id"]: f"{d['title']} {d['text']}" for d in read_lines(folder / "corpus.jsonl")}
    qrels: Qrels = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, relevance = line.split("\t")
        qrels.setdefault(query, {})[document] = int(relevance)
    queries = {q["_id"]: q["text"] for q in read_lines(folder / "queries.jsonl") if q["_id"] in qrels}
    return documents, queries, qrels


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def search_ours(documents: Texts, queries: Texts) -> Run:
    """The harness's own analyzer and index."""
    from harness.retrieval.analysis import Analyzer
    from harness.retrieval.bm25_index import Bm25Index

    analyzer = Analyzer()
    index = Bm25Index.build(documents.items(), analyzer, k1=K1, b=B, lucene_norms=True)
    run: Run = {}
    for query, text in queries.items():
        hits = index.search(analyzer.terms(text), DEPTH)
        names = [index.ids[position] for position in hits.documents.tolist()]
        run[query] = dict(zip(names, hits.scores.tolist(), strict=True))
    return run


def search_bm25s(documents: Texts, queries: Texts) -> Run:
    """The bm25s library."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("porter")
    tokens = bm25s.tokenize(list(documents.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(tokens, show_progress=False)
    asked = bm25s.tokenize(list(queries.values()), stopwords="en", stemmer=stemmer, show_progress=False)
    found, scores = index.retrieve(asked, k=DEPTH, show_progress=False)
    names = list(documents)
    return {
        query: {names[place]: score for place, score in zip(places, values, strict=True) if score > 0}
        for query, places, values in zip(queries, found.tolist(), scores.tolist(), strict=True)
    }


def mean_scores(qrels: Qrels, run: Run) -> dict[str, float]:
    """Means over the judged queries."""
    import pytrec_eval

    by_query = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100,1000"}).evaluate(run)
    return {name: round(sum(row[key] for row in by_query.values()) / len(qrels), 4) for name, key in METRICS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", choices=["ours", "bm25s"], default="ours")
    engine = parser.parse_args().engine
    if "HARNESS_DATA" not in os.environ:
        parser.error("set HARNESS_DATA to the folder that holds beir/scifact")
    documents, queries, qrels = read_scifact(Path(os.environ["HARNESS_DATA"]) / "beir" / "scifact")
    run = (search_ours if engine == "ours" else search_bm25s)(documents, queries)
    scores = mean_scores(qrels, run)
    print(json.dumps({"engine": engine, **scores, "cpu_seconds": round(time.process_time(), 2)}))


if __name__ == "__main__":
    main()
