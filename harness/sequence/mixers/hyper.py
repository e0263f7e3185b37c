"""HyperAttention (Han et al. 2023, 2310.05869, algorithms 1 to 4; defaults of the published code).

Angular LSH: 7 random directions give each query and key a bucket of 128, in the order of the Gray code, so that
buckets side by side differ in one direction. Queries and keys are sorted by bucket; softmax attention is exact between
the i-th block of 256 queries and the i-th of keys. The rest is estimated from 256 keys drawn evenly, each standing for
n / 256, of which those in the own block do not count. Both parts are merged by their log-sum-exp.
Below 4,096 places it is softmax attention: at Long Range Arena's lengths the default never approximates.
Causal: the sequence is halved; each half attends to itself (again halved), the second also to the first.
Directions and draws are fixed by seed. Linear in n where it approximates.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, allowed

Mixed: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""What was attended to [..., n, d], and the log of the sum of its weights [..., n, 1]."""


class Hyper(nn.Module):
    """Softmax attention to what is alike, and to a sample of the rest."""

    directions: torch.Tensor
    draws: torch.Tensor
    takes_mask = can_be_causal = True

    def __init__(
        self, shape: Shape, *, exact_below: int = 4096, block: int = 256, sample: int = 256, bits: int = 7
    ) -> None:
        super().__init__()
        self.causal, self.exact_below, self.block, self.bits = shape.causal, exact_below, block, bits
        generator = torch.Generator().manual_seed(shape.layer)
        self.register_buffer("directions", torch.randn(shape.head, bits, generator=generator))
        self.register_buffer("draws", torch.rand(sample, generator=generator))

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        there = None if mask is None else mask[:, None].expand(-1, q.shape[1], -1)
        n = q.shape[-2]
        if n < self.exact_below:
            seen = None if mask is None else allowed(n, mask, self.causal, q.device)
            return nn.functional.scaled_dot_product_attention(
                q, k, v, attn_mask=seen, is_causal=self.causal and seen is None
            )
        return (self._halved if self.causal else self.approximate)(q, k, v, there)[0]

    def _halved(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, there: Mask) -> Mixed:
        n = q.shape[-2]
        if n < self.exact_below:
            earlier = torch.ones(n, n, dtype=torch.bool, device=q.device).tril()
            return attend(q, k, v, earlier if there is None else earlier & there[..., None, :])
        half = n // 2
        first, second = ([x[..., part, :] for x in (q, k, v)] for part in (slice(half), slice(half, None)))
        masks = (None, None) if there is None else (there[..., :half], there[..., half:])
        before = self._halved(first[0], first[1], first[2], masks[0])
        across = self.approximate(second[0], first[1], first[2], masks[0])
        after = merged(self._halved(second[0], second[1], second[2], masks[1]), across)
        return torch.cat([before[0], after[0]], dim=-2), torch.cat([before[1], after[1]], dim=-2)

    def approximate(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, there: Mask) -> Mixed:
        """All queries attend to all keys, as described above."""
        n, m, size = q.shape[-2], k.shape[-2], self.block
        if there is None:
            there = torch.ones(k.shape[:-1], dtype=torch.bool, device=k.device)
        q_order, k_order = (self._buckets(x).sort(dim=-1, stable=True).indices for x in (q, k))
        blocks = -(-max(n, m) // size)
        q_sorted, k_sorted, v_sorted = _taken(q, q_order), _taken(k, k_order), _taken(v, k_order)
        seen = there.gather(-1, k_order)
        q_blocks, k_blocks, v_blocks = (_in_blocks(x, blocks, size) for x in (q_sorted, k_sorted, v_sorted))
        block_seen = nn.functional.pad(seen, (0, blocks * size - m)).unflatten(-1, (blocks, 1, size))
        near = [x.flatten(-3, -2)[..., :n, :] for x in attend(q_blocks, k_blocks, v_blocks, block_seen)]
        drawn = (self.draws * m).long().clamp_max(m - 1)
        other = (torch.arange(n, device=q.device) // size)[:, None] != (drawn // size)[None, :]
        far = attend(q_sorted, k_sorted[..., drawn, :], v_sorted[..., drawn, :], other & seen[..., None, drawn])
        mixed = merged((near[0], near[1]), (far[0], far[1] + math.log(m / drawn.shape[0])))
        back = q_order.argsort(-1)
        return _taken(mixed[0], back), _taken(mixed[1], back)

    def _buckets(self, x: torch.Tensor) -> torch.Tensor:
        """The place of each vector's bucket in the order of the Gray code: [batch, heads, n]."""
        bits = (x @ self.directions > 0).long()
        # A Gray code's place has for each bit the parity of the code's bits from the highest down to it.
        return (bits.cumsum(-1) % 2 * 2 ** torch.arange(self.bits - 1, -1, -1, device=x.device)).sum(-1)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor) -> Mixed:
    """Softmax attention to the keys that are seen; zeros, with weight zero, for a query that sees none."""
    scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~seen, -torch.inf)
    top = scores.amax(-1, keepdim=True).clamp_min(torch.finfo(scores.dtype).min)
    weights = (scores - top).exp()
    total = weights.sum(-1, keepdim=True).clamp_min(1e-30)
    return weights @ v / total, total.log() + top


def merged(one: Mixed, other: Mixed) -> Mixed:
    """Two parts of the keys as one."""
    total = torch.logaddexp(one[1], other[1])
    there = total.clamp_min(torch.finfo(total.dtype).min)
    return one[0] * (one[1] - there).exp() + other[0] * (other[1] - there).exp(), total


def _in_blocks(x: torch.Tensor, blocks: int, size: int) -> torch.Tensor:
    return nn.functional.pad(x, (0, 0, 0, blocks * size - x.shape[-2])).unflatten(-2, (blocks, size))


def _taken(x: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return x.gather(-2, order[..., None].expand(*order.shape, x.shape[-1]))
