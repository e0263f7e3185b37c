"""Linformer (Wang et al. 2020, 2006.04768, equation 7): softmax(Q (E K)^T / sqrt d) (E V), with E in R^{k x n}.

E is learnt, and shared by keys and values as in Long Range Arena's configuration. It has a column for each place up to
the greatest length, which is fixed. Linear in n. It mixes all places into k, so it cannot be causal.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, zeroed

_PROJECTED = 32


class Linformer(nn.Module):
    """Softmax attention to k learnt mixtures of the places."""

    takes_mask = True
    can_be_causal = False

    def __init__(self, shape: Shape, projected: int = _PROJECTED) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.randn(projected, shape.length) * shape.length**-0.5)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        projection = self.projection[:, : k.shape[-2]]
        keys, values = projection @ zeroed(k, mask), projection @ zeroed(v, mask)
        return nn.functional.scaled_dot_product_attention(q, keys, values)
