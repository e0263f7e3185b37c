"""The index against the formula written out, and the order of what it returns."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval import corpus_postings
from harness.retrieval.analysis import Analyzer
from harness.retrieval.bm25_index import Bm25Index, lucene_length

PLAIN = Analyzer("words", "none", "none")

word = st.sampled_from(["ant", "bee", "cat", "dog", "eel", "fox"])
text = st.lists(word, max_size=60).map(" ".join)
corpora = st.dictionaries(st.text(alphabet="aZ09é日😀", min_size=1, max_size=3), text, min_size=1, max_size=25)
parameters = st.fixed_dictionaries({"k1": st.floats(0, 3), "b": st.floats(0, 1), "lucene_norms": st.booleans()})
queries = st.lists(st.one_of(word, st.just("unknown")), max_size=6)


def build(corpus: dict[str, str], k1: float = 0.9, b: float = 0.4, lucene_norms: bool = True) -> Bm25Index:
    return Bm25Index.build(corpus.items(), PLAIN, k1=k1, b=b, lucene_norms=lucene_norms)


def ranked(index: Bm25Index, query: list[str], depth: int = 1000) -> list[tuple[str, float]]:
    hits = index.search(query, depth)
    ids = [index.ids[position] for position in hits.documents]
    return list(zip(ids, hits.scores.tolist(), strict=True))


def byte4(length: int) -> int:
    """Lucene's SmallFloat, a number at a time: 24 exact values, then three bits below the leading one."""
    if length < 24:
        return length
    rest = length - 24
    shift = max(rest.bit_length() - 4, 0)
    return 24 + ((rest >> shift) << shift)


def slow_scores(corpus: dict[str, str], query: list[str], k1: float, b: float, lucene_norms: bool) -> dict[str, float]:
    counts = {document: Counter(content.split()) for document, content in corpus.items()}
    lengths = [count.total() for count in counts.values() if count]
    scores: dict[str, float] = {}
    for document, count in counts.items():
        for term in query:
            if count[term]:
                holding = sum(1 for other in counts.values() if other[term])
                idf = math.log(1 + (len(lengths) - holding + 0.5) / (holding + 0.5))
                length = byte4(count.total()) if lucene_norms else count.total()
                norm = k1 * (1 - b + b * length * len(lengths) / sum(lengths))
                scores[document] = scores.get(document, 0.0) + idf * count[term] / (count[term] + norm)
    return scores


@given(corpora, queries, parameters)
def test_scores_are_the_formulas(corpus: dict[str, str], query: list[str], settings: dict[str, float]) -> None:
    found = dict(ranked(build(corpus, **settings), query))  # type: ignore[arg-type]
    assert found == pytest.approx(slow_scores(corpus, query, **settings), rel=2e-5)  # type: ignore[arg-type]


@given(corpora, queries, parameters)
def test_order_is_by_score_then_id_both_descending(
    corpus: dict[str, str], query: list[str], settings: dict[str, float]
) -> None:
    found = ranked(build(corpus, **settings), query)  # type: ignore[arg-type]
    assert found == sorted(found, key=lambda hit: (hit[1], hit[0].encode()), reverse=True)
    assert all(score == np.float32(score) > 0 for _, score in found)


@given(corpora, queries, st.integers(1, 25))
def test_a_shorter_list_is_a_prefix_of_a_longer_one(corpus: dict[str, str], query: list[str], depth: int) -> None:
    index = build(corpus)
    assert ranked(index, query, depth) == ranked(index, query)[:depth]


@given(corpora, queries, st.randoms(use_true_random=False))
def test_the_order_of_the_corpus_does_not_matter(corpus: dict[str, str], query: list[str], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(corpus.items())
    random.shuffle(shuffled)
    assert ranked(build(dict(shuffled)), query) == ranked(build(corpus), query)


@settings(max_examples=30)
@given(corpora, st.integers(1, 40))
def test_the_index_is_the_same_for_every_block_size(corpus: dict[str, str], block: int) -> None:
    whole = build(corpus)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_postings, "BLOCK_TERMS", block)
        patch.setattr(corpus_postings, "_REMEMBERED_CHUNKS", 2)
        pieces = build(corpus)
    assert pieces.vocabulary == whole.vocabulary
    for name in ("starts", "documents", "impacts"):
        np.testing.assert_array_equal(getattr(pieces.fields[0], name), getattr(whole.fields[0], name))
    np.testing.assert_array_equal(pieces.order.rank, whole.order.rank)


