"""TransNormer's NormAttention (Qin et al. 2022, 2210.10340, equation 12): out = RMSNorm(Q (K^T V)).

Q, K = elu(.) + 1. In place of the denominator of linear attention, whose gradient has no bound, the output is divided
by its root mean square over a head. Linear in n. (The paper has local attention in its first half of layers.)
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, summed, zeroed


class TransNormer(nn.Module):
    """Linear attention with a norm for its denominator."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.causal = shape.causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        q, k = nn.functional.elu(q) + 1, zeroed(nn.functional.elu(k) + 1, mask)
        return simple_rms(summed(q, k, v, self.causal))


def simple_rms(x: torch.Tensor) -> torch.Tensor:
    """x / (|x| / sqrt d), without a gain."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
