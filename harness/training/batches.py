"""Which examples make the batch of a step: the seed and the step say so, and a training can go on anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Shuffled:
    """All examples in a new order each epoch; the last batch of an epoch is as large as the others, or left out."""

    count: int
    batch_size: int
    seed: int

    def __call__(self, step: int) -> torch.Tensor:
        """Places of the examples of a step, counted from 0: [min(batch_size, count)], int64."""
        size = min(self.batch_size, self.count)
        epoch, place = divmod(step, self.count // size)
        return _order(self.count, self.seed, epoch)[place * size : (place + 1) * size]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> torch.Tensor:
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
