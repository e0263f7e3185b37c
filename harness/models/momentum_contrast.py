"""Static embeddings that learn from the task's own pairs by momentum contrast, as in CoCoSoDa."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.config import ModelConfig
from harness.contract import Prepared, Resources
from harness.models.contrast import ContrastConfig, learn
from harness.models.static import Static, StaticConfig, mean_vectors, read_files

if TYPE_CHECKING:
    from harness.retrieval.encoded_corpus import Encode


class MomentumContrastConfig(StaticConfig, ContrastConfig):
    """Where the table begins, and how it learns; `steps: 0` is the starting point."""


class MomentumContrast(Static):
    """A table of token vectors, fine-tuned on the train split and selected on the validation split."""

    kind: ClassVar[str] = "momentum_contrast"
    version: ClassVar[str] = "1"
    Config: ClassVar[type[ModelConfig]] = MomentumContrastConfig

    def __init__(self, config: MomentumContrastConfig, seed: int) -> None:
        super().__init__(config, seed)
        self._settings, self._seed = config, seed

    def prepare(self, resources: Resources) -> Prepared:
        """Train, or go on where a training was cut off, and embed the corpus with what came of it."""
        self._table, self._tokenizer = read_files(self._settings)
        if not self._settings.steps:
            return super().prepare(resources)
        from harness.retrieval.momentum_contrast import TableReader

        reader = TableReader(self._table)
        trained = learn(reader, self._ids, self._settings, resources, self._seed)
        self._table = reader.table.detach().numpy()
        prepared = super().prepare(resources)
        return msgspec.structs.replace(prepared, facts=prepared.facts | trained.facts, curves=trained.curves)

    def identity(self) -> dict[str, object]:
        """The table itself, whatever it was trained on."""
        table = hashlib.sha256(self._table.tobytes()).hexdigest()
        return {"table": table, "files": self._config.artifacts(), "tokenizers": metadata.version("tokenizers")}

    def load(self) -> Encode:
        return lambda texts, done: mean_vectors(texts, self._table, self._tokenizer)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids[: self._settings.tokens] for encoding in encodings]
