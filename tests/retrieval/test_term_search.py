"""Adding lists up and taking the best, against doing it one document at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval import term_search
from harness.retrieval.order import TieOrder
from harness.retrieval.term_search import Hits, TermSearch, WeightedList

DOCUMENTS = 60
IDS = [f"{(7 * number) % DOCUMENTS}" for number in range(DOCUMENTS)]

impact = st.sampled_from([0.25, 0.5, 1.0, 1 / 3, 1e-3, 7.7])
posting_lists = st.dictionaries(st.integers(0, DOCUMENTS - 1), impact, max_size=DOCUMENTS).map(
    lambda entries: (
        np.array(list(entries), dtype=np.int32),
        np.array(list(entries.values()), dtype=np.float32),
    )
)
queries = st.lists(
    st.builds(lambda entries, weight: (*entries, weight), posting_lists, st.sampled_from([1, 2, 3, 0.3])), max_size=5
)
work_settings = st.fixed_dictionaries(
    {
        "_ADDED_AT_ONCE": st.sampled_from([0, 20, 1 << 20]),
        "_FEWEST_COLUMNS": st.sampled_from([1, 5, 1024]),
        "_COLUMNS_PER_PLACE": st.sampled_from([1, 4]),
    }
)


def naive(lists: Sequence[WeightedList], depth: int) -> list[tuple[str, float]]:
    sums: dict[int, float] = {}
    for documents, impacts, weight in lists:
        for document, value in zip(documents.tolist(), impacts.tolist(), strict=True):
            sums[document] = sums.get(document, 0.0) + value * weight
    rounded = [(float(np.float32(value)), IDS[document].encode()) for document, value in sums.items()]
    return [(name.decode(), value) for value, name in sorted(rounded, reverse=True)[:depth]]


def named(hits: Hits) -> list[tuple[str, float]]:
    return [(IDS[place], value) for place, value in zip(hits.documents, hits.scores.tolist(), strict=True)]


@given(st.lists(queries, min_size=1, max_size=4), st.integers(1, DOCUMENTS + 5), work_settings)
def test_the_best_are_found_whatever_the_work_space_saw_before(
    asked: list[list[WeightedList]], depth: int, settings: dict[str, int]
) -> None:
    search = TermSearch(TieOrder.of(IDS))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setattr(term_search, name, value)
        for lists in asked:
            hits = search.best(lists, depth)
            assert named(hits) == naive(lists, depth)
            assert hits.scored == len(naive(lists, DOCUMENTS))
            assert hits.postings == sum(len(documents) for documents, _, _ in lists)


@given(queries, st.sets(st.integers(0, DOCUMENTS - 1)), st.integers(1, DOCUMENTS))
def test_among_candidates_the_order_is_that_among_all(
    lists: list[WeightedList], candidates: set[int], depth: int
) -> None:
    search = TermSearch(TieOrder.of(IDS))
    everything = named(search.best(lists, DOCUMENTS))
    allowed = {IDS[place] for place in candidates}
    among = np.array(sorted(candidates), dtype=np.int32)
    assert named(search.best(lists, depth, among)) == [hit for hit in everything if hit[0] in allowed][:depth]


def test_a_large_corpus_of_ties_is_cut_by_id() -> None:
    ids = [str(number) for number in range(20_000)]
    everywhere = (np.arange(20_000, dtype=np.int32), np.ones(20_000, dtype=np.float32), 1)
    hits = TermSearch(TieOrder.of(ids)).best([everywhere], 10)
    assert [ids[place] for place in hits.documents] == sorted(ids, reverse=True)[:10]
    assert hits.scored == 20_000


def test_what_was_found_stays_when_the_next_query_is_asked() -> None:
    search = TermSearch(TieOrder.of(IDS))
    first = search.best([(np.array([3], dtype=np.int32), np.array([2], dtype=np.float32), 1)], 5)
    search.best([], 5)
    assert (first.documents.tolist(), first.scores.tolist()) == ([3], [2.0])
