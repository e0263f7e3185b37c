"""Embeddings are computed once, survive anything, and remember what they cost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import Cost
from harness.errors import RunFailed
from harness.retrieval.embedding_cache import SHARD_TEXTS, Embedded, EmbeddingCache, Work, blocks, total_cost

TEXTS = ["one", "two", "three"]


class CountingEncoder:
    """Vectors from the letters of a text; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, texts: Sequence[str]) -> Embedded:
        self.calls += 1
        vectors = np.array([[len(text), sum(text.encode())] for text in texts], dtype=np.float32)
        lengths = [len(text) for text in texts]
        return Embedded(vectors, Work(lengths, 1, [len(texts)] * len(texts), [max(lengths)] * len(texts)))


@pytest.fixture
def encode() -> CountingEncoder:
    return CountingEncoder()


def test_a_second_time_reads_what_the_first_computed(tmp_path: Path, encode: CountingEncoder) -> None:
    first = EmbeddingCache(tmp_path, {"weights": "a"}).shard(TEXTS, encode)
    second = EmbeddingCache(tmp_path, {"weights": "a"}).shard(TEXTS, encode)
    assert encode.calls == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.work == first.work
    assert second.cost == first.cost
    assert isinstance(second.vectors(), np.memmap)
    assert (second.vectors() == encode(TEXTS).vectors).all()


@pytest.mark.parametrize(
    ("identity", "texts"),
    [({"weights": "b"}, TEXTS), ({"weights": "a"}, ["one", "two"]), ({"weights": "a"}, ["two", "one", "three"])],
    ids=["another encoder", "fewer texts", "another order"],
)
def test_other_work_is_not_mistaken_for_it(
    tmp_path: Path, encode: CountingEncoder, identity: dict[str, object], texts: list[str]
) -> None:
    EmbeddingCache(tmp_path, {"weights": "a"}).shard(TEXTS, encode)
    assert not EmbeddingCache(tmp_path, identity).shard(texts, encode).reused


def named(count: int, first: int = 0) -> list[tuple[str, str]]:
    return [(f"d{number}", f"document {number}") for number in range(first, first + count)]


def test_a_corpus_is_cut_in_order_into_blocks_of_bounded_size() -> None:
    cut = list(blocks(named(20_000)))
    assert [pair for ids, texts in cut for pair in zip(ids, texts, strict=True)] == named(20_000)
    sizes = [len(texts) for _, texts in cut]
    assert max(sizes) == SHARD_TEXTS
    assert 300 < sum(sizes) / len(sizes) < 600
    assert list(blocks([])) == []


@given(st.integers(0, 20_000), st.lists(st.text(max_size=5), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_documents_put_in_anywhere_leave_nearly_all_blocks_as_they_were(place: int, added: list[str]) -> None:
    corpus = named(20_000)
    longer = [*corpus[:place], *((f"new{number}", text) for number, text in enumerate(added)), *corpus[place:]]
    before = {tuple(texts) for _, texts in blocks(corpus)}
    new = [texts for _, texts in blocks(longer) if tuple(texts) not in before]
    assert sum(map(len, new)) <= 6 * SHARD_TEXTS


def test_a_corpus_shares_the_shards_of_a_longer_one(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})
    for _, texts in blocks(named(9_000)):
        cache.shard(texts, encode)
    part = [cache.shard(texts, encode) for _, texts in blocks(named(4_000, first=3_000))]
    assert sum(len(shard.work.tokens) for shard in part if shard.reused) > 2_000


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def damage_flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_truncate, damage_flip, Path.unlink])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_damaged_shard_is_computed_again_with_the_same_bytes(
    tmp_path: Path, encode: CountingEncoder, damage: object, suffix: str
) -> None:
    cache = EmbeddingCache(tmp_path, {})
    whole = cache.shard(TEXTS, encode).path.read_bytes()
    assert callable(damage)
    damage(next(cache.folder.glob(f"*{suffix}")))
    again = cache.shard(TEXTS, encode)
    assert not again.reused
    assert again.path.read_bytes() == whole
    assert cache.shard(TEXTS, encode).reused


def test_a_pickle_in_place_of_vectors_is_not_loaded(tmp_path: Path, encode: CountingEncoder) -> None:
    shard = EmbeddingCache(tmp_path, {}).shard(TEXTS, encode)
    np.save(shard.path, np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        shard.vectors()
    assert not EmbeddingCache(tmp_path, {}).shard(TEXTS, encode).reused


def test_killed_in_the_middle_it_continues_after_the_finished_shards(tmp_path: Path, encode: CountingEncoder) -> None:
    script = f"""
import os, pathlib, signal
from tests.retrieval.test_embedding_cache import CountingEncoder, EmbeddingCache
cache, encode = EmbeddingCache(pathlib.Path({str(tmp_path)!r}), {{}}), CountingEncoder()
cache.shard(["first"], encode)
cache.shard(["second"], encode)
cache.shard(["third"], lambda texts: os.kill(os.getpid(), signal.SIGKILL))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    shards = [EmbeddingCache(tmp_path, {}).shard([text], encode) for text in ("first", "second", "third")]
    assert [shard.reused for shard in shards] == [True, True, False]


def test_many_writers_of_one_shard_leave_a_whole_one(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})
    with ThreadPoolExecutor(8) as writers:
        shards = list(writers.map(lambda _: cache.shard(TEXTS, encode), range(40)))
    assert all((shard.vectors() == shards[0].vectors()).all() for shard in shards)
    assert cache.shard(TEXTS, encode).reused
    assert not list(cache.folder.glob("*.part"))


def test_writers_that_disagree_in_bits_never_mix(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})

    def late(texts: Sequence[str]) -> Embedded:
        cache.shard(texts, encode)
        embedded = encode(texts)
        return Embedded(np.nextafter(embedded.vectors, np.float32(np.inf)), embedded.work)

    mine = cache.shard(TEXTS, late)
    found = cache.shard(TEXTS, encode)
    assert found.reused
    assert (found.vectors() == mine.vectors()).all()


def test_reused_work_adds_up_and_new_work_does_not_count(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})
    first, second = cache.shard(["a"], encode), cache.shard(["b"], encode)
    assert total_cost([first, second]) is None
    assert total_cost([cache.shard(["a"], encode), cache.shard(["b"], encode), cache.shard(["c"], encode)]) == Cost(
        cpu_seconds=first.cost.cpu_seconds + second.cost.cpu_seconds,
        wall_seconds=first.cost.wall_seconds + second.cost.wall_seconds,
        peak_rss_bytes=max(first.cost.peak_rss_bytes, second.cost.peak_rss_bytes),
    )


def test_vectors_that_are_not_finite_are_refused_and_not_kept(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})

    def overflow(texts: Sequence[str]) -> Embedded:
        embedded = encode(texts)
        embedded.vectors[1, 0] = np.nan
        return embedded

    with pytest.raises(RunFailed, match="1 of 3 texts"):
        cache.shard(TEXTS, overflow)
    assert not cache.shard(TEXTS, encode).reused


def test_a_cache_that_cannot_be_written_is_explained(tmp_path: Path, encode: CountingEncoder) -> None:
    cache = EmbeddingCache(tmp_path, {})

    def deleted_meanwhile(texts: Sequence[str]) -> Embedded:
        cache.folder.rmdir()
        return encode(texts)

    with pytest.raises(RunFailed, match=r"cannot write .*\.npy"):
        cache.shard(TEXTS, deleted_meanwhile)
