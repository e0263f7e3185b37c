"""Batches with as many examples of each label, as FlowTransformer draws them: attacks are rare, and would be few."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Balanced:
    """Draws with replacement, the same for the same seed and step, so that a training can go on anywhere."""

    codes: torch.Tensor
    """The label of each example, as a number."""
    batch_size: int
    seed: int

    def __call__(self, step: int) -> torch.Tensor:
        """Places of the examples of a step: [batch_size], int64."""
        import torch

        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        shares = [len(part) for part in torch.arange(self.batch_size).tensor_split(len(self._members))]
        drawn = [
            places[torch.randint(len(places), (share,), generator=random)]
            for places, share in zip(self._members, shares, strict=True)
        ]
        return torch.cat(drawn)

    @cached_property
    def _members(self) -> list[torch.Tensor]:
        """Places of the examples of each label that there is."""
        return [(self.codes == code).nonzero().flatten() for code in sorted(set(self.codes.tolist()))]
