"""Dense code search with the encoders of the field: CodeBERT, GraphCodeBERT, UniXcoder, CoCoSoDa, CodeT5+."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.config import ModelConfig
from harness.efficiency.work import Stage
from harness.models.dense import EmbedAndSearch
from harness.models.transformer import TransformerConfig, identity
from harness.models.vector_search import VectorSearchConfig

if TYPE_CHECKING:
    from harness.retrieval.code_encoder import CodeEncoderSettings, CodeFormat
    from harness.retrieval.encoded_corpus import Encode


class CodeEncoderConfig(TransformerConfig, VectorSearchConfig):
    """Which encoder, and how it is given queries and code."""

    format: Literal["codebert", "graphcodebert", "unixcoder", "codet5p"]
    """The input that the weights were trained with. CoCoSoDa's is `unixcoder`."""
    language: Literal["python", "java", "javascript", "go", "php", "ruby"] = "python"
    """The language that `graphcodebert` reads the data flow of."""
    query_length: int = Field(default=128, ge=8, le=4096)
    """Tokens that are read of a query, special ones included."""
    code_length: int = Field(default=256, ge=8, le=4096)
    """Tokens that are read of a code, special ones and nodes of the data flow included."""
    data_flow_length: int = Field(default=64, ge=0, le=1024)
    """The most tokens of a long code that make room for nodes of its data flow (`graphcodebert`)."""
    normalize: bool = True
    """Scale vectors to length 1: cosine similarity. Off, the inner product, as GraphCodeBERT's search has it."""


class CodeEncoder(EmbedAndSearch):
    """An encoder of queries and code, and search over its embeddings."""

    kind: ClassVar[str] = "code_encoder"
    version: ClassVar[str] = "1"
    Config: ClassVar[type[ModelConfig]] = CodeEncoderConfig

    def __init__(self, config: CodeEncoderConfig, seed: int) -> None:
        from harness.retrieval.code_encoder import MARK_OF_QUERY

        super().__init__(config)
        self._config = config
        self.query_prefix = MARK_OF_QUERY

    def identity(self) -> Mapping[str, object]:
        from harness.retrieval.encoder import locate

        self._folder = locate(self._config.model, self._config.revision)
        return identity(self._folder, self._settings())

    def load(self) -> Encode:
        from harness.retrieval.code_encoder import CodeTextEncoder

        return CodeTextEncoder(self._folder, self._settings()).encode

    def weights(self) -> list[Path]:
        from harness.retrieval.parameters import weight_files

        return weight_files(self._folder)

    def encode_stage(self, cache: Path) -> Stage:
        """The forward pass of the transformer; building the data flow, on the host, is not counted."""
        from harness.efficiency.encoder_work import encoder_stage

        config = self._config
        longest = max(config.code_length, config.query_length)
        return encoder_stage(self._folder, name="encode", max_tokens=longest, dtype=config.dtype, cache=cache)

    def _settings(self) -> CodeEncoderSettings:
        from harness.retrieval.code_encoder import CodeEncoderSettings

        config = self._config
        format: CodeFormat = config.format
        return CodeEncoderSettings(
            format=format,
            language=config.language,
            query_length=config.query_length,
            code_length=config.code_length,
            data_flow_length=config.data_flow_length,
            normalize=config.normalize,
            batch_size=config.encode_batch_size,
            dtype=config.dtype,
            device=config.device,
        )
