"""FNet's Fourier mixing (Lee-Thorp et al. 2021, 2105.03824, equation 3): Re FFT_places(FFT_width(x)).

No parameters: n log n. All places are mixed by the length of the sequence, so it takes no mask and cannot be causal.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape


class Fft(nn.Module):
    """Every place is a sum of all, with the Fourier transform's weights."""

    takes_mask = can_be_causal = False

    def __init__(self, shape: Shape) -> None:
        super().__init__()

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        return torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
