"""Dual-bank normalisation against its formula, written out with sums of exponentials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import Ranking
from harness.metrics.hubness import hubness
from harness.retrieval.dbnorm import Bank, Correction, normalised_documents, normalised_queries
from harness.retrieval.exact_search import search
from harness.retrieval.order import TieOrder

Vectors = np.ndarray


def unit(seed: int, rows: int, dimensions: int = 8) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def corrected(queries: Vectors, documents: Vectors, banks: list[Bank], cuts: list[int], firsts=None) -> Vectors:  # type: ignore[no-untyped-def]
    """Normalised scores [queries, documents]."""
    chunks = np.split(documents, cuts)
    corrections = [Correction.of(bank, lambda: chunks, order_of(documents)) for bank in banks]
    rows = np.concatenate(list(normalised_documents(chunks, corrections)))
    return normalised_queries(queries, corrections, firsts) @ rows.T


def order_of(documents: Vectors) -> TieOrder:
    return TieOrder.of([f"{number:04}" for number in range(len(documents))])


def by_formula(queries: Vectors, documents: Vectors, bank: Vectors, beta: float, *, own: bool = False) -> Vectors:
    """exp(beta s) / Σ over the bank of exp(beta s), for each query and document."""
    likeness = np.exp(beta * (bank @ documents.T).astype(np.float64))
    if own:
        np.fill_diagonal(likeness, 0.0)
    return np.exp(beta * (queries @ documents.T).astype(np.float64)) / likeness.sum(axis=0)


def test_scores_are_the_logarithm_of_the_product_of_both_softmaxes() -> None:
    queries, documents, train = unit(1, 5), unit(2, 20), unit(3, 9)
    banks = [Bank(train, 20.0), Bank(documents, 3.0, np.arange(20))]
    scores = corrected(queries, documents, banks, [])
    product = by_formula(queries, documents, train, 20.0) * by_formula(queries, documents, documents, 3.0, own=True)
    expected = np.log(product)
    # Equal up to a constant, which ranks nothing.
    np.testing.assert_allclose(scores - scores.mean(), expected - expected.mean(), atol=2e-5)


def test_the_dynamic_form_corrects_only_what_is_activated() -> None:
    queries, documents, train = unit(1, 40), unit(2, 20), unit(3, 3)
    likeness = queries @ documents.T
    firsts = likeness.argmax(axis=1)
    scores = corrected(queries, documents, [Bank(train, 20.0)], [], firsts)
    activated = set((train @ documents.T).argmax(axis=1).tolist())
    inverted = np.log(by_formula(queries, documents, train, 20.0))
    for row, nearest in enumerate(firsts):
        expected = inverted[row] if nearest in activated else 20 * likeness[row]
        np.testing.assert_allclose(scores[row] - scores[row].mean(), expected - expected.mean(), atol=2e-5)
    assert 0 < sum(nearest in activated for nearest in firsts) < 40, "both happen"


def test_a_document_of_the_bank_is_not_compared_with_itself() -> None:
    documents = unit(5, 12)
    correction = Correction.of(Bank(documents, 50.0, np.arange(12)), lambda: [documents], order_of(documents))
    likeness = documents @ documents.T
    np.fill_diagonal(likeness, -2)
    assert correction.activated.tolist() == sorted(set(likeness.argmax(axis=0).tolist()))
    assert correction.popularity.max() < 50 * likeness.max(), "its own similarity of 1 would drown the others"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 60), max_size=4).map(sorted))
def test_chunks_change_no_ranking(seed: int, cuts: list[int]) -> None:
    documents, queries, train = unit(seed, 60, 32), unit(seed + 1, 10, 32), unit(seed + 2, 25, 32)
    order = order_of(documents)

    def ranked(chunks: list[Vectors]) -> tuple[list[list[int]], list[list[float]]]:
        banks = [Bank(train, 20.0), Bank(documents[::4], 3.0, np.arange(0, 60, 4))]
        corrections = [Correction.of(bank, lambda: chunks, order) for bank in banks]
        hits = search(normalised_queries(queries, corrections), normalised_documents(chunks, corrections), 7, order)
        return hits.documents.tolist(), hits.scores.tolist()

    assert ranked(np.split(documents, cuts)) == ranked([documents])


def test_hubs_are_held_back_and_one_to_one_retrieval_gains() -> None:
    """Each query means one document; some documents lie near the middle, where they are near everything."""
    random = np.random.default_rng(0)
    meanings = random.normal(size=(600, 24))
    middle = random.normal(size=24) * 1.2
    documents = meanings + middle * (random.random((600, 1)) < 0.1) * 2
    asked = meanings + random.normal(size=meanings.shape) * 1.2 + middle
    documents, asked = ((m / np.linalg.norm(m, axis=1, keepdims=True)).astype(np.float32) for m in (documents, asked))
    test, train = asked[:300], asked[300:]
    order = order_of(documents)
    plain = search(test, [documents], 10, order).documents
    corrections = [Correction.of(Bank(train, 20.0), lambda: [documents], order)]
    normal = search(
        normalised_queries(test, corrections), normalised_documents([documents], corrections), 10, order
    ).documents

    def found(places: Vectors) -> float:
        return float((places[:, 0] == np.arange(300)).mean())

    def skew(places: Vectors) -> float:
        rankings = [Ranking([str(place) for place in row], list(range(10, 0, -1))) for row in places.tolist()]
        return hubness(rankings, 600) or 0.0

    assert skew(normal) < skew(plain) / 2
    assert found(normal) > found(plain) + 0.05


def test_a_beta_of_zero_ranks_as_before() -> None:
    queries, documents = unit(1, 5), unit(2, 20)
    scores = corrected(queries, documents, [Bank(unit(3, 9), 20.0), Bank(documents, 0.0, np.arange(20))], [])
    alone = corrected(queries, documents, [Bank(unit(3, 9), 20.0)], [])
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    assert (
        pytest.approx(0.0)
        == Correction.of(Bank(documents, 0.0), lambda: [documents], order_of(documents)).popularity.max()
    )
