"""Dense retrieval: a text encoder from the Hugging Face hub, a folder or a package, and search over its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Ranking, Resources
from harness.efficiency.work import Stage, Work, tallied
from harness.models.transformer import TransformerConfig, identity
from harness.models.vector_search import VectorSearchConfig

if TYPE_CHECKING:
    from harness.retrieval.embedding_cache import Embedded, Float32
    from harness.retrieval.encoded_corpus import CachedEncoder, Encode
    from harness.retrieval.vector_index import Found


_BYTES_OF_DOCUMENT = 250
"""An id of thirty letters, its places among the ids, and the counts of its encoding."""
_BYTES_OF_HIT = 100
"""A document of an answer, as arrays, as Python's numbers, and on the way out."""


class EmbedAndSearch:
    """Retrieval by inner product of embeddings: what every encoder kind shares.

    A kind says what its vectors depend on (`identity`) and how to load its encoder (`load`), which happens
    only when a text is not in the cache, and is then part of that text's cost.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"ranking"})
    runs_code: ClassVar[bool] = False
    query_prefix = ""
    document_prefix = ""
    separator = ""
    """Where it stands in a text, the vector is the mean of its parts', the first weighing as much as the others."""

    def __init__(self, config: VectorSearchConfig) -> None:
        self.batch_size = config.batch_size or 1024
        self._search = config
        self._chose = False  # among an example's candidates

    def identity(self) -> Mapping[str, object]:
        """Everything that can change a bit of a vector, apart from the text."""
        raise NotImplementedError

    def load(self) -> Encode:
        """The encoder: texts in, [n, d] float32 out; it tells how many texts each batch of them had."""
        raise NotImplementedError

    def encode_stage(self, cache: Path) -> Stage:
        """What encoding one text takes, by its number of tokens; named "encode"."""
        raise NotImplementedError

    def weights(self) -> list[Path]:
        """The safetensors files of the encoder."""
        raise NotImplementedError

    def prepare(self, resources: Resources) -> Prepared:
        """Embed the corpus, shard by shard; finished shards survive a crash and are not computed again."""
        from harness.retrieval.encoded_corpus import Places
        from harness.retrieval.order import TieOrder
        from harness.retrieval.parameters import parameters
        from harness.retrieval.vector_index import FlatIndex

        self._search.require_library()
        self._folder_of_ledgers = resources.cache
        self._encoder = self._cached(resources)
        self._depth = resources.request.depth
        self.ids, self._shards = self._encoder.corpus(self.document_prefix)
        self.vectors = FlatIndex(self._shards, TieOrder.of(self.ids))
        self._index = self._search.index_of(self.vectors, resources)
        self._places = Places(self.ids)
        return Prepared(
            index_ram_bytes=self._index.ram_bytes,
            index_disk_bytes=self._index.disk_bytes,
            facts={
                "parameters": parameters(self.weights()),
                "dimensions": self.vectors.dimensions,
                "document_tokens": sum(sum(shard.work.tokens) for shard in self._shards),
                "truncated_documents": sum(shard.work.truncated for shard in self._shards),
                "index": self._index.description,
                "encoder_identity": self._encoder.name,
            },
        )

    def _cached(self, resources: Resources) -> CachedEncoder:
        from harness.retrieval.encoded_corpus import CachedEncoder, mean_of_parts

        if not self.separator:
            return CachedEncoder(resources, self.identity(), self.load)
        identity = {**self.identity(), "mean of parts at": self.separator}
        return CachedEncoder(resources, identity, lambda: mean_of_parts(self.load(), self.separator))

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank the documents for a batch of queries in one pass over the corpus; or an example's candidates."""
        return self._ranked(examples, self._encoder.texts(self._texts_of(examples)))

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers, with the queries encoded afresh."""
        return self._ranked(examples, self._encoder.afresh(self._texts_of(examples)))

    def phases(self) -> Work:
        """Encoding a query and searching the index; before that, encoding the corpus."""
        from harness.retrieval.encoded_corpus import encodings

        searches = [self._index.stage(self._depth), *([self.vectors.stage_among()] if self._chose else [])]
        stages = self.encode_stage(self._folder_of_ledgers), *searches
        encoded = tallied(encodings(self._shards), with_batches=True)
        return Work(stages, encoded, self._index.uncounted)

    def findings(self) -> dict[str, float]:
        """How much of the exact answers an approximate search found."""
        return self._index.findings()

    def held_bytes(self, documents: int, depth: int) -> int:
        """The most that a run holds beside its encoder and an index in memory: ids, work space, a batch's answers."""
        from harness.retrieval.exact_search import WORK_BYTES
        from harness.retrieval.vector_index import KEPT_BYTES

        answers = _BYTES_OF_HIT * self.batch_size * min(depth, documents)
        return WORK_BYTES + KEPT_BYTES + _BYTES_OF_DOCUMENT * documents + answers

    def embed(self, texts: Sequence[str]) -> Float32:
        """Vectors [n, d] of texts as queries, for a stage that searches the same vectors."""
        return self._encoder.texts([self.query_prefix + text for text in texts]).vectors

    def _texts_of(self, examples: Sequence[Example]) -> list[str]:
        from harness.retrieval.encoded_corpus import query_texts

        return query_texts(examples, self.query_prefix)

    def _ranked(self, examples: Sequence[Example], queries: Embedded) -> list[Prediction]:
        from harness.retrieval.encoded_corpus import encoding

        self.queries = queries.vectors  # of the batch that was answered last, for the stage below
        searched = self._found(examples, queries.vectors)
        return [
            Prediction(
                example.id,
                Ranking([self.ids[place] for place in found.documents], found.scores),
                (encoding(queries.work, row), found.usage),
            )
            for row, (example, found) in enumerate(zip(examples, searched, strict=True))
        ]

    def _found(self, examples: Sequence[Example], queries: Float32) -> Iterator[Found]:
        """What the index finds, or the order of an example's own candidates, exact whatever the index."""
        everywhere = [row for row, example in enumerate(examples) if example.candidates is None]
        searched = self._index.search(queries[everywhere], self._depth) if everywhere else iter(())
        for query, example in zip(queries, examples, strict=True):
            if example.candidates is None:
                yield next(searched)
            else:
                self._chose = True
                yield self.vectors.among(query, self._places.of(example.candidates), self._depth)


