"""cosFormer (Qin et al. 2022, 2202.08791, equations 10 to 12).

Scores relu(q_i) relu(k_j) cos(pi / 2 · (i - j) / M), which part into products of features:
q' = [relu(q) sin(pi i / 2M), relu(q) cos(pi i / 2M)], k' alike;  out = q'(k'^T V) / q' sum k'.
Places count from 1. M is the greatest length, where the published code has that of the batch. Linear in n.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from harness.sequence.mixers.linear import weighted_mean
from harness.sequence.slots import Mask, Shape, zeroed


class CosFormer(nn.Module):
    """Linear attention that fades with distance."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.causal, self.length = shape.causal, shape.length

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        places = torch.arange(1, q.shape[-2] + 1, device=q.device, dtype=q.dtype)
        angle = (math.pi / 2 / self.length * places)[:, None]
        phi_q, phi_k = (torch.cat([x.relu() * angle.sin(), x.relu() * angle.cos()], dim=-1) for x in (q, k))
        return weighted_mean(phi_q, zeroed(phi_k, mask), v, self.causal)
