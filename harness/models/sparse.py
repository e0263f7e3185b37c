"""Learned sparse retrieval: a model weighs the terms of its vocabulary, and an inverted index adds the weights up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config import ModelConfig, in_field
from harness.contract import Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.head_work import with_maps
from harness.efficiency.search_work import embedding_bag, inverting, posting, query, query_terms
from harness.efficiency.work import Stage, Tally, Work, tallied
from harness.models.transformer import TransformerConfig, Weights, identity, local_digests

if TYPE_CHECKING:
    from harness.retrieval.embedding_cache import Embedded
    from harness.retrieval.encoded_corpus import CachedEncoder, Encode


class SparseConfig(TransformerConfig):
    """A model that weighs terms, and how queries are weighed."""

    head: Literal["masked_lm", "linear"] = "masked_lm"
    """`masked_lm`: SPLADE, which also weighs terms that the text lacks. `linear`: uniCOIL, one weight a token."""
    queries: Literal["model", "idf"] = "model"
    """`model`: weighed by a network too. `idf`: by the model's idf.json, without a network ("inference-free")."""
    query_model: Weights | None = None
    """Another model for queries, with the same vocabulary; a hub id, a folder or `package:NAME`."""
    query_revision: str | None = None
    """Commit, tag or branch of `query_model`."""
    quantize: bool = False
    """Round weights to multiples of 5/256, as Anserini's impact indexes do; off, they are float32."""
    max_length: int = Field(default=256, ge=4)
    """Tokens that are read of a text, special ones included; the rest is cut and counted."""
    encode_batch_size: int = Field(default=8, ge=1)
    """Texts per forward pass; logits take 4 bytes × vocabulary × tokens for each."""

    @model_validator(mode="after")
    def _one_way_for_queries(self) -> SparseConfig:
        if self.queries == "idf" and self.query_model:
            raise ValueError("`queries: idf` runs no model, so there is none to name as `query_model`")
        return self

    def artifacts(self) -> dict[str, str]:
        """sha256 of the weights, configuration and tokenizer of both models; a hub id stands for itself."""
        with in_field("query_model"):
            of_queries = local_digests(self.query_model) if self.query_model else {}
        return {**super().artifacts(), **{f"queries/{name}": digest for name, digest in of_queries.items()}}


