"""Local attention, as in Long Range Arena (2011.04006): softmax attention to the own block and the ones beside it.

Blocks of w places; a query in block b sees the keys of blocks b - 1, b and b + 1 (causal: those of them before it).
Linear in n: 3 w keys for each query.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape

_BLOCK = 64


class Local(nn.Module):
    """Softmax attention among neighbours."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape, block: int = _BLOCK) -> None:
        super().__init__()
        self.causal, self.block = shape.causal, block

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        n = q.shape[-2]
        w, padding = self.block, -n % self.block
        there = torch.ones(1, n, dtype=torch.bool, device=q.device) if mask is None else mask
        blocks = [nn.functional.pad(x, (0, 0, 0, padding)).unflatten(-2, (-1, w)) for x in (q, k, v)]
        keys, values = (_with_neighbours(x) for x in blocks[1:])
        seen = _with_neighbours(nn.functional.pad(there, (0, padding)).view(there.shape[0], 1, -1, w, 1))[..., 0]
        seen = seen[..., None, :]
        if self.causal:
            place = torch.arange(w, device=q.device)
            seen = seen & (torch.arange(-w, 2 * w, device=q.device)[None, :] <= place[:, None])
        # A query at the padding may see nothing at all: its own row is then even, and not looked at.
        seen = seen | ~seen.any(-1, keepdim=True)
        scores = (blocks[0] @ keys.transpose(-1, -2)) * q.shape[-1] ** -0.5
        mixed = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ values
        return mixed.flatten(-3, -2)[..., :n, :]


def _with_neighbours(blocks: torch.Tensor) -> torch.Tensor:
    """[..., blocks, w, d] -> [..., blocks, 3 w, d]: the block before, the block and the block after."""
    around = nn.functional.pad(blocks, (0, 0, 0, 0, 1, 1))
    return torch.cat([around[..., :-2, :, :], blocks, around[..., 2:, :, :]], dim=-2)
