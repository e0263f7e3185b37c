"""Late interaction: a vector for each token, and every query token looks for its best match (ColBERT)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.head_work import max_sim, with_maps
from harness.efficiency.work import Stage, Work, tallied
from harness.models.transformer import TransformerConfig, identity

if TYPE_CHECKING:
    from harness.retrieval.embedding_cache import Embedded
    from harness.retrieval.encoded_corpus import CachedEncoder, Encode
    from harness.retrieval.max_sim import Float16


class LateInteractionConfig(TransformerConfig):
    """A ColBERT model and how it is used."""

    first: int | None = Field(default=None, ge=1)
    """In `stages:`, rank only so many documents, the first of the stage above, and not the whole corpus."""
    query_length: int = Field(default=32, ge=4)
    """Tokens of a query; a shorter one is filled up with [MASK], a longer one cut."""
    document_length: int = Field(default=180, ge=4)
    """Tokens that are read of a document, special ones included; the rest is cut and counted."""
    query_marker: str = "[unused0]"
    """Token after the first of a query; empty for none."""
    document_marker: str = "[unused1]"
    """Token after the first of a document; empty for none."""
    augment_queries: bool = True
    """Fill queries up with [MASK], whose vectors take part in scoring; off, a query has its own tokens only."""
    skip_punctuation: bool = True
    """Leave out the vectors of a document's punctuation."""


