"""What the kinds that learn by momentum contrast share: their settings, and the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import LabelledSet, Resources
from harness.errors import RunFailed

if TYPE_CHECKING:
    import torch

    from harness.retrieval.momentum_contrast import Reader
    from harness.training.loop import Trained

_POINTS = 6


class ContrastConfig(ModelConfig):
    """How an encoder learns from pairs; `steps: 0` is the starting point."""

    steps: int = Field(default=500, ge=0, le=100_000)
    """Updates of the weights; 0 leaves them as they are."""
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


def learn(
    reader: Reader,
    tokens_of: Callable[[Sequence[str]], list[list[int]]],
    settings: ContrastConfig,
    resources: Resources,
    seed: int,
    device: str = "cpu",
) -> Trained:
    """Train the reader on the train split, or go on where a training was cut off; its weights are the best of them.

    Raises `RunFailed` if the task has no training pairs.
    """
    from harness.retrieval.momentum_contrast import Contrast, MomentumContrast
    from harness.training.batches import Shuffled
    from harness.training.loop import Plan, train
    from harness.training.settings import OptimizerSettings

    if resources.inputs.train is None:
        raise RunFailed(
            "this task has no training pairs", hint="Run it on codesearchnet/pypi-split or codesearchnet/stdlib."
        )
    queries, codes = _pairs(resources.train, tokens_of)
    chosen = Shuffled(len(queries), settings.pairs_per_step, seed)

    def batch(step: int) -> list[torch.Tensor]:
        places = chosen(step).tolist()
        return [*reader.collated([queries[p] for p in places]), *reader.collated([codes[p] for p in places])]

    contrast = Contrast(settings.temperature, settings.momentum, settings.queue, settings.augmented)
    plan = Plan(
        steps=settings.steps,
        scratch=resources.scratch,
        identity={"settings": settings.model_dump(mode="json"), "train": resources.train.digest},
        optimizer=OptimizerSettings(learning_rate=settings.learning_rate, weight_decay=0.0),
        seed=seed,
        every=max(1, settings.steps // _POINTS),
        metric="validation RR",
        device="cuda" if device == "cuda" else "cpu",
    )
    trained = train(
        MomentumContrast(reader, contrast),
        batch,
        _loss,
        plan,
        _validation(resources, tokens_of),
        progress=resources.progress,
        charge=resources.charge,
    )
    return replace(trained, facts=trained.facts | {"training_pairs": len(queries)})


def _loss(module: Any, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    found: torch.Tensor = module.loss(tensors)
    return found


def _validation(
    resources: Resources, tokens_of: Callable[[Sequence[str]], list[list[int]]]
) -> Callable[[Any], float] | None:
    from harness.retrieval.momentum_contrast import reciprocal_rank

    if resources.inputs.validation is None:
        return None
    queries, codes = _pairs(resources.validation, tokens_of)
    return lambda module: reciprocal_rank(module.reader, queries, codes)


def _pairs(
    pairs: LabelledSet, tokens_of: Callable[[Sequence[str]], list[list[int]]]
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of queries and of their codes; a pair with an empty side is left out."""
    found = [(str(pair.input), pair.label) for pair in pairs]
    sides = [tokens_of([text for text, _ in found]), tokens_of([code for _, code in found])]
    kept = [(query, code) for query, code in zip(*sides, strict=True) if query and code]
    return [query for query, _ in kept], [code for _, code in kept]
