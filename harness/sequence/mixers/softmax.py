"""Softmax attention (Vaswani et al. 2017, 1706.03762, section 3.2.1): softmax(Q K^T / sqrt d) V. Quadratic in n."""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, allowed


class Softmax(nn.Module):
    """Each place takes from every other by the exponential of their scaled product."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.causal = shape.causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        seen = None if mask is None else allowed(q.shape[-2], mask, self.causal, q.device)
        return nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, is_causal=self.causal and seen is None
        )
