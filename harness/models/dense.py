"""Dense retrieval: a text encoder from the Hugging Face hub, a folder or a package, and exact search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo

from harness.config import ModelConfig, in_field
from harness.contract import Document, Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.work import Stage, Work, tallied
from harness.errors import RunFailed
from harness.models.vector_search import VectorSearchConfig

if TYPE_CHECKING:
    from harness.retrieval.embedding_cache import Embedded, Float32, Shard
    from harness.retrieval.embedding_cache import Work as EncoderWork

Encode: TypeAlias = "Callable[[Sequence[str], Callable[[int], None]], Embedded]"


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

    def __init__(self, config: VectorSearchConfig) -> None:
        self.batch_size = config.batch_size or 1024
        self._search = config
        self._encode: Encode | None = None

    def identity(self) -> dict[str, object]:
        """Everything that can change a bit of a vector, apart from the text."""
        raise NotImplementedError

    def load(self) -> Encode:
        """The encoder: texts in, [n, d] float32 out; it tells how many texts each batch of them had."""
        raise NotImplementedError

    def encode_stage(self, cache: Path) -> Stage:
        """What encoding one text takes, by its number of tokens; named "encode"."""
        raise NotImplementedError

    def prepare(self, resources: Resources) -> Prepared:
        """Embed the corpus, shard by shard; finished shards survive a crash and are not computed again."""
        from harness.retrieval.embedding_cache import EmbeddingCache, blocks
        from harness.retrieval.order import TieOrder
        from harness.retrieval.vector_index import FlatIndex

        self._search.require_library()
        identity = self.identity()
        self._folder_of_ledgers = resources.cache
        self._cache = EmbeddingCache(resources.cache, identity)
        self._depth = resources.request.depth
        self._ids: list[str] = []
        self._shards: list[Shard] = []
        documents = ((document.id, self.document_prefix + document_text(document)) for document in resources.corpus)
        for ids, texts in blocks(documents):
            self._shards.append(self._embed(texts, _Advance(resources, len(self._ids))))
            self._ids += ids
            resources.progress(len(self._ids), len(resources.corpus), "documents")
        self._charge = resources.charge
        self._charge_reused(self._shards)
        vectors = FlatIndex(self._shards, TieOrder.of(self._ids))
        self._index = self._search.index_of(vectors, resources)
        return Prepared(
            index_ram_bytes=self._index.ram_bytes,
            index_disk_bytes=self._index.disk_bytes,
            facts={
                "dimensions": vectors.dimensions,
                "document_tokens": sum(sum(shard.work.tokens) for shard in self._shards),
                "truncated_documents": sum(shard.work.truncated for shard in self._shards),
                "index": self._index.description,
                "encoder_identity": self._cache.folder.name,
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank the documents for a batch of queries in one pass over the corpus."""
        queries = self._embed([self.query_prefix + _query_text(example) for example in examples], _unheard)
        self._charge_reused([queries])
        return self._ranked(examples, queries.vectors(), queries.work)

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers, with the queries encoded afresh."""
        texts = [self.query_prefix + _query_text(example) for example in examples]
        embedded = self._load_and_encode(texts, _unheard)
        return self._ranked(examples, embedded.vectors, embedded.work)

    def phases(self) -> Work:
        """Encoding a query and searching the index; before that, encoding the corpus."""
        encoded = (_encoding(shard.work, row) for shard in self._shards for row in range(len(shard.work.tokens)))
        stages = self.encode_stage(self._folder_of_ledgers), self._index.stage()
        return Work(stages, tallied(encoded, with_batches=True))

    def findings(self) -> dict[str, float]:
        """How much of the exact answers an approximate search found."""
        return self._index.findings()

    def held_bytes(self, documents: int, depth: int) -> int:
        """The most that a run holds beside its encoder and an index in memory: ids, work space, a batch's answers."""
        from harness.retrieval.exact_search import WORK_BYTES

        return WORK_BYTES + _BYTES_OF_DOCUMENT * documents + _BYTES_OF_HIT * self.batch_size * min(depth, documents)

    def _ranked(self, examples: Sequence[Example], queries: Float32, work: EncoderWork) -> list[Prediction]:
        return [
            Prediction(
                example.id,
                Ranking([self._ids[place] for place in found.documents], found.scores),
                (_encoding(work, row), found.usage),
            )
            for row, (example, found) in enumerate(zip(examples, self._index.search(queries, self._depth), strict=True))
        ]

    def _charge_reused(self, shards: Sequence[Shard]) -> None:
        from harness.retrieval.embedding_cache import total_cost

        if reused := total_cost(shards):
            self._charge(reused)

    def _embed(self, texts: Sequence[str], done: Callable[[int], None]) -> Shard:
        return self._cache.shard(texts, lambda missing: self._load_and_encode(missing, done))

    def _load_and_encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        if self._encode is None:
            self._encode = self.load()
        return self._encode(texts, done)


