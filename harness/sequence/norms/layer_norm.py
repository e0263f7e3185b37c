"""LayerNorm (Ba et al. 2016, 1607.06450): (x - mean) / sqrt(var + e) · g + b over the features of each place."""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask


class LayerNorm(nn.Module):
    """Each place for itself."""

    def __init__(self, width: int, warmup: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        normed: torch.Tensor = self.norm(x)
        return normed
