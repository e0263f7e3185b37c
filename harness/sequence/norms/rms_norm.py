"""RMSNorm (Zhang and Sennrich 2019, 1910.07467): x / sqrt(mean(x^2) + e) · g over the features of each place."""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask


class RmsNorm(nn.Module):
    """Each place for itself, without centring."""

    def __init__(self, width: int, warmup: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        normed: torch.Tensor = self.norm(x)
        return normed
