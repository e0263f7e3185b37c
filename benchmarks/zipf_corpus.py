"""A made-up corpus of any size: words drawn from Zipf's law, a seed for everything.

    python benchmarks/zipf_corpus.py FOLDER --documents 1000000 [--queries 1000]

writes it as a folder in BEIR layout. A document has about 100 words (Poisson) of a vocabulary of 500,000, whose word of
rank r is drawn in proportion to 1/r. A query has 3 to 12 words of the same law without its 33 commonest words, which
a stop list would have removed, and is judged relevant to one document drawn at random: the scores mean nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

WORDS, VOCABULARY, STOPPED = 100, 500_000, 33
_DOCUMENTS_AT_ONCE = 10_000

_NAMES = np.array([f"w{rank}" for rank in range(VOCABULARY)], dtype=object)
_SHARE = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
_SHARE /= _SHARE[-1]


def documents(count: int, seed: int = 0) -> Iterator[list[str]]:
    """The words of each document; a smaller corpus of the same seed is the beginning of a larger one."""
    random = np.random.default_rng(seed)
    for start in range(0, count, _DOCUMENTS_AT_ONCE):
        lengths = np.maximum(1, random.poisson(WORDS, _DOCUMENTS_AT_ONCE))
        words = _NAMES[np.searchsorted(_SHARE, random.random(lengths.sum()))]
        for piece in np.split(words, np.cumsum(lengths)[:-1])[: count - start]:
            yield piece.tolist()


def queries(count: int, seed: int = 1) -> Iterator[list[str]]:
    """The words of each query."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        places = random.uniform(_SHARE[STOPPED - 1], 1, random.integers(3, 13))
        yield _NAMES[np.searchsorted(_SHARE, places)].tolist()


def write(folder: Path, document_count: int, query_count: int) -> None:
    """corpus.jsonl, queries.jsonl and qrels/test.tsv."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w") as file:
        for number, words in enumerate(documents(document_count)):
            file.write(json.dumps({"_id": f"d{number}", "title": "", "text": " ".join(words)}) + "\n")
    with (folder / "queries.jsonl").open("w") as file:
        for number, words in enumerate(queries(query_count)):
            file.write(json.dumps({"_id": f"q{number}", "text": " ".join(words)}) + "\n")
    judged = np.random.default_rng(2).integers(0, document_count, query_count).tolist()
    rows = "".join(f"q{number}\td{document}\t1\n" for number, document in enumerate(judged))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.documents, arguments.queries)


if __name__ == "__main__":
    main()
