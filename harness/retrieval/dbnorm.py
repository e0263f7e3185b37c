"""Dual-bank normalisation against hubs: similarities made smaller for documents that are similar to everything.

Wang, Jian and Xue 2023, "Balance Act: Mitigating Hubness in Cross-Modal Retrieval with Query and Gallery Banks"
(arXiv:2310.11612), after the formulas: the released function leaves out the test similarities. With the similarity s
of a query q and a document d, a bank Q of queries and a bank D of documents, dual inverted softmax ranks by

    exp(b1 s(q, d)) / Σ_Q exp(b1 s(·, d))  ×  exp(b2 s(q, d)) / Σ_D exp(b2 s(·, d))

Its logarithm is (b1 + b2) s(q, d) less two numbers of the document: an inner product in two more dimensions, so the
search is as exact as that of s. The dynamic form drops a bank's number for queries whose first document is not first
for any of that bank (Bogolin et al. 2022, "Cross Modal Retrieval with Querybank Normalisation", section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.retrieval.exact_search import search
from harness.retrieval.order import Float32, Int64, TieOrder

Float64: TypeAlias = npt.NDArray[np.float64]
Chunks: TypeAlias = Callable[[], Iterable[Float32]]

_DOCUMENTS_AT_ONCE = 4096


@dataclass(frozen=True)
class Bank:
    """Texts that documents are compared with, none of them a test query."""

    vectors: Float32
    """[b, d], b at least 1."""
    beta: float
    """Inverse temperature."""
    own: Int64 | None = None
    """Where the bank is of documents: the place of each in the corpus. None is compared with itself."""


@dataclass(frozen=True)
class Correction:
    """What a bank says of each document of a corpus."""

    beta: float
    popularity: Float32
    """log of the mean over the bank of exp(beta · similarity), less its mean over the documents: [documents]."""
    activated: Int64
    """Documents that are the nearest of some text of the bank, ascending."""

    @classmethod
    def of(cls, bank: Bank, chunks: Chunks, order: TieOrder) -> Correction:
        """Compare the bank with every document: two passes over the corpus."""
        popularity = np.concatenate([*_log_means(bank, chunks())] or [np.empty(0)])
        popularity -= popularity.mean() if len(popularity) else 0.0
        hits = search(bank.vectors, chunks(), 1 if bank.own is None else 2, order)
        nearest = hits.documents[:, 0]
        if bank.own is not None and hits.documents.shape[1] > 1:
            nearest = np.where(nearest == bank.own, hits.documents[:, 1], nearest)
        return cls(bank.beta, popularity.astype(np.float32), np.unique(nearest))


def normalised_documents(chunks: Iterable[Float32], corrections: Sequence[Correction]) -> Iterator[Float32]:
    """Document vectors [n, d + corrections], the popularities in the last dimensions."""
    first = 0
    for chunk in chunks:
        rows = slice(first, first + len(chunk))
        yield np.column_stack([chunk, *[correction.popularity[rows] for correction in corrections]])
        first += len(chunk)


def normalised_queries(
    queries: Float32, corrections: Sequence[Correction], first_documents: Int64 | None = None
) -> Float32:
    """Query vectors [q, d + corrections], whose products with the documents' are the normalised scores.

    With `first_documents` [q], the nearest document of each query before the correction, the form is dynamic.
    """
    scale = np.float32(sum(correction.beta for correction in corrections) if corrections else 1)
    columns = [queries * scale]
    for correction in corrections:
        used = np.ones(len(queries), dtype=bool)
        if first_documents is not None:
            used = np.isin(first_documents, correction.activated)
        columns.append(-used.astype(np.float32)[:, None])
    return np.hstack(columns)


def _log_means(bank: Bank, chunks: Iterable[Float32]) -> Iterator[Float64]:
    vectors = bank.vectors.astype(np.float64)
    first = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _DOCUMENTS_AT_ONCE):
            documents = chunk[start : start + _DOCUMENTS_AT_ONCE].astype(np.float64)
            scaled = bank.beta * (documents @ vectors.T)
            compared = np.full(len(documents), len(vectors))
            if bank.own is not None:
                inside = np.flatnonzero((bank.own >= first) & (bank.own < first + len(documents)))
                itself = bank.own[inside] - first
                scaled[itself, inside] = -np.inf
                compared[itself] -= 1
            yield _log_sum_exp(scaled) - np.log(compared)
            first += len(documents)


def _log_sum_exp(values: Float64) -> Float64:
    """log Σ exp of each row; rows are not empty of finite values."""
    highest = values.max(axis=1, keepdims=True)
    found: Float64 = highest[:, 0] + np.log(np.exp(values - highest).sum(axis=1))
    return found
