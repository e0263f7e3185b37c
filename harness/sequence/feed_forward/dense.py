"""The dense feed-forward part (Vaswani et al. 2017, 1706.03762, section 3.3): W_2 gelu(W_1 x)."""

from __future__ import annotations

import torch
from torch import nn


class Dense(nn.Module):
    """Two layers at each place."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.outer(nn.functional.gelu(self.inner(x)))
        return out