class LateInteraction:
    """Late interaction (ColBERT), exact: MaxSim over the token vectors of every document."""

    kind: ClassVar[str] = "late_interaction"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = LateInteractionConfig
    offers: ClassVar[frozenset[str]] = frozenset({"ranking"})

    def __init__(self, config: LateInteractionConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 64
        self._config = config

    def prepare(self, resources: Resources) -> Prepared:
        """Encode the tokens of every document, shard by shard."""
        from harness.retrieval.encoded_corpus import Places
        from harness.retrieval.encoder import locate
        from harness.retrieval.order import TieOrder
        from harness.retrieval.parameters import parameters, weight_files

        self._folder_of_ledgers, self._depth = resources.cache, resources.request.depth
        self._folder = locate(self._config.model, self._config.revision)
        self._loaded: Any = None
        documents = self._encoder(resources, "documents")
        self._queries = self._encoder(resources, "queries")
        self._ids, self._shards = documents.corpus()
        self._order, self._places = TieOrder.of(self._ids), Places(self._ids)
        return Prepared(
            index_ram_bytes=0,
            index_disk_bytes=sum(shard.disk_bytes for shard in self._shards),
            facts={
                "parameters": parameters(weight_files(self._folder)),
                "dimensions": self._dimensions,
                "vectors": self._vectors,
                "document_tokens": sum(sum(shard.work.tokens) for shard in self._shards),
                "truncated_documents": sum(shard.work.truncated for shard in self._shards),
                "index": "float16 token vectors, memory-mapped from disk",
                "encoder_identity": documents.name,
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank all documents for each query, or the example's candidates."""
        from harness.retrieval.encoded_corpus import query_texts

        return self._ranked(examples, self._queries.texts(query_texts(examples)))

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers, with the queries encoded afresh."""
        from harness.retrieval.encoded_corpus import query_texts

        return self._ranked(examples, self._queries.afresh(query_texts(examples)))

    def phases(self) -> Work:
        """Encoding a query and comparing it with the documents' tokens; before that, encoding the corpus."""
        from harness.efficiency.encoder_work import encoder_stage
        from harness.retrieval.encoded_corpus import encodings

        config = self._config
        longest = max(config.query_length, config.document_length)
        encode = encoder_stage(
            self._folder, name="encode", max_tokens=longest, dtype=config.dtype, cache=self._folder_of_ledgers
        )
        tokens = self._vectors / max(1, len(self._ids))
        match = max_sim(config.query_length, tokens, self._dimensions)
        search = Stage("search", each={"documents": match}, index_bytes=2 * self._vectors * self._dimensions)
        encode = with_maps(encode, [(encode.hidden_size, self._dimensions)])
        return Work((encode, search), tallied(encodings(self._shards), with_batches=True))

    # ------------------------------------------------------------------------------------------------------------

    @property
    def _vectors(self) -> int:
        return sum(sum(shard.rows or ()) for shard in self._shards)

    @property
    def _dimensions(self) -> int:
        return self._shards[0].vectors().shape[1] if self._shards else 0

    def _encoder(self, resources: Resources, what: str) -> CachedEncoder:
        from harness.retrieval.encoded_corpus import CachedEncoder

        return CachedEncoder(resources, identity(self._folder, self._settings(), of=what), lambda: self._load(what))

    def _load(self, what: str) -> Encode:
        from harness.retrieval.token_encoder import TokenEncoder

        if self._loaded is None:
            self._loaded = TokenEncoder(self._folder, self._settings())
        encode: Encode = getattr(self._loaded, f"encode_{what}")
        return encode

    def _settings(self) -> Any:
        from harness.retrieval.token_encoder import TokenSettings

        config = self._config
        return TokenSettings(
            query_length=config.query_length,
            document_length=config.document_length,
            query_marker=config.query_marker,
            document_marker=config.document_marker,
            augment_queries=config.augment_queries,
            skip_punctuation=config.skip_punctuation,
            batch_size=config.encode_batch_size,
            dtype=config.dtype,
            device=config.device,
        )

    def _ranked(self, examples: Sequence[Example], queries: Embedded) -> list[Prediction]:
        from harness.retrieval.encoded_corpus import encoding
        from harness.retrieval.max_sim import TokenVectors

        asked = TokenVectors.of(queries.vectors, queries.rows or []).texts()
        open_ended = [row for row, example in enumerate(examples) if example.candidates is None]
        searched = dict(zip(open_ended, self._searched([asked[row] for row in open_ended]), strict=True))
        predictions = []
        for row, example in enumerate(examples):
            ranking, scored = searched.get(row) or self._reranked(asked[row], example)
            usage = encoding(queries.work, row), Usage(stage="search", documents=scored)
            predictions.append(Prediction(example.id, ranking, usage))
        return predictions

    def _searched(self, queries: Sequence[Float16]) -> list[tuple[Ranking, int]]:
        """A ranking of the corpus for each query, and the documents that were scored."""
        from harness.retrieval.max_sim import TokenVectors, search

        if not queries:
            return []
        shards = map(TokenVectors.of, self._mapped, [shard.rows or [] for shard in self._shards])
        hits = search(queries, shards, self._depth, self._order)
        found = zip(hits.documents.tolist(), hits.scores.tolist(), strict=True)
        return [(Ranking([self._ids[place] for place in places], scores), len(self._ids)) for places, scores in found]

    def _reranked(self, query: Float16, example: Example) -> tuple[Ranking, int]:
        """A ranking of the example's candidates, and how many of them the corpus has."""
        from harness.retrieval.fusion import ranked
        from harness.retrieval.max_sim import score

        places = self._places.of(example.candidates or ())
        scores = score(query, [self._tokens_of(place) for place in places]).tolist()
        by_id = {self._ids[place]: value for place, value in zip(places, scores, strict=True)}
        return ranked(by_id, self._depth), len(places)

    @cached_property
    def _mapped(self) -> list[Any]:
        return [shard.vectors() for shard in self._shards]

    @cached_property
    def _ends(self) -> list[list[int]]:
        """In each shard, where the vectors of each document end, after a 0."""
        return [list(accumulate(shard.rows or (), initial=0)) for shard in self._shards]

    @cached_property
    def _firsts(self) -> list[int]:
        """The first document of each shard."""
        return list(accumulate((len(shard.rows or ()) for shard in self._shards), initial=0))

    def _tokens_of(self, place: int) -> Any:
        """The token vectors of one document."""
        shard = bisect_right(self._firsts, place) - 1
        ends, row = self._ends[shard], place - self._firsts[shard]
        return self._mapped[shard][ends[row] : ends[row + 1]]
