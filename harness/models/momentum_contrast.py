"""Static embeddings that learn from the task's own pairs by momentum contrast, as in CoCoSoDa."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field

from harness.config import ModelConfig
from harness.contract import LabelledSet, Prepared, Resources
from harness.models.static import Static, StaticConfig, mean_vectors

if TYPE_CHECKING:
    import torch

    from harness.retrieval.encoded_corpus import Encode
    from harness.training.loop import Trained

_POINTS = 10


class MomentumContrastConfig(StaticConfig):
    """Where the table begins, and how it learns; `steps: 0` is the starting point."""

    steps: int = Field(default=500, ge=0, le=100_000)
    """Updates of the table; 0 leaves it as it is."""
    pairs_per_step: int = Field(default=128, ge=2, le=8192)
    """Pairs of a batch, each of which is held against all others."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Of AdamW, at its highest."""
    temperature: float = Field(default=0.07, gt=0, le=10)
    """What similarities are divided by before the softmax."""
    momentum: float = Field(default=0.999, ge=0, lt=1)
    """What the slow copy keeps of itself in a step."""
    queue: int = Field(default=1024, ge=0, le=1_000_000)
    """Texts of earlier batches that are held against, of each side."""
    augmented: float = Field(default=0.15, ge=0, le=0.9)
    """Share of tokens that soft augmentation changes: half are taken away, half become others of the batch."""
    tokens: int = Field(default=256, ge=8, le=4096)
    """Tokens that are read of a training text."""


def _loss(module: Any, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    found: torch.Tensor = module.loss(tensors)
    return found


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
        from harness.models.static import read_files

        self._table, self._tokenizer = read_files(self._settings)
        trained = self._trained(resources) if self._settings.steps else None
        prepared = super().prepare(resources)
        if trained is None:
            return prepared
        return msgspec.structs.replace(prepared, facts=prepared.facts | trained.facts, curves=trained.curves)

    def identity(self) -> dict[str, object]:
        """The table itself, whatever it was trained on."""
        table = hashlib.sha256(self._table.tobytes()).hexdigest()
        return {"table": table, "files": self._config.artifacts(), "tokenizers": metadata.version("tokenizers")}

    def load(self) -> Encode:
        return lambda texts, done: mean_vectors(texts, self._table, self._tokenizer)

    def _trained(self, resources: Resources) -> Trained:
        """Raises `RunFailed` if the task has no training pairs."""

        from harness.errors import RunFailed
        from harness.retrieval import momentum_contrast as learning
        from harness.training.batches import Shuffled
        from harness.training.loop import Plan, train
        from harness.training.settings import OptimizerSettings

        if resources.inputs.train is None:
            raise RunFailed(
                "this task has no training pairs", hint="Run it on codesearchnet/pypi-split or codesearchnet/stdlib."
            )
        settings = self._settings
        queries, codes = self._pairs(resources.train)
        chosen = Shuffled(len(queries), settings.pairs_per_step, self._seed)

        def batch(step: int) -> list[torch.Tensor]:
            places = chosen(step).tolist()
            return [*learning.flat([queries[p] for p in places]), *learning.flat([codes[p] for p in places])]

        contrast = learning.Contrast(settings.temperature, settings.momentum, settings.queue, settings.augmented)
        module = learning.MomentumContrast(self._table, contrast)
        plan = Plan(
            steps=settings.steps,
            scratch=resources.scratch,
            identity={"settings": settings.model_dump(mode="json"), "train": resources.train.digest},
            optimizer=OptimizerSettings(learning_rate=settings.learning_rate, weight_decay=0.0),
            seed=self._seed,
            every=max(1, settings.steps // _POINTS),
            metric="validation RR",
            device="cpu",
        )
        trained = train(
            module,
            batch,
            _loss,
            plan,
            self._validation(resources),
            progress=resources.progress,
            charge=resources.charge,
        )
        self._table = module.table.detach().numpy()
        facts = trained.facts | {"training_pairs": len(queries)}
        return replace(trained, facts=facts)

    def _validation(self, resources: Resources) -> Callable[[Any], float] | None:
        from harness.retrieval.momentum_contrast import flat, reciprocal_rank

        if resources.inputs.validation is None:
            return None
        queries, codes = (flat(side) for side in self._pairs(resources.validation))
        return lambda module: reciprocal_rank(module.table, queries, codes)

    def _pairs(self, pairs: LabelledSet) -> tuple[list[list[int]], list[list[int]]]:
        """Token ids of queries and of their codes; a pair with an empty side is left out."""
        found = [(str(pair.input), pair.label) for pair in pairs]
        sides = [self._ids([text for text, _ in found]), self._ids([code for _, code in found])]
        kept = [(query, code) for query, code in zip(*sides, strict=True) if query and code]
        return [query for query, _ in kept], [code for _, code in kept]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids[: self._settings.tokens] for encoding in encodings]
