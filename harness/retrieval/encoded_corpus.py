"""A corpus and queries as a model encodes them: computed once, kept on disk, charged at their first cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from harness.contract import Document, Example, Resources, Usage
from harness.errors import RunFailed
from harness.retrieval.embedding_cache import Embedded, EmbeddingCache, Shard, Work, blocks, total_cost

Encode: TypeAlias = "Callable[[Sequence[str], Callable[[int], None]], Embedded]"
"""Texts in, their vectors out; the callback hears how many texts each batch of them had."""


class CachedEncoder:
    """An encoder behind the cache; it is loaded for the first text that the cache lacks, as part of that text's cost.

    `identity` is everything that can change a bit of a vector, apart from the text.
    """

    def __init__(self, resources: Resources, identity: Mapping[str, object], load: Callable[[], Encode]) -> None:
        self._resources = resources
        self._cache = EmbeddingCache(resources.cache, identity)
        self._load = load
        self._encode: Encode | None = None

    @property
    def name(self) -> str:
        """A digest of the identity."""
        return self._cache.folder.name

    def corpus(self, prefix: str = "") -> tuple[list[str], list[Shard]]:
        """Ids of the documents, and their vectors shard by shard; finished shards survive a crash."""
        ids: list[str] = []
        shards: list[Shard] = []
        documents = ((document.id, prefix + document_text(document)) for document in self._resources.corpus)
        for block_ids, texts in blocks(documents):
            shards.append(self._shard(texts, _Advance(self._resources, len(ids))))
            ids += block_ids
            self._resources.progress(len(ids), len(self._resources.corpus), "documents")
        self._charge(shards)
        return ids, shards

    def texts(self, texts: Sequence[str]) -> Embedded:
        """Vectors of a few texts, such as the queries of a batch."""
        shard = self._shard(texts, _unheard)
        self._charge([shard])
        return Embedded(shard.vectors(), shard.work, shard.rows)

    def afresh(self, texts: Sequence[str]) -> Embedded:
        """Vectors of a few texts, whether the cache has them or not, and not for it."""
        return self._compute(texts, _unheard)

    def _charge(self, shards: Sequence[Shard]) -> None:
        if reused := total_cost(shards):
            self._resources.charge(reused)

    def _shard(self, texts: Sequence[str], done: Callable[[int], None]) -> Shard:
        return self._cache.shard(texts, lambda missing: self._compute(missing, done))

    def _compute(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        if self._encode is None:
            self._encode = self._load()
        return self._encode(texts, done)


def mean_of_parts(encode: Encode, separator: str) -> Encode:
    """An encoder of texts in parts: the mean of the parts' vectors, the first as often as there are others.

    As ReCo mixes a text with what was written from it; the mean is not scaled again.
    """

    def encode_parts(texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        import numpy as np

        parts = [text.split(separator) for text in texts]
        embedded = encode([part for its in parts for part in its], lambda count: None)
        ends = np.cumsum([len(its) for its in parts])
        vectors = np.empty((len(texts), embedded.vectors.shape[1]), dtype=np.float32)
        tokens = []
        for place, (end, its) in enumerate(zip(ends.tolist(), parts, strict=True)):
            rows = slice(end - len(its), end)
            weights = np.array([max(1, len(its) - 1), *[1] * (len(its) - 1)], dtype=np.float32)
            vectors[place] = weights @ embedded.vectors[rows] / weights.sum()
            tokens.append(sum(embedded.work.tokens[rows]))
        done(len(texts))
        nothing_padded = [0] * len(texts)
        return Embedded(vectors, Work(tokens, embedded.work.truncated, nothing_padded, nothing_padded))

    return encode_parts


def document_text(document: Document) -> str:
    """Title, a space and text, as BEIR and MTEB give documents to encoders."""
    return f"{document.title} {document.text}".strip()


def query_texts(examples: Sequence[Example], prefix: str = "") -> list[str]:
    """The queries of examples, each after the prefix. Raises `RunFailed` if one is not text."""
    texts = []
    for example in examples:
        if not isinstance(example.input, str):
            raise RunFailed(f"query {example.id} is not text; this model kind reads text only")
        texts.append(prefix + example.input)
    return texts


def encoding(work: Work, row: int, stage: str = "encode") -> Usage:
    """What encoding one of several texts took."""
    return Usage(
        stage=stage,
        prompt_tokens=work.tokens[row],
        batch_rows=work.batch_rows[row],
        batch_tokens=work.batch_tokens[row],
    )


def encodings(shards: Sequence[Shard], stage: str = "encode") -> Iterator[Usage]:
    """What encoding each text of the shards took."""
    return (encoding(shard.work, row, stage) for shard in shards for row in range(len(shard.work.tokens)))


class Places:
    """Where documents stand in a corpus, by id; the table is made when it is first needed."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._places: dict[str, int] = {}

    def of(self, ids: Iterable[str]) -> list[int]:
        """Positions of those that are in the corpus, ascending, each once."""
        if not self._places:
            self._places = {id: place for place, id in enumerate(self._ids)}
        return sorted({self._places[id] for id in ids if id in self._places})


class _Advance:
    """Reports progress within a block of documents."""

    def __init__(self, resources: Resources, before: int) -> None:
        self._resources, self._done = resources, before

    def __call__(self, count: int) -> None:
        self._done += count
        self._resources.progress(self._done, len(self._resources.corpus), "documents")


def _unheard(count: int) -> None:
    return None
