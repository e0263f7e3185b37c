"""TransNormerLLM's gated linear attention, computed as lightning attention (Qin et al. 2023, 2307.14995, section 3).

O = SRMSNorm(Q K^T * D V) * U,  D_st = lambda^(s - t) for t <= s, else 0;  q, k = swish(.), U a gate without activation;
lambda = exp(-8 h / H · (1 - l / L)) for head h = 1 … H of layer l = 0 … L - 1; in layer 0 also a rotation by
exp(i theta (s - t)) (LRPE-d). SRMSNorm(x) = x / (|x| / sqrt d).
Lightning: blocks of B places; within one (Q K^T * D) V, before it a state: KV <- lambda^B KV + (lambda^(B - t) K)^T V.
Always causal. Linear in n; the state [d, d] is all that a further symbol needs: `step`.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.mixers.transnormer import simple_rms
from harness.sequence.slots import Mask, Shape, merge_heads, split_heads, zeroed

BLOCK = 64


class Lightning(nn.Module):
    """Causal linear attention that decays, with a gate."""

    rate: torch.Tensor
    angles: torch.Tensor
    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape, block: int = BLOCK) -> None:
        super().__init__()
        self.heads, self.block, self.rotates = shape.heads, block, shape.layer == 0
        self.project = nn.Linear(shape.width, 4 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        head = torch.arange(1, shape.heads + 1)
        self.register_buffer("rate", 8 * head / shape.heads * (1 - shape.layer / shape.layers))
        angles = 10000.0 ** (-torch.arange(0, shape.head, 2) / shape.head)
        self.register_buffer("angles", angles, persistent=False)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        q, k, v, gate = self._parts(x, torch.arange(x.shape[1], device=x.device))
        mixed = self.by_blocks(q, zeroed(k, mask), v)
        out: torch.Tensor = self.out(merge_heads(simple_rms(mixed)) * gate)
        return out

    def step(self, x: torch.Tensor, state: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One further symbol x [batch, 1, width], and the state [batch, heads, d, d] of those before it."""
        q, k, v, gate = self._parts(x, torch.tensor([place]))
        state = torch.exp(-self.rate)[:, None, None] * state + k.transpose(-1, -2) @ v
        out: torch.Tensor = self.out(merge_heads(simple_rms(q @ state)) * gate)
        return out, state

    def by_blocks(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """(Q K^T * D) V, [batch, heads, n, d]."""
        n, size = q.shape[-2], self.block
        q, k, v = (nn.functional.pad(x, (0, 0, 0, -n % size)).unflatten(-2, (-1, size)) for x in (q, k, v))
        place = torch.arange(size, device=q.device, dtype=q.dtype)
        rate = self.rate.to(q.dtype)[:, None]
        distance = (place[:, None] - place[None, :]).clamp_min(0)
        decay = torch.exp(-rate[..., None] * distance).tril()
        within = ((q @ k.transpose(-1, -2)) * decay[:, None]) @ v
        from_start = torch.exp(-rate * (place + 1))[:, None, :, None]
        to_end = torch.exp(-rate * (size - 1 - place))[:, None, :, None]
        added = (k * to_end).transpose(-1, -2) @ v
        state, before = torch.zeros_like(added[:, :, 0]), []
        whole = torch.exp(-rate * size)[..., None]
        for block in added.unbind(2):
            before.append(state)
            state = whole * state + block
        return (within + (q * from_start) @ torch.stack(before, dim=2)).flatten(-3, -2)[..., :n, :]

    def _parts(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, ...]:
        q, k, v, gate = self.project(x).chunk(4, dim=-1)
        q, k, v = (split_heads(part, self.heads) for part in (nn.functional.silu(q), nn.functional.silu(k), v))
        if self.rotates:
            turn = places[:, None] * self.angles
            q, k = _rotated(q, turn), _rotated(k, turn)
        return q, k, v, gate


def _rotated(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Pairs of x [..., n, d] turned by angles [n, d / 2]."""
    even, odd = x[..., ::2], x[..., 1::2]
    sin, cos = turn.sin(), turn.cos()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
