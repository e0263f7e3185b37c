"""The floor: documents or labels drawn at random."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from harness.config import ModelConfig
from harness.contract import Classes, Example, Output, Prediction, Prepared, Ranking, Resources

_BATCH_SIZE = 256


class RandomOrder:
    """A uniformly random choice for each example.

    It depends on the seed, the example's id and what there is to choose from, so neither batches nor a resumed
    run change it. An example's own candidates, where it has any, replace the task's documents or labels.
    """

    kind: ClassVar[str] = "random"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = ModelConfig
    offers = frozenset({"ranking", "classes", "sequences", "rows"})
    uncounted: ClassVar[str] = "drawing at random is a floor of the score, and nobody would run it for its speed"

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._seed = seed
        self._depth = 0
        self._choices: Sequence[str] = ()

    def prepare(self, resources: Resources) -> Prepared:
        """Keep the ids of the documents, or the labels: what the task asks for."""
        self._depth = resources.request.depth
        if self._depth:
            self._choices = [document.id for document in resources.corpus]
        else:
            self._choices = resources.request.labels
        return Prepared(facts={"choices": len(self._choices)})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A ranking of the asked depth for each example, or a label where no depth is asked."""
        return [Prediction(example.id, self._draw(example)) for example in examples]

    def _draw(self, example: Example) -> Output:
        choices = self._choices if example.candidates is None else example.candidates
        random = _generator(self._seed, example.id)
        if not self._depth:
            return Classes(choices[int(random.integers(len(choices)))])
        count = min(self._depth, len(choices))
        drawn = random.choice(len(choices), size=count, replace=False)
        return Ranking([choices[i] for i in drawn.tolist()], [float(count - rank) for rank in range(count)])


def _generator(seed: int, example_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {example_id}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