class Sparse:
    """Learned sparse retrieval (SPLADE, uniCOIL) over an inverted index of impacts, exact."""

    kind: ClassVar[str] = "sparse"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SparseConfig
    offers: ClassVar[frozenset[str]] = frozenset({"ranking"})

    def __init__(self, config: SparseConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 256
        self._config = config

    def prepare(self, resources: Resources) -> Prepared:
        """Weigh the corpus, shard by shard, and turn the weights into inverted lists on disk."""
        from harness.retrieval.encoded_corpus import Places
        from harness.retrieval.encoder import locate
        from harness.retrieval.impact_index import ImpactIndex, SparseRows
        from harness.retrieval.order import TieOrder
        from harness.retrieval.parameters import parameters, weight_files

        config = self._config
        self._folder_of_ledgers, self._depth = resources.cache, resources.request.depth
        self._folder = locate(config.model, config.revision)
        self._query_folder = locate(config.query_model, config.query_revision) if config.query_model else self._folder
        documents = self._encoder(resources, self._folder, of_queries=False)
        self._queries = self._encoder(resources, self._query_folder, of_queries=True)
        if self._queries.name == documents.name:
            self._queries = documents  # one model, loaded once
        self._ids, self._shards = documents.corpus()
        self._places = Places(self._ids)
        self._index = ImpactIndex.build(
            lambda: (SparseRows.of(shard.vectors(), shard.rows or []) for shard in self._shards),
            TieOrder.of(self._ids),
            resources.scratch / "impacts",
            quantize=config.quantize,
        )
        return Prepared(
            index_ram_bytes=self._index.ram_bytes,
            index_disk_bytes=self._index.disk_bytes,
            facts={
                "parameters": parameters(
                    file for folder in {self._folder, self._query_folder} for file in weight_files(folder)
                ),
                "postings": len(self._index.documents),
                "postings_per_document": len(self._index.documents) / max(1, len(self._ids)),
                "document_tokens": sum(sum(shard.work.tokens) for shard in self._shards),
                "truncated_documents": sum(shard.work.truncated for shard in self._shards),
                "encoder_identity": documents.name,
                "query_encoder_identity": self._queries.name,
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank the documents that share a weighted term with each query."""
        from harness.retrieval.encoded_corpus import query_texts

        return self._ranked(examples, self._queries.texts(query_texts(examples)))

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers, with the queries weighed afresh."""
        from harness.retrieval.encoded_corpus import query_texts

        return self._ranked(examples, self._queries.afresh(query_texts(examples)))

    def phases(self) -> Work:
        """Weighing a query and visiting its terms' lists; before that, weighing the corpus."""
        from harness.retrieval.encoded_corpus import encodings

        search = Stage(
            "search",
            device="host",
            once=query(len(self._ids), self._depth),
            each={"postings": posting()},
            prompt=((1, query_terms(1)), (2, query_terms(2))),
            index_bytes=self._index.disk_bytes,
        )
        prepared = tallied(encodings(self._shards, "encode documents"), with_batches=True)
        index = Stage("index", device="host", once=inverting(len(self._index.documents)))
        return Work((*self._encode_stages(), search, index), (*prepared, Tally("index", 1)))

    # ------------------------------------------------------------------------------------------------------------

    def _encoder(self, resources: Resources, folder: Path, *, of_queries: bool) -> CachedEncoder:
        from harness.retrieval.encoded_corpus import CachedEncoder

        by_idf = of_queries and self._config.queries == "idf"
        # A term that a text repeats is weighed in another way in a query, but only by uniCOIL.
        repeated = "sum" if of_queries else "maximum"
        how: Mapping[str, Any] = {"head": "idf"} if by_idf else {"head": self._config.head}
        if how["head"] == "linear":
            how = {**how, "repeated": repeated}
        return CachedEncoder(
            resources, identity(folder, self._settings(), **how), lambda: self._load(folder, how["head"], repeated)
        )

    def _load(self, folder: Path, head: str, repeated: str) -> Encode:
        from harness.retrieval import sparse_encoder

        settings = self._settings()
        if head == "idf":
            return sparse_encoder.IdfEncoder(folder, settings).encode
        if head == "linear":
            return sparse_encoder.LinearEncoder(folder, settings, repeated=repeated).encode
        return sparse_encoder.MaskedLmEncoder(folder, settings).encode

    def _settings(self) -> Any:
        from harness.retrieval.sparse_encoder import SparseSettings

        config = self._config
        return SparseSettings(config.max_length, config.encode_batch_size, config.dtype, config.device)

    def _ranked(self, examples: Sequence[Example], queries: Embedded) -> list[Prediction]:
        from harness.retrieval.encoded_corpus import encoding
        from harness.retrieval.impact_index import SparseRows

        predictions = []
        vectors = SparseRows.of(queries.vectors, queries.rows or []).each()
        for row, (example, weighted) in enumerate(zip(examples, vectors, strict=True)):
            among = None if example.candidates is None else self._places.of(example.candidates)
            hits = self._index.search(weighted, self._depth, among)
            ranking = Ranking([self._ids[place] for place in hits.documents.tolist()], hits.scores.tolist())
            search = Usage(
                stage="search", prompt_tokens=len(weighted.terms), postings=hits.postings, documents=hits.scored
            )
            predictions.append(Prediction(example.id, ranking, (encoding(queries.work, row), search)))
        return predictions

    def _encode_stages(self) -> tuple[Stage, Stage]:
        """Of queries, and of documents."""
        documents = self._encode_stage(self._folder, "encode documents")
        if self._config.queries == "idf":
            looked_up = tuple((tokens, embedding_bag(tokens, 1)) for tokens in (1, 2))
            return Stage("encode", device="host", prompt=looked_up), documents
        return self._encode_stage(self._query_folder, "encode"), documents

    def _encode_stage(self, folder: Path, name: str) -> Stage:
        from harness.efficiency.encoder_work import encoder_stage

        config = self._config
        stage = encoder_stage(
            folder, name=name, max_tokens=config.max_length, dtype=config.dtype, cache=self._folder_of_ledgers
        )
        hidden = stage.hidden_size
        if config.head == "linear":
            return with_maps(stage, [(hidden, 1)])
        vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
        # The output layer of a masked-LM head has the weights of the input embeddings.
        return with_maps(stage, [(hidden, hidden), (hidden, vocabulary)], tied=hidden * vocabulary)
