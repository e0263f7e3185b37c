"""Late interaction against loops over tokens, and the same bits whatever the chunks and threads."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RunFailed
from harness.retrieval.max_sim import Float16, TokenVectors, score, search
from harness.retrieval.order import TieOrder

DIMENSIONS = 6


def tokens(seed: int, lengths: list[int], dimensions: int = DIMENSIONS) -> list[Float16]:
    """Random unit vectors of the tokens of some texts."""
    random = np.random.default_rng(seed)
    texts = [random.normal(size=(length, dimensions)) for length in lengths]
    return [(text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float16) for text in texts]


def joined(texts: list[Float16]) -> TokenVectors:
    return TokenVectors.of(np.concatenate([np.empty((0, texts[0].shape[1])), *texts]), [len(text) for text in texts])


def by_loops(query: Float16, document: Float16) -> float:
    """Σ over query tokens of the largest inner product, with Python's own exact sums."""
    if not len(document):
        return 0.0
    return math.fsum(
        max(math.fsum(float(a) * float(b) for a, b in zip(left, right, strict=True)) for right in document)
        for left in query
    )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=9),
    asked=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    depth=st.integers(1, 12),
)
def test_scores_and_order_are_those_of_the_definition(seed, lengths, asked, depth) -> None:  # type: ignore[no-untyped-def]
    documents, queries = tokens(seed, lengths), tokens(seed + 5000, asked)
    ids = [f"d{number}" for number in range(len(documents))]
    hits = search(queries, [joined(documents)], depth, TieOrder.of(ids))
    for query, places, scores in zip(queries, hits.documents, hits.scores, strict=True):
        expected = np.array([by_loops(query, document) for document in documents]).astype(np.float32)
        order = sorted(range(len(ids)), key=lambda place: (expected[place], ids[place]), reverse=True)[:depth]
        assert places.tolist() == order
        assert scores.tolist() == expected[order].tolist(), "the same bits"
        np.testing.assert_array_equal(score(query, documents), expected)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted),
    tile=st.integers(1, 300),
)
def test_shards_and_tiles_change_nothing(seed: int, cuts: list[int], tile: int) -> None:
    lengths = np.random.default_rng(seed).integers(0, 9, 40).tolist()
    documents, queries = tokens(seed, lengths, 32), tokens(seed + 1, [4, 1, 7], 32)
    order = TieOrder.of([f"{number:02}" for number in range(40)])
    whole = search(queries, [joined(documents)], 10, order)
    pieces = [documents[start:end] for start, end in zip([0, *cuts], [*cuts, 40], strict=True)]
    cut = search(queries, [joined(piece) for piece in pieces if piece], 10, order, tile_tokens=tile)
    np.testing.assert_array_equal(cut.documents, whole.documents)
    np.testing.assert_array_equal(cut.scores, whole.scores)


_IN_THREADS = """
import sys; sys.path.insert(0, sys.argv[1])
from harness.retrieval.max_sim import search
from harness.retrieval.order import TieOrder
from tests.retrieval.test_max_sim import joined, tokens
documents, queries = tokens(1, [60] * 400, 128), tokens(2, [32] * 3, 128)
hits = search(queries, [joined(documents)], 50, TieOrder.of([str(n) for n in range(400)]))
print(hits.documents.tolist(), hits.scores.tobytes().hex())
"""


def test_the_number_of_threads_changes_nothing() -> None:
    root = Path(__file__).resolve().parents[2]
    found = {
        subprocess.run(
            [sys.executable, "-c", _IN_THREADS, str(root)],
            env={"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(found) == 1


def test_copies_of_a_document_rank_by_id_descending() -> None:
    (document,) = tokens(3, [4])
    hits = search(tokens(4, [2]), [joined([document] * 3)], 2, TieOrder.of(["b", "c", "a"]))
    assert hits.documents.tolist() == [[1, 0]]


def test_vectors_that_are_too_long_or_broken_are_refused() -> None:
    order = TieOrder.of(["a"])
    for broken in (np.full((1, 4), 1.0), np.full((1, 4), np.nan), np.full((1, 4), np.inf)):
        with pytest.raises(RunFailed, match="long; late interaction compares vectors of length 1"):
            search(tokens(1, [1], 4), [joined([broken.astype(np.float16)])], 1, order)


def test_documents_must_be_as_many_as_ids() -> None:
    shard = joined(tokens(1, [2, 2]))
    with pytest.raises(ValueError, match="more than the 1 documents"):
        search(tokens(2, [1]), [shard], 1, TieOrder.of(["a"]))
    with pytest.raises(ValueError, match="2 documents with vectors for 3 ids"):
        search(tokens(2, [1]), [shard], 1, TieOrder.of(["a", "b", "c"]))
