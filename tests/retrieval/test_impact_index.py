"""The inverted index of impacts against dense inner products, for any split of the corpus into blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.retrieval.impact_index import QUANTUM, ImpactIndex, SparseRows
from harness.retrieval.order import TieOrder

TERMS = 12


def rows_of(dense: np.ndarray) -> SparseRows:
    """Sparse vectors of the rows of a matrix [n, terms]."""
    counts = np.count_nonzero(dense, axis=1)
    where, terms = np.nonzero(dense)
    return SparseRows(counts.astype(np.int64), terms.astype(np.int32), dense[where, terms].astype(np.float32))


def build(folder: Path, dense: np.ndarray, cuts: list[int] | None = None, *, quantize: bool = False) -> ImpactIndex:
    ids = [f"d{number:03}" for number in range(len(dense))]
    blocks = [rows_of(block) for block in np.split(dense, cuts or [])]
    return ImpactIndex.build(lambda: blocks, TieOrder.of(ids), folder, quantize=quantize)


def matrices(rows: int) -> st.SearchStrategy[np.ndarray]:
    """Sparse matrices whose weights are few, so that documents tie."""
    weight = st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.7, 3.1])
    return st.lists(st.lists(weight, min_size=TERMS, max_size=TERMS), min_size=1, max_size=rows).map(np.array)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=matrices(20), query=matrices(1), depth=st.integers(1, 25), data=st.data())
def test_search_is_the_dense_inner_product(
    tmp_path: Path, documents: np.ndarray, query: np.ndarray, depth: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=3)))
    hits = build(tmp_path, documents, cuts).search(rows_of(query), depth)
    products = documents.astype(np.float32).astype(np.float64) @ query[0].astype(np.float32).astype(np.float64)
    scores = products.astype(np.float32)
    expected = sorted(np.flatnonzero(scores > 0), key=lambda place: (scores[place], place), reverse=True)[:depth]
    assert hits.documents.tolist() == expected
    np.testing.assert_allclose(hits.scores, scores[expected], rtol=1e-6)
    assert hits.postings == np.count_nonzero(documents[:, query[0] > 0])
    assert hits.scored == np.count_nonzero(scores > 0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=matrices(12), query=matrices(1))
def test_quantized_impacts_are_multiples_of_five_256ths(
    tmp_path: Path, documents: np.ndarray, query: np.ndarray
) -> None:
    index = build(tmp_path, documents, quantize=True)
    assert index.impacts.dtype == np.uint16
    hits = index.search(rows_of(query), 20)
    whole = [[round(weight / 5 * 256) for weight in row] for row in np.float32(documents).tolist()]
    asked = [round(weight / 5 * 256) for weight in np.float32(query[0]).tolist()]
    products = np.array([sum(a * b for a, b in zip(row, asked, strict=True)) for row in whole])
    expected = sorted(np.flatnonzero(products), key=lambda place: (products[place], place), reverse=True)
    assert hits.documents.tolist() == expected
    assert hits.scores.tolist() == products[expected].tolist(), "exact"


def test_what_is_rounded_to_nothing_takes_no_place(tmp_path: Path) -> None:
    weights = np.array([[QUANTUM / 3, 1.0], [QUANTUM * 2, QUANTUM * 70_000]])
    index = build(tmp_path, weights, quantize=True)
    assert index.impacts.tolist() == [2, 51, 65_535], "and what is too large is the largest there is"


def test_candidates_restrict_the_search(tmp_path: Path) -> None:
    index = build(tmp_path, np.array([[1.0], [3.0], [2.0], [0.0]]))
    query = rows_of(np.array([[2.0]]))
    assert index.search(query, 4).documents.tolist() == [1, 2, 0]
    assert index.search(query, 4, among=[0, 2, 3]).documents.tolist() == [2, 0]
    assert index.search(query, 4, among=[]).documents.tolist() == []


def test_a_term_that_no_document_has_finds_nothing(tmp_path: Path) -> None:
    index = build(tmp_path, np.array([[1.0, 0.0]]))
    beyond = SparseRows(np.array([1]), np.array([900], dtype=np.int32), np.array([1.0], dtype=np.float32))
    assert index.search(beyond, 5).documents.tolist() == []
    nothing = build(tmp_path / "empty", np.zeros((3, TERMS)))
    assert nothing.search(rows_of(np.ones((1, TERMS))), 5).documents.tolist() == []


def test_lists_lie_in_files(tmp_path: Path) -> None:
    index = build(tmp_path, np.ones((5, TERMS)))
    assert isinstance(index.documents, np.memmap)
    assert index.disk_bytes == 5 * TERMS * 8
    assert index.disk_bytes < sum(file.stat().st_size for file in tmp_path.iterdir()) < index.disk_bytes + 300


def test_vectors_must_be_as_many_as_documents(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 sparse vectors for 3 documents"):
        ImpactIndex.build(lambda: [rows_of(np.ones((2, 1)))], TieOrder.of(["a", "b", "c"]), tmp_path)
