"""Linear attention (Katharopoulos et al. 2020, 2006.16236, equations 4 to 7).

phi(x) = elu(x) + 1;  out_i = phi(q_i) sum_j phi(k_j)^T v_j / phi(q_i) sum_j phi(k_j).  Linear in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, summed, zeroed


class Linear(nn.Module):
    """Attention whose scores are products of positive features."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.causal = shape.causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        phi_q, phi_k = nn.functional.elu(q) + 1, zeroed(nn.functional.elu(k) + 1, mask)
        return weighted_mean(phi_q, phi_k, v, self.causal)


def weighted_mean(phi_q: torch.Tensor, phi_k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
    """Values weighed by products of features, and divided by the sum of the weights: [batch, heads, n, d]."""
    one = torch.ones_like(v[..., :1])
    both = summed(phi_q, phi_k, torch.cat([v, one], dim=-1), causal)
    return both[..., :-1] / both[..., -1:].clamp_min(1e-6)
