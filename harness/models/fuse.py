"""Fusion: the rankings of several stages made into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config import ModelConfig
from harness.contract import Example, Model, Prediction, Ranking, Resources, Usage
from harness.efficiency.head_work import fused_document
from harness.efficiency.work import Stage, Work


class FuseConfig(ModelConfig):
    """How rankings are made into one."""

    method: Literal["reciprocal_rank", "weighted_sum"] = "reciprocal_rank"
    """`reciprocal_rank`: sum of 1 / (k + rank). `weighted_sum`: of scaled scores."""
    k: int = Field(default=60, ge=0)
    """How little the first places stand out, for `reciprocal_rank`."""
    weights: list[float] | None = Field(default=None, min_length=2)
    """Of the rankings above, in their order, for `weighted_sum`; 1 each if not given."""
    scale: Literal["min_max", "z"] = "min_max"
    """For `weighted_sum`: a query's scores to 0 to 1, or to mean 0 and standard deviation 1."""

    @model_validator(mode="after")
    def _weights_are_of_scores(self) -> FuseConfig:
        if self.weights is not None and self.method != "weighted_sum":
            raise ValueError("`weights` go with `method: weighted_sum`; reciprocal ranks have none")
        return self


class Fuse:
    """Makes one ranking of all those above: reciprocal rank fusion, or a weighted sum. Only in `stages:`."""

    kind: ClassVar[str] = "fuse"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = FuseConfig
    takes: ClassVar[Literal["one", "all"]] = "all"

    def __init__(self, config: FuseConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 1024
        self._config = config

    @staticmethod
    def complaint(config: FuseConfig, above: Sequence[Any]) -> str | None:
        """Why it cannot fuse the rankings of the kinds above."""
        if len(above) < 2:
            return "there is only one ranking above it"
        if config.weights is not None and len(config.weights) != len(above):
            return f"it has {len(config.weights)} weights for {len(above)} rankings"
        return None

    def prepare(self, resources: Resources, above: Sequence[Model]) -> None:
        """Nothing but the depth is needed."""
        self._depth = resources.request.depth

    def refine(self, examples: Sequence[Example], rankings: Sequence[Sequence[Ranking]]) -> list[Prediction]:
        """One ranking for each example, of those that each stage above made for it."""
        by_example = zip(*rankings, strict=True)
        return [self._fused(example, found) for example, found in zip(examples, by_example, strict=True)]

    again = refine

    def phases(self) -> Work:
        """Each entry of the rankings is read once."""
        return Work((Stage("fuse", device="host", each={"documents": fused_document()}),))

    def _fused(self, example: Example, rankings: Sequence[Ranking]) -> Prediction:
        from harness.retrieval.fusion import ranked, reciprocal_rank, weighted_sum

        config = self._config
        if config.method == "reciprocal_rank":
            scores = reciprocal_rank(rankings, config.k)
        else:
            scores = weighted_sum(rankings, config.weights, config.scale)
        usage = Usage(stage="fuse", documents=sum(len(ranking.ids) for ranking in rankings))
        return Prediction(example.id, ranked(scores, self._depth), (usage,))
