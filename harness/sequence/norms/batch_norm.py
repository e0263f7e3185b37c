"""BatchNorm (Ioffe and Szegedy 2015, 1502.03167) over all symbols of a batch: (x - mean) / sqrt(var + e) · g + b.

Mean and variance are of each feature; at inference, running ones of training. Padding does not count.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.norms.batch_statistics import put_back, symbols_of
from harness.sequence.slots import Mask


class BatchNorm(nn.Module):
    """Each feature over the batch."""

    def __init__(self, width: int, warmup: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        return put_back(self.norm(symbols_of(x, mask)), x, mask)