class DenseConfig(VectorSearchConfig, TransformerConfig):
    """A text encoder and how it is used."""

    pooling: Literal["mean", "cls", "last", "max"] = "mean"
    """How token states become one vector, which is kept in float32."""
    normalize: bool = False
    """Scale vectors to length 1; cosine similarity always does."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """What ranks the documents."""
    query_prefix: str = ""
    """Put before every query."""
    document_prefix: str = ""
    """Put before every document."""
    max_length: int = Field(default=512, ge=4)
    """Tokens that are read of a text, special ones included; the rest is cut and counted."""


class Dense(EmbedAndSearch):
    """A text encoder, and search over its embeddings."""

    kind: ClassVar[str] = "dense"
    version: ClassVar[str] = "1"
    Config: ClassVar[type[ModelConfig]] = DenseConfig

    def __init__(self, config: DenseConfig, seed: int) -> None:
        super().__init__(config)
        self._config = config
        self.query_prefix = config.query_prefix
        self.document_prefix = config.document_prefix

    def identity(self) -> Mapping[str, object]:
        from harness.retrieval.encoder import locate

        self._folder = locate(self._config.model, self._config.revision)
        return identity(self._folder, self._settings())

    def load(self) -> Encode:
        from harness.retrieval.encoder import TextEncoder

        return TextEncoder(self._folder, self._settings()).encode

    def weights(self) -> list[Path]:
        from harness.retrieval.parameters import weight_files

        return weight_files(self._folder)

    def encode_stage(self, cache: Path) -> Stage:
        from harness.efficiency.encoder_work import encoder_stage

        config = self._config
        return encoder_stage(self._folder, name="encode", max_tokens=config.max_length, dtype=config.dtype, cache=cache)

    def _settings(self) -> Any:
        from harness.retrieval.encoder import EncoderSettings

        config = self._config
        return EncoderSettings(
            pooling=config.pooling,
            normalize=config.normalize or config.similarity == "cosine",
            max_length=config.max_length,
            batch_size=config.encode_batch_size,
            dtype=config.dtype,
            device=config.device,
        )
