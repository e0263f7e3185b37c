"""What filling up rankings is worth on csn99-pooled: `python benchmarks/csn99_filling.py DATA`, JSON out.

BM25 is that of bm25s (lucene, k1 1.5, b 0.75). `filled` sorts all scores, equal ones in the order of the file, which
has the judged functions first, so that codes that match nothing fill a ranking up to 300; `misses` leaves these out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np

from harness.contract import Places
from harness.retrieval.analysis import LUCENE_STOP_WORDS
from tasks.codesearchnet.catalogue import LANGUAGES
from tasks.codesearchnet.challenge_scorer import DEPTH, ndcg
from tasks.codesearchnet.csn99 import Csn99

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words(text: str) -> list[str]:
    """Lower-cased words."""
    return re.findall(r"\w+", text.lower())


def pieces(text: str) -> list[str]:
    """The parts of names in lower case, less 33 stop words."""
    return [piece for piece in map(str.lower, _PIECE.findall(text)) if piece not in LUCENE_STOP_WORDS]


def scores(language: str, tokens_of: Callable[[str], list[str]], places: Places) -> dict[str, list[float]]:
    """Means over the queries: [within, all] of either reading."""
    collection = Csn99(language).read(places)
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    index.index([tokens_of(code.text) for code in collection.codes], show_progress=False)
    ids = [code.id for code in collection.codes]
    rows: dict[str, list[tuple[float, float]]] = {"filled": [], "misses": []}
    for query in collection.queries:
        known = [token for token in tokens_of(query.text) if token in index.vocab_dict]
        found = index.get_scores(known) if known else np.zeros(len(ids))
        order = np.argsort(-found, kind="stable")[:DEPTH]
        for name, kept in (("filled", order), ("misses", order[found[order] > 0])):
            # Falling scores, so that ties stay as they were broken.
            one = ndcg([ids[place] for place in kept], range(len(kept), 0, -1), query.grades)
            rows[name].append((one.within, one.all))
    return {name: np.mean(its, axis=0).tolist() for name, its in rows.items()}


def main(data: Path) -> None:
    """Both tokenizers, the mean of six languages."""
    places = Places(data=data, cache=data)
    report = {}
    for tokens_of in (words, pieces):
        found = [scores(language, tokens_of, places) for language in LANGUAGES]
        report[tokens_of.__name__] = {
            name: dict(zip(("within", "all"), np.mean([each[name] for each in found], axis=0).round(4), strict=True))
            for name in ("filled", "misses")
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
