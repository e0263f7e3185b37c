"""Measure retrieval's host work on this machine: rows for `harness profile --validate --stack … --measurements …`.

    python benchmarks/measure_search.py --hardware EPYC-9654-core [--part postings|scan] [--out rows.csv]

`postings`: a whole `predict` of the bm25 kind (analysis, traversal, selection, answer), on real corpora (HARNESS_DATA)
and on generated ones with Zipf-distributed terms. `scan`: `exact_search.search` for one query over random unit vectors.
One thread, process CPU seconds a query: the least of 20 repeats after warm-up, with their spread. Rows are appended.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repeated import append, timed

if TYPE_CHECKING:
    import numpy as np

    from harness.contract import Corpus

REAL = ("beir/cranfield", "beir/cacm", "beir/scifact", "beir/python-docs")
ZIPF = {"zipf-10k": 10_000, "zipf-30k": 30_000, "zipf-100k": 100_000, "zipf-300k": 300_000}
"""Documents of generated corpora: 30 to 120 words of a vocabulary of 50,000."""
_VOCABULARY = 50_000
BANDS = {"frequent": (1, 50), "middling": (50, 2_000), "rare": (2_000, 50_000), "any": (1, 50_000)}
"""Ranks that the words of a query are drawn from, evenly on a logarithmic scale."""
DEPTHS = (10, 100, 1000)
_QUERIES = 40

SCANNED = (1_400, 5_000, 20_000, 60_000, 200_000)
DIMENSIONS = (64, 128, 256, 384, 768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", required=True, help="profile of one core of this machine, or a YAML of yours")
    parser.add_argument("--part", choices=("postings", "scan"), action="append")
    parser.add_argument("--out", type=Path, default=Path("numpy-cpu.csv"))
    arguments = parser.parse_args()
    parts = {"postings": postings_rows, "scan": scan_rows}
    for part in arguments.part or parts:
        for row in parts[part]():
            append(arguments.out, {**row, "hardware": arguments.hardware})


# --- BM25 -------------------------------------------------------------------------------------------------------


def postings_rows() -> Iterator[dict[str, Any]]:
    """A row for each corpus, kind of query and depth."""
    from harness import registry
    from harness.contract import Places

    for name in REAL:
        workload = registry.task(name).load(Places.default())
        assert workload.inputs.corpus is not None
        queries = [str(example.input) for example in workload.examples[:_QUERIES]]
        asked = {"whole": queries, "two words": [" ".join(query.split()[:2]) for query in queries]}
        yield from _searched(name, workload.inputs.corpus, asked)
    for name, documents in ZIPF.items():
        with tempfile.TemporaryDirectory() as folder:
            corpus = _zipf(Path(folder) / "corpus.jsonl", documents)
            asked = {f"{band} x {words}": _drawn(band, words) for band in BANDS for words in (2, 8)}
            yield from _searched(name, corpus, asked)


def _searched(name: str, corpus: Corpus, asked: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    import numpy as np

    from harness.contract import Example, Inputs, Request, Resources
    from harness.models.bm25 import Bm25, Bm25Config
    from harness.retrieval.analysis import Analyzer

    for depth in DEPTHS:
        model = Bm25(Bm25Config(), seed=0)
        nowhere = Path("unused")
        model.prepare(Resources(Inputs(request=Request(depth=depth), corpus=corpus), (), nowhere, nowhere))
        for kind, queries in asked.items():
            examples = [Example(str(place), query) for place, query in enumerate(queries)]
            answers = model.predict(examples)
            usage = [answer.usage[0] for answer in answers]
            timing = timed(partial(model.predict, examples))
            yield {
                "quantity": "postings",
                "corpus": name,
                "queries": kind,
                "documents": len(corpus),
                "terms": _mean([len(Analyzer().terms(query)) for query in queries]),
                "postings": _mean([used.postings for used in usage]),
                "scored": _mean([used.documents for used in usage]),
                "depth": depth,
                "dimensions": "",
                "seconds": f"{timing.seconds / len(queries):.4g}",
                "repeats": timing.repeats,
                "spread": f"{timing.spread:.3f}",
                "source": f"benchmarks/measure_search.py, numpy {np.__version__} @1 thread",
            }


def _zipf(path: Path, documents: int) -> Corpus:
    import msgspec
    import numpy as np

    from harness.contract import Corpus, Document

    generator = np.random.default_rng(documents)
    weights = 1 / np.arange(1, _VOCABULARY + 1)
    cumulated = np.cumsum(weights / weights.sum())
    with path.open("wb") as file:
        for number in range(documents):
            words = np.searchsorted(cumulated, generator.random(int(generator.integers(30, 120))))
            text = " ".join(f"w{word}" for word in words)
            file.write(msgspec.json.encode(Document(str(number), text)) + b"\n")
    return Corpus(str(path), documents, "")


def _drawn(band: str, words: int) -> list[str]:
    import numpy as np

    generator = np.random.default_rng(words)
    low, high = np.log(BANDS[band])
    ranks = np.exp(generator.uniform(low, high, (_QUERIES, words))).astype(int)
    return [" ".join(f"w{rank - 1}" for rank in query) for query in ranks]


def _mean(numbers: Sequence[float]) -> str:
    return f"{sum(numbers) / len(numbers):.6g}"


# --- Exact search -----------------------------------------------------------------------------------------------


def scan_rows() -> Iterator[dict[str, Any]]:
    """A row for each size of corpus, dimension and depth."""
    import numpy as np

    from harness.retrieval.exact_search import TieOrder, search

    for documents in SCANNED:
        ids = [f"{place:09d}" for place in range(documents)]
        order = TieOrder.of(ids)
        for dimensions in DIMENSIONS:
            corpus = _unit_vectors(documents, dimensions)
            query = _unit_vectors(1, dimensions)
            for depth in DEPTHS:
                timing = timed(partial(search, query, [corpus], depth, order))
                yield {
                    "quantity": "flat_scan",
                    "corpus": f"vectors-{documents}",
                    "queries": "random",
                    "documents": documents,
                    "terms": "",
                    "postings": "",
                    "scored": "",
                    "depth": depth,
                    "dimensions": dimensions,
                    "seconds": f"{timing.seconds:.4g}",
                    "repeats": timing.repeats,
                    "spread": f"{timing.spread:.3f}",
                    "source": f"benchmarks/measure_search.py, numpy {np.__version__} @1 thread",
                }


def _unit_vectors(count: int, dimensions: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    import numpy as np

    generator = np.random.default_rng(count + dimensions)
    vectors = generator.standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    main()
