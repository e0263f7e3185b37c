"""HSTU (Zhai et al. 2024, 2402.17152, equations 2 to 4; the published code's `hstu.py`).

[U, V, Q, K] = silu(X W), W ~ N(0, .02) without bias;  A = silu(Q K^T + b_{i-j}) / N, with N the greatest length, no
1 / sqrt d and no softmax;  Y = W_o (LayerNorm(A V) * U). The bias b is learnt for each distance; there are no time
stamps here. N is declared, so padding does not change it. Quadratic in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, allowed, merge_heads, split_heads


class Hstu(nn.Module):
    """Attention with silu in place of softmax, and a gate."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.length, self.causal = shape.heads, shape.length, shape.causal
        self.project = nn.Linear(shape.width, 4 * shape.width, bias=False)
        nn.init.normal_(self.project.weight, std=0.02)
        self.by_distance = nn.Parameter(torch.zeros(2 * shape.length - 1))
        self.norm = nn.LayerNorm(shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        n = x.shape[1]
        gate, *parts = nn.functional.silu(self.project(x)).chunk(4, dim=-1)
        v, q, k = (split_heads(part, self.heads) for part in parts)
        place = torch.arange(n, device=x.device)
        bias = self.by_distance[place[:, None] - place[None, :] + self.length - 1]
        weights = nn.functional.silu(q @ k.transpose(-1, -2) + bias) / self.length
        seen = allowed(n, mask, self.causal, x.device)
        if seen is not None:
            weights = weights * seen.to(weights.dtype)
        out: torch.Tensor = self.out(self.norm(merge_heads(weights @ v)) * gate)
        return out
