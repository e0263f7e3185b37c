"""Exact search gives one answer, whatever the chunks, the tiles and the threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RunFailed
from harness.retrieval.exact_search import Float32, Hits, search
from harness.retrieval.order import TieOrder


def brute_force(queries: Float32, documents: Float32, ids: list[str], k: int) -> list[list[tuple[str, float]]]:
    """Every score from Python's exactly rounded `fsum`, then trec_eval's order."""
    from math import fsum

    rankings = []
    for query in queries.astype(np.float64):
        scores = [float(np.float32(fsum(query * document))) for document in documents.astype(np.float64)]
        scored = sorted(zip(scores, (name.encode() for name in ids), strict=True), reverse=True)
        rankings.append([(name.decode(), score) for score, name in scored[:k]])
    return rankings


def named(hits: Hits, ids: list[str]) -> list[list[tuple[str, float]]]:
    return [
        [(ids[place], float(score)) for place, score in zip(places, scores, strict=True)]
        for places, scores in zip(hits.documents, hits.scores, strict=True)
    ]


def cut(documents: Float32, size: int) -> list[Float32]:
    return [documents[start : start + size] for start in range(0, len(documents), size)]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Float32, Float32, list[str]]:
    """Queries, and documents of which many are equal or differ in one bit of one value."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    dimensions = draw(st.sampled_from([1, 2, 7, 64, 385]))
    scale = draw(st.sampled_from([1e-30, 1.0, 1e12]))
    distinct = (scale * generator.standard_normal((draw(st.integers(1, 6)), dimensions))).astype(np.float32)
    count = draw(st.integers(1, 60))
    documents = distinct[generator.integers(len(distinct), size=count)]
    nudged = generator.random(count) < 0.3
    documents[nudged, 0] = np.nextafter(documents[nudged, 0], np.float32(np.inf))
    documents[generator.random(count) < 0.1] *= -1
    documents[generator.random(count) < 0.1] = 0
    queries = generator.standard_normal((draw(st.integers(1, 5)), dimensions)).astype(np.float32)
    ids = [str(number) for number in generator.permutation(count)]
    return queries, documents, ids


@settings(max_examples=150, deadline=None)
@given(corpora(), st.integers(1, 70), st.integers(1, 60), st.integers(1, 5), st.integers(1, 60))
def test_any_chunks_and_tiles_give_the_exact_order(
    corpus: tuple[Float32, Float32, list[str]], k: int, chunk: int, tile_queries: int, tile_documents: int
) -> None:
    queries, documents, ids = corpus
    found = search(
        queries,
        cut(documents, chunk),
        k,
        TieOrder.of(ids),
        tile_queries=tile_queries,
        tile_documents=tile_documents,
    )
    assert named(found, ids) == brute_force(queries, documents, ids, k)


def test_near_ties_that_float32_products_confuse_are_ordered_exactly() -> None:
    generator = np.random.default_rng(1)
    queries = generator.standard_normal((3, 384)).astype(np.float32)
    documents = np.tile(generator.standard_normal(384).astype(np.float32), (500, 1))
    documents[np.arange(500), generator.integers(384, size=500)] *= np.float32(1 + 2e-7)
    ids = [f"d{number:03}" for number in range(500)]
    products = queries @ documents.T
    exact = queries.astype(np.float64) @ documents.astype(np.float64).T
    assert (np.argsort(products, kind="stable") != np.argsort(exact, kind="stable")).any(), "not a hard case"
    expected = brute_force(queries, documents, ids, 50)
    for size in (1, 64, 500):
        assert named(search(queries, cut(documents, size), 50, TieOrder.of(ids)), ids) == expected


def test_a_shorter_list_is_a_prefix_of_a_longer_one() -> None:
    generator = np.random.default_rng(2)
    documents = generator.standard_normal((300, 16)).astype(np.float32).repeat(3, axis=0)
    queries = generator.standard_normal((4, 16)).astype(np.float32)
    order = TieOrder.of([str(number) for number in range(900)])
    long, short = (search(queries, [documents], k, order).documents for k in (100, 7))
    assert (long[:, :7] == short).all()


def test_ties_rank_by_utf8_bytes_descending() -> None:
    ids = ["10", "9", "Z", "a", "é", "𝔸", "\uffee"]
    found = search(np.ones((1, 2), np.float32), [np.ones((7, 2), np.float32)], 7, TieOrder.of(ids))
    assert [ids[place] for place in found.documents[0]] == sorted(ids, key=str.encode, reverse=True)


def test_a_corpus_of_copies_costs_no_memory_beyond_the_bound() -> None:
    script = """
import resource, sys
import numpy as np
from harness.retrieval.exact_search import search
from harness.retrieval.order import TieOrder
tile = np.tile(np.random.default_rng(0).standard_normal(64).astype(np.float32), (4096, 1))
queries = np.random.default_rng(1).standard_normal((300, 64)).astype(np.float32)
ids = [f"{number:06}" for number in range(6 * len(tile))]
order = TieOrder.of(ids)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = search(queries, (tile for _ in range(6)), 100, order)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert (found.documents == np.arange(len(ids) - 1, len(ids) - 101, -1)).all()
print(grown * (1 if sys.platform == "darwin" else 1024))
"""
    assert int(run_python(script)) < 160e6


def test_the_number_of_threads_changes_no_bit() -> None:
    script = """
import hashlib
import numpy as np
from harness.retrieval.exact_search import search
from harness.retrieval.order import TieOrder
generator = np.random.default_rng(3)
documents = generator.standard_normal((6000, 128)).astype(np.float32)
queries = generator.standard_normal((40, 128)).astype(np.float32)
found = search(queries, [documents], 100, TieOrder.of([str(number) for number in range(6000)]))
print(hashlib.sha256(found.documents.tobytes() + found.scores.tobytes()).hexdigest())
"""
    assert run_python(script, OPENBLAS_NUM_THREADS="1") == run_python(script, OPENBLAS_NUM_THREADS="2")


def run_python(script: str, **environment: str) -> str:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_memory_mapped_chunks_are_searched_in_place(tmp_path: Path) -> None:
    documents = np.random.default_rng(4).standard_normal((50, 8)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", documents)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    order = TieOrder.of([str(number) for number in range(50)])
    expected = search(documents[:3], [documents], 5, order)
    found = search(documents[:3], [mapped[:20], mapped[20:]], 5, order)
    assert (found.documents == expected.documents).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_by_place(value: float) -> None:
    documents = np.ones((10, 4), np.float32)
    documents[7, 2] = value
    order = TieOrder.of([str(number) for number in range(10)])
    with pytest.raises(RunFailed, match="document 7"):
        search(np.ones((1, 4), np.float32), cut(documents, 3), 2, order)
    with pytest.raises(RunFailed, match="query 7"):
        search(documents, [np.ones((10, 4), np.float32)], 2, order)


@pytest.mark.parametrize("count", [9, 11])
def test_a_corpus_of_the_wrong_size_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match=r"10 documents"):
        search(
            np.ones((1, 4), np.float32),
            [np.ones((count, 4), np.float32)],
            2,
            TieOrder.of([str(number) for number in range(10)]),
        )


def test_an_empty_corpus_gives_empty_rankings() -> None:
    assert search(np.ones((2, 4), np.float32), [], 10, TieOrder.of([])).documents.shape == (2, 0)
