"""Approximate indexes: how near they come to the exact answers, that they repeat themselves, and what they count."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness.contract import Cost
from harness.errors import RunFailed, SubmissionError
from harness.retrieval import ann_index
from harness.retrieval.ann_index import AnnIndex, Hnsw, IvfPq, Method, require_faiss
from harness.retrieval.embedding_cache import Embedded, EmbeddingCache, Work
from harness.retrieval.order import Float32, TieOrder
from harness.retrieval.vector_index import FlatIndex

needs_faiss = pytest.mark.skipif(find_spec("faiss") is None, reason="needs pip install 'equal-footing[ann]'")

COUNT, DIMENSIONS = 2000, 32
GRAPH, CLUSTERS = Hnsw(neighbours=16, ef_construction=80, ef_search=50), IvfPq(lists=0, probes=16, code_bytes=16)
METHODS = pytest.mark.parametrize("method", [GRAPH, CLUSTERS], ids=["hnsw", "ivf_pq"])


def clustered(count: int, seed: int) -> Float32:
    """Vectors of length 1 around a hundred centres, as texts of a hundred subjects would have."""
    centres = np.random.default_rng(0).standard_normal((100, DIMENSIONS))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(100, size=count)] + 0.6 * random.standard_normal((count, DIMENSIONS))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def flat(folder: Path, vectors: Float32, shard_size: int = 700) -> FlatIndex:
    """The vectors as the embedding cache keeps them, in shards."""
    cache = EmbeddingCache(folder, {"vectors": vectors.tobytes().hex()[:64]})
    nothing = [0] * shard_size
    shards = [
        cache.shard(
            [f"{place}"],
            lambda _, block=vectors[place : place + shard_size]: Embedded(block, Work(nothing, 0, nothing, nothing)),
        )
        for place in range(0, len(vectors), shard_size)
    ]
    return FlatIndex(shards, TieOrder.of([str(number) for number in range(len(vectors))]))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> FlatIndex:
    return flat(tmp_path_factory.mktemp("vectors"), clustered(COUNT, 1))


def opened(cache: Path, method: Method, exact: FlatIndex, charged: list[Cost] | None = None) -> AnnIndex:
    return AnnIndex.open(cache, method, exact, ([] if charged is None else charged).append)


@needs_faiss
def test_a_graph_finds_nearly_all_and_clusters_of_codes_most(tmp_path: Path, vectors: FlatIndex) -> None:
    queries = clustered(40, 2)
    recalls = {}
    for method in (GRAPH, CLUSTERS):
        index = opened(tmp_path, method, vectors)
        list(index.search(queries, 100))
        recalls[method] = index.findings()
    assert recalls[GRAPH]["search_recall_at_10"] > 0.98
    assert recalls[GRAPH]["search_recall_at_100"] > 0.95
    assert 0.4 < recalls[CLUSTERS]["search_recall_at_10"] < recalls[GRAPH]["search_recall_at_10"]
    assert recalls[GRAPH]["search_recall_queries"] == 40
    assert "search_recall_at_1000" not in recalls[GRAPH], "the task asked for 100"


@needs_faiss
def test_recall_is_the_share_of_the_exact_answers_that_were_found(tmp_path: Path, vectors: FlatIndex) -> None:
    queries = clustered(10, 3)
    index = opened(tmp_path, CLUSTERS, vectors)
    found = [set(one.documents) for one in index.search(queries, 10)]
    exact = [set(one.documents) for one in vectors.search(queries, 10)]
    shared = [len(one & other) / 10 for one, other in zip(found, exact, strict=True)]
    assert index.findings() == {"search_recall_at_10": pytest.approx(np.mean(shared)), "search_recall_queries": 10}


@needs_faiss
def test_visiting_more_finds_more_and_counts_more(tmp_path: Path, vectors: FlatIndex) -> None:
    queries = clustered(20, 4)
    few, many = (opened(tmp_path, IvfPq(0, probes, 16), vectors) for probes in (1, 32))
    work = [[found.usage for found in index.search(queries, 100)] for index in (few, many)]
    assert all(usage.nodes == 1 for usage in work[0])
    assert all(usage.nodes == 32 and usage.postings == usage.documents > 0 for usage in work[1])
    assert sum(usage.postings for usage in work[0]) < sum(usage.postings for usage in work[1])
    assert few.findings()["search_recall_at_100"] < many.findings()["search_recall_at_100"]
    assert len(list((tmp_path / "ann").glob("*.faiss"))) == 1, "how it is searched does not change the index"


@needs_faiss
def test_a_graph_counts_nodes_and_documents(tmp_path: Path, vectors: FlatIndex) -> None:
    (found,) = opened(tmp_path, GRAPH, vectors).search(clustered(1, 5), 10)
    assert found.usage.stage == "search"
    assert 50 <= found.usage.nodes <= found.usage.documents < COUNT


@METHODS
@needs_faiss
def test_the_same_vectors_give_the_same_bytes_and_answers_whatever_the_shards(tmp_path: Path, method: Method) -> None:
    corpus, queries = clustered(COUNT, 6), clustered(10, 7)
    answers, contents = [], []
    for size in (COUNT, 37):
        cache = tmp_path / str(size)
        index = opened(cache, method, flat(cache, corpus, size))
        answers.append([(found.documents, found.scores, found.usage) for found in index.search(queries, 50)])
        contents.append(next((cache / "ann").glob("*.faiss")).read_bytes())
    assert answers[0] == answers[1]
    assert contents[0] == contents[1]


@METHODS
@needs_faiss
def test_answers_are_in_order_and_do_not_depend_on_the_batch(
    tmp_path: Path, method: Method, vectors: FlatIndex
) -> None:
    queries = clustered(10, 8)
    index = opened(tmp_path, method, vectors)
    together = list(index.search(queries, 200))
    assert together == [found for query in queries for found in index.search(query[None], 200)]
    for found in together:
        hits = [(score, str(document)) for document, score in zip(found.documents, found.scores, strict=True)]
        assert hits == sorted(hits, reverse=True)
        assert len({*found.documents}) == len(found.documents) <= 200


@METHODS
@needs_faiss
def test_a_second_time_it_is_read_and_charged_at_its_first_cost(
    tmp_path: Path, method: Method, vectors: FlatIndex
) -> None:
    charged: list[Cost] = []
    first = opened(tmp_path, method, vectors, charged)
    assert charged == []
    second = opened(tmp_path, method, vectors, charged)
    assert len(charged) == 1
    assert charged[0].cpu_seconds > 0
    queries = clustered(5, 9)
    assert list(first.search(queries, 20)) == list(second.search(queries, 20))
    assert second.ram_bytes == second.disk_bytes == next((tmp_path / "ann").glob("*.faiss")).stat().st_size


@pytest.mark.parametrize("suffix", ["faiss", "json"])
@needs_faiss
def test_a_damaged_index_is_built_again(tmp_path: Path, vectors: FlatIndex, suffix: str) -> None:
    charged: list[Cost] = []
    opened(tmp_path, GRAPH, vectors, charged)
    path = next((tmp_path / "ann").glob(f"*.{suffix}"))
    path.write_bytes(path.read_bytes()[:-9])
    whole = opened(tmp_path, GRAPH, vectors, charged)
    assert charged == []
    assert list(whole.search(clustered(1, 1), 5))
    record = json.loads(next((tmp_path / "ann").glob("*.json")).read_bytes())
    assert record.keys() == {"sha256", "cost"}


@needs_faiss
def test_other_vectors_and_other_settings_are_other_indexes(tmp_path: Path, vectors: FlatIndex) -> None:
    charged: list[Cost] = []
    opened(tmp_path, GRAPH, vectors, charged)
    opened(tmp_path, Hnsw(8, 80, 50), vectors, charged)
    opened(tmp_path, GRAPH, flat(tmp_path, clustered(500, 10)), charged)
    assert charged == []


@METHODS
@needs_faiss
def test_the_stage_counts_in_the_units_of_the_usage(tmp_path: Path, method: Method, vectors: FlatIndex) -> None:
    index = opened(tmp_path, method, vectors)
    (found,) = index.search(clustered(1, 11), 10)
    stage = index.stage(10)
    assert stage.name == found.usage.stage
    assert all(getattr(found.usage, unit) > 0 for unit in stage.each)
    read = sum(getattr(found.usage, unit) * phase.bytes for unit, phase in stage.each.items())
    assert 0 < read < 4 * DIMENSIONS * COUNT
    assert stage.index_bytes == index.disk_bytes


@needs_faiss
def test_a_size_of_code_that_does_not_fit_names_those_that_do(tmp_path: Path, vectors: FlatIndex) -> None:
    with pytest.raises(SubmissionError, match="pq_bytes is 5, which does not divide the 32 dimensions") as caught:
        opened(tmp_path, IvfPq(0, 8, 5), vectors)
    assert "1, 2, 4, 8, 16, 32" in caught.value.hint


@METHODS
@pytest.mark.parametrize("count", [2, 5, 300])
@needs_faiss
def test_a_few_documents_are_all_found(tmp_path: Path, method: Method, count: int) -> None:
    index = opened(tmp_path, method, flat(tmp_path, clustered(count, 12)))
    (found,) = index.search(clustered(1, 13), 1001)
    if count < 300 or method is GRAPH:
        assert sorted(found.documents) == list(range(count))


@needs_faiss
def test_no_documents_cannot_be_indexed(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no documents"):
        opened(tmp_path, GRAPH, FlatIndex([], TieOrder.of([])))


def test_without_faiss_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann_index, "find_spec", lambda name: None)
    with pytest.raises(SubmissionError, match="faiss, which is not installed") as caught:
        require_faiss()
    assert "equal-footing[ann]" in caught.value.hint