@given(
    st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=3), st.tuples(text, text), min_size=1, max_size=25),
    queries,
    parameters,
    st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
)
def test_fields_are_scored_apart_by_their_own_statistics_and_added_up(
    corpus: dict[str, tuple[str, str]], query: list[str], settings: dict[str, float], weights: tuple[float, float]
) -> None:
    documents = [(document, *texts) for document, texts in corpus.items()]
    index = Bm25Index.build(documents, PLAIN, weights=weights, **settings)  # type: ignore[arg-type]
    expected: Counter[str] = Counter()
    for place, weight in enumerate(weights):
        field = {document: texts[place] for document, texts in corpus.items()}
        for document, score in slow_scores(field, query, **settings).items():  # type: ignore[arg-type]
            expected[document] += weight * score  # type: ignore[assignment]
    assert dict(ranked(index, query)) == pytest.approx(dict(expected), rel=2e-5)


def test_a_document_without_a_field_counts_only_where_it_has_terms() -> None:
    index = Bm25Index.build(
        [("a", "cat", "dog"), ("b", "", "dog dog")], PLAIN, k1=0.9, b=0.4, lucene_norms=True, weights=(1, 1)
    )
    assert [field.term_count for field in index.fields] == [1, 3]
    assert (index.term_count, index.average_length) == (4, 2)
    only_text = build({"a": "dog", "b": "dog dog"})
    assert ranked(index, ["dog"]) == ranked(only_text, ["dog"])


def test_a_document_of_another_number_of_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than"):
        Bm25Index.build([("a", "cat")], PLAIN, k1=0.9, b=0.4, lucene_norms=True, weights=(1, 1))


def test_ties_at_the_cut_go_to_the_last_ids() -> None:
    corpus = {f"d{number}": "cat" for number in (3, 10, 2, 1)} | {"other": "dog"}
    assert [document for document, _ in ranked(build(corpus), ["cat"], 3)] == ["d3", "d2", "d10"]


def test_only_candidates_are_ranked_with_the_scores_they_have_anyway() -> None:
    index = build({"a": "cat", "b": "cat cat", "c": "dog", "d": "cat dog"})
    everything = dict(ranked(index, ["cat"]))
    hits = index.search(["cat"], 10, among=np.array([0, 2, 3], dtype=np.int32))
    assert [index.ids[position] for position in hits.documents] == ["a", "d"]
    assert hits.scores.tolist() == [everything["a"], everything["d"]]


def test_work_is_counted() -> None:
    index = build({"a": "cat dog", "b": "cat", "c": "eel"})
    hits = index.search(["cat", "dog", "cat", "unknown"], 1)
    assert (hits.postings, hits.scored) == (3, 2)
    assert (index.term_count, index.average_length, len(index.vocabulary)) == (4, 4 / 3, 3)


@pytest.mark.parametrize("corpus", [{}, {"a": ""}])
def test_a_corpus_without_terms_finds_nothing(corpus: dict[str, str]) -> None:
    index = build(corpus)
    assert ranked(index, ["cat"]) == []
    assert index.average_length == 0


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1"):
        build({"a": "cat"}).search(["cat"], 0)


def test_lucene_lengths() -> None:
    lengths = np.arange(100_000, dtype=np.int32)
    rounded = lucene_length(lengths)
    assert rounded[:41].tolist() == list(range(41))
    assert rounded[[41, 42, 56, 57, 60, 100, 1000]].tolist() == [40, 42, 56, 56, 60, 96, 984]
    assert rounded.tolist() == [byte4(length) for length in range(100_000)]


def test_memory_is_that_of_the_postings() -> None:
    index = build({f"d{number}": f"w{number % 5000} x{number % 7}" for number in range(20_000)})
    postings = 40_000 * (4 + 4)
    assert postings < index.nbytes < postings + 20_000 * 100 + 5_007 * 150
