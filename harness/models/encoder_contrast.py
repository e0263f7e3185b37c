"""A small transformer encoder that learns from the task's own pairs by momentum contrast, as in CoCoSoDa."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec
from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Prepared, Resources
from harness.models.contrast import ContrastConfig, learn
from harness.models.dense import Dense, DenseConfig
from harness.models.transformer import identity


class EncoderContrastConfig(DenseConfig, ContrastConfig):
    """Which encoder, how much of it, and how it learns; `steps: 0` is the starting point."""

    layers: int = Field(default=4, ge=1, le=64)
    """The first layers of the encoder, which learn and search; those above are left out."""
    steps: int = Field(default=120, ge=0, le=100_000)
    """Updates of the weights; 0 leaves them as they are."""
    pairs_per_step: int = Field(default=32, ge=2, le=8192)
    """Pairs of a batch, each of which is held against all others."""
    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    """Of AdamW, at its highest."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """What the slow copy keeps of itself in a step."""
    queue: int = Field(default=512, ge=0, le=1_000_000)
    """Texts of earlier batches that are held against, of each side."""
    tokens: int = Field(default=128, ge=8, le=4096)
    """Tokens that are read of a training text."""


class EncoderContrast(Dense):
    """The first layers of a text encoder, fine-tuned on the train split and selected on the validation split."""

    kind: ClassVar[str] = "encoder_contrast"
    version: ClassVar[str] = "1"
    Config: ClassVar[type[ModelConfig]] = EncoderContrastConfig

    def __init__(self, config: EncoderContrastConfig, seed: int) -> None:
        super().__init__(config, seed)
        self._settings_of_training, self._seed = config, seed

    def prepare(self, resources: Resources) -> Prepared:
        """Train, or go on where a training was cut off, keep the weights in the scratch folder, embed the corpus."""
        from harness.retrieval.encoder import device_named, locate
        from harness.retrieval.transformer_reader import TransformerReader

        config = self._settings_of_training
        origin, device = locate(config.model, config.revision), device_named(config.device)
        reader = TransformerReader(origin, config.layers, config.tokens, config.pooling, device)
        trained = learn(reader, reader.tokens, config, resources, self._seed, device) if config.steps else None
        self._folder = resources.scratch / "tuned"
        reader.save(origin, self._folder)
        del reader
        prepared = super().prepare(resources)
        if trained is None:
            return prepared
        return msgspec.structs.replace(prepared, facts=prepared.facts | trained.facts, curves=trained.curves)

    def identity(self) -> Mapping[str, object]:
        """The weights as they are now, whatever they were trained on."""
        return identity(self._folder, self._settings())
