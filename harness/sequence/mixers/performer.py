"""Performer, FAVOR+ with positive features (Choromanski et al. 2021, 2009.14794, lemma 1 and section 3.2).

x' = x / d^(1/4);  phi(x) = (exp(W x' - |x'|^2 / 2 - max) + eps) / sqrt m, with m rows in W, orthogonal in blocks of d,
whose lengths are those of Gaussian vectors. <phi(q), phi(k)> is exp(q k / sqrt d) in expectation. W is
drawn once from a fixed seed. Linear in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.mixers.linear import weighted_mean
from harness.sequence.slots import Mask, Shape, of_heads, zeroed

_FEATURES = 64
_EPSILON = 1e-6


class Performer(nn.Module):
    """Softmax attention by random features."""

    directions: torch.Tensor
    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape, features: int = _FEATURES) -> None:
        super().__init__()
        self.causal = shape.causal
        self.register_buffer("directions", orthogonal(features, shape.head, seed=shape.layer))

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        logits_q, logits_k = self._logits(q), self._logits(k)
        there = of_heads(mask)
        seen = logits_k if there is None else logits_k.masked_fill(~there, -torch.inf)
        # A query's largest cancels out of its own row. The keys have one for all, or they would be weighed apart; it
        # would let a place see later ones by way of eps, so the causal form does without.
        phi_q = self._features(logits_q - logits_q.amax(-1, keepdim=True).detach())
        largest = 0.0 if self.causal else seen.amax((-1, -2), keepdim=True).detach()
        phi_k = zeroed(self._features(seen - largest), mask)
        return weighted_mean(phi_q, phi_k, v, self.causal)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        scaled = x * x.shape[-1] ** -0.25
        return scaled @ self.directions.T - scaled.square().sum(-1, keepdim=True) / 2

    def _features(self, logits: torch.Tensor) -> torch.Tensor:
        return (logits.exp() + _EPSILON) * self.directions.shape[0] ** -0.5


def orthogonal(rows: int, d: int, seed: int) -> torch.Tensor:
    """[rows, d]: in each d rows orthogonal, with the lengths of Gaussian vectors."""
    generator = torch.Generator().manual_seed(seed)
    blocks = [_rotation(d, generator) for _ in range(-(-rows // d))]
    lengths = torch.randn(rows, d, generator=generator).norm(dim=1, keepdim=True)
    return torch.cat(blocks)[:rows] * lengths


def _rotation(d: int, generator: torch.Generator) -> torch.Tensor:
    """Orthogonal [d, d], evenly drawn. The signs that QR leaves are not random, which would bias the features."""
    q, r = torch.linalg.qr(torch.randn(d, d, generator=generator))
    return q * r.diagonal().sign()
