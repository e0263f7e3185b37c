"""Flow-Attention (Wu et al. 2022, 2202.06258, equations 5 to 8; the causal form as in the published code).

With sigmoid features Q, K, n sinks and m sources (here the same places):
I_i = <Q_i + e, sum_j K_j + e>,  O_j = <K_j + e, sum_i Q_i + e>
I^_i = <Q_i + e, sum_j K_j / O_j + e>,  O^_j = clamp(<K_j + e, sum_i Q_i / I_i + e>, -1, 1)
out_i = sigmoid(I^_i n / m) · Q_i / I_i · sum_j K_j^T V_j softmax_j(O^) m
Causal: each sum goes up to the place itself, I^ and O^ divide by the number of places up to it, as do I and O for
them, and the competition is exp(O^_j) / sum_{l <= j} exp(O^_l) times that number.
A mask leaves padding out of all sums and of the softmax, and n and m count symbols. Linear in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, of_heads, summed, zeroed

_EPSILON = 1e-6


class Flow(nn.Module):
    """Sources compete and sinks are allocated, so that what flows is conserved."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.causal = shape.causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        q, k = zeroed(q.sigmoid(), mask), zeroed(k.sigmoid(), mask)
        there = of_heads(mask)
        return self._causal(q, k, v) if self.causal else _everywhere(q, k, v, there)

    def _causal(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        count = torch.arange(1, q.shape[-2] + 1, device=q.device, dtype=q.dtype)[:, None]
        incoming, outgoing = _flow(q, k.cumsum(-2)), _flow(k, q.cumsum(-2))
        conserved_in = _flow(q, (k / outgoing * count).cumsum(-2)) / count
        conserved_out = (_flow(k, (q / incoming * count).cumsum(-2)) / count).clamp(-1, 1)
        weight = conserved_out.exp()
        competition = weight / weight.cumsum(-2) * count
        return conserved_in.sigmoid() * summed(q / incoming, k, v * competition, causal=True)


def _everywhere(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, there: Mask) -> torch.Tensor:
    incoming, outgoing = _flow(q, k.sum(-2, keepdim=True)), _flow(k, q.sum(-2, keepdim=True))
    if there is not None:  # at the padding both are next to nothing
        incoming, outgoing = incoming.masked_fill(~there, 1), outgoing.masked_fill(~there, 1)
    conserved_in = _flow(q, (k / outgoing).sum(-2, keepdim=True))
    conserved_out = _flow(k, (q / incoming).sum(-2, keepdim=True)).clamp(-1, 1)
    count: torch.Tensor | int = q.shape[-2]
    if there is not None:
        conserved_out = conserved_out.masked_fill(~there, -torch.inf)
        count = there.sum(-2, keepdim=True)
    competition = conserved_out.softmax(-2) * count
    return conserved_in.sigmoid() * summed(q / incoming, k, v * competition, causal=False)


def _flow(x: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """<x_i + e, others_i + e>: [batch, heads, n, 1]."""
    return ((x + _EPSILON) * (others + _EPSILON)).sum(-1, keepdim=True)