class _Advance:
    """Reports progress within a block of documents."""

    def __init__(self, resources: Resources, before: int) -> None:
        self._resources, self._done = resources, before

    def __call__(self, count: int) -> None:
        self._done += count
        self._resources.progress(self._done, len(self._resources.corpus), "documents")


def _unheard(count: int) -> None:
    return None


def document_text(document: Document) -> str:
    """Title, a space and text, as BEIR and MTEB give documents to encoders."""
    return f"{document.title} {document.text}".strip()


def _query_text(example: Example) -> str:
    if not isinstance(example.input, str):
        raise RunFailed(f"query {example.id} is not text; this model kind embeds text only")
    return example.input


def _encoding(work: EncoderWork, row: int) -> Usage:
    return Usage(
        stage="encode",
        prompt_tokens=work.tokens[row],
        batch_rows=work.batch_rows[row],
        batch_tokens=work.batch_tokens[row],
    )


def _resolve(model: str, info: ValidationInfo) -> str:
    """A path is relative to the submission file; so is a name that is a folder there."""
    from harness.retrieval.encoder import PACKAGE

    if model.startswith(PACKAGE):
        return model
    path = Path((info.context or {}).get("folder") or ".") / Path(model).expanduser()
    is_path = model.startswith((".", "/", "~")) or path.is_dir()
    return str(path.resolve()) if is_path else model


class DenseConfig(VectorSearchConfig):
    """A text encoder and how it is used."""

    model: Annotated[str, AfterValidator(_resolve)]
    """A hub id (`org/name`), a folder (`./path`), or `package:NAME`: weights inside an installed package."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; give a commit to make the row reproducible."""
    pooling: Literal["mean", "cls", "last", "max"] = "mean"
    """How token states become one vector."""
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
    encode_batch_size: int = Field(default=32, ge=1)
    """Texts per forward pass."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the encoder; vectors are kept in float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder runs; auto takes a GPU if there is one."""

    def artifacts(self) -> dict[str, str]:
        """sha256 of the weights, configuration and tokenizer; a hub id stands for itself."""
        from harness.retrieval.encoder import PACKAGE, file_digests, locate

        local = self.model.startswith(PACKAGE) or Path(self.model).is_absolute()
        with in_field("model"):
            return file_digests(locate(self.model)) if local else {}


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

    def identity(self) -> dict[str, object]:
        from harness.retrieval.encoder import WIDTH_STEP, file_digests, locate

        self._folder = locate(self._config.model, self._config.revision)
        return {
            "files": file_digests(self._folder),
            "settings": asdict(self._settings()),
            "padded_to": WIDTH_STEP,
            "versions": {name: metadata.version(name) for name in ("tokenizers", "torch", "transformers")},
        }

    def load(self) -> Encode:
        from harness.retrieval.encoder import TextEncoder

        return TextEncoder(self._folder, self._settings()).encode

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
