"""Cross-encoder reranking: a model reads each query together with each of its candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Resources, Usage
from harness.efficiency.head_work import pair_stage
from harness.efficiency.work import Work
from harness.errors import InputError
from harness.models.transformer import TransformerConfig

if TYPE_CHECKING:
    from harness.retrieval.cross_encoder import CrossEncoder


class RerankConfig(TransformerConfig):
    """A cross-encoder and how it is used."""

    first: int = Field(default=100, ge=1)
    """How many documents of the stage above are reranked, the first; the others follow in their order."""
    max_length: int = Field(default=512, ge=8)
    """Tokens that are read of a query and a document together; of the longer of the two, the rest is cut."""


class Rerank:
    """A cross-encoder (sequence classifier) that ranks candidates: those of the stage above, or of the task."""

    kind: ClassVar[str] = "rerank"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = RerankConfig
    offers: ClassVar[frozenset[str]] = frozenset({"ranking"})

    def __init__(self, config: RerankConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 16
        self._config = config
        self._model: CrossEncoder | None = None
        self._pair_tokens: Counter[int] = Counter()

    def prepare(self, resources: Resources) -> Prepared:
        """Find the weights, and where each document stands in the corpus; texts are read when they are ranked."""
        from harness.retrieval.document_texts import DocumentTexts
        from harness.retrieval.encoder import file_digests, locate
        from harness.retrieval.parameters import parameters, weight_files

        self._folder_of_ledgers, self._depth = resources.cache, resources.request.depth
        self._folder = locate(self._config.model, self._config.revision)
        self._documents = DocumentTexts(resources.corpus, resources.progress)
        weights = next(digest for name, digest in file_digests(self._folder).items() if name.endswith(".safetensors"))
        return Prepared(
            index_ram_bytes=self._documents.nbytes,
            index_disk_bytes=0,
            facts={
                "parameters": parameters(weight_files(self._folder)),
                "documents": len(self._documents),
                "weights_sha256": weights,
            },
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Rank the candidates of each query; pairs of all of them are read in batches of similar lengths."""
        from harness.retrieval.encoded_corpus import document_text, query_texts
        from harness.retrieval.fusion import ranked

        queries = query_texts(examples)
        candidates = [_candidates(example) for example in examples]
        pairs = [
            (query, document_text(document))
            for query, ids in zip(queries, candidates, strict=True)
            for document in self._documents.read(ids)
        ]
        scores, work = self._loaded().score(pairs)
        self._pair_tokens.update(work.tokens)
        predictions, start = [], 0
        for example, ids in zip(examples, candidates, strict=True):
            own = slice(start, start + len(ids))
            ranking = ranked(dict(zip(ids, scores[own].tolist(), strict=True)), self._depth)
            usage = Usage(stage="rerank", prompt_tokens=sum(work.tokens[own]), documents=len(ids))
            predictions.append(Prediction(example.id, ranking, (usage,)))
            start += len(ids)
        return predictions

    again = predict  # nothing is remembered from query to query

    def phases(self) -> Work:
        """Reading a query and a document, for each document that is reranked."""
        from harness.efficiency.encoder_work import encoder_stage

        config = self._config
        encode = encoder_stage(
            self._folder,
            name="rerank",
            max_tokens=config.max_length,
            dtype=config.dtype,
            cache=self._folder_of_ledgers,
        )
        return Work((pair_stage(encode, self._pair_tokens, [(encode.hidden_size, 1)]),))

    def _loaded(self) -> CrossEncoder:
        from harness.retrieval.cross_encoder import CrossEncoder

        if self._model is None:
            self._model = CrossEncoder(self._folder, self._settings())
        return self._model

    def _settings(self) -> Any:
        from harness.retrieval.cross_encoder import PairSettings

        config = self._config
        return PairSettings(config.max_length, config.encode_batch_size, config.dtype, config.device)


def _candidates(example: Example) -> list[str]:
    if example.candidates is None:
        raise InputError(
            f"there is nothing to rerank for {example.id!r}: the task names no candidates",
            hint="Put a retriever above `rerank` in `stages:`, such as `- kind: bm25`.",
        )
    return list(dict.fromkeys(example.candidates))
