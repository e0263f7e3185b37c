"""What goes into the slots of the backbone, what each is given, and how heads are split and joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

Mask: TypeAlias = torch.Tensor | None
"""[batch, n], True where there is a symbol; None if there is one everywhere."""


@dataclass(frozen=True)
class Shape:
    """What a mixer is built for.

    A mixer is a module whose forward takes x [batch, n, width] and a mask, and gives [batch, n, width]. It says whether
    it `takes_mask` (else what stands at the padding changes the output elsewhere) and whether it `can_be_causal`; if
    its shape says `causal`, no place sees a later one.
    """

    width: int
    heads: int
    length: int
    """Longest sequence."""
    layer: int = 0
    layers: int = 1
    causal: bool = False

    @property
    def head(self) -> int:
        """Width of a head."""
        return self.width // self.heads


class MultiHead(nn.Module):
    """Queries, keys and values of several heads, what attends among them, and the projection of what comes out.

    `attention` takes q, k, v [batch, heads, n, d] and a mask, and gives [batch, heads, n, d].
    """

    def __init__(self, attention: nn.Module, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention = attention
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.takes_mask = attention.takes_mask
        self.can_be_causal = attention.can_be_causal

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.query_key_value(x).chunk(3, dim=-1))
        joined: torch.Tensor = self.out(merge_heads(self.attention(q, k, v, mask)))
        return joined


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[batch, n, heads · d] -> [batch, heads, n, d]."""
    batch, n, width = x.shape
    return x.view(batch, n, heads, width // heads).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """[batch, heads, n, d] -> [batch, n, heads · d]."""
    batch, heads, n, d = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d)


def of_heads(mask: Mask) -> Mask:
    """A mask [batch, n] as [batch, 1, n, 1], for what has heads."""
    return None if mask is None else mask[:, None, :, None]


def zeroed(x: torch.Tensor, mask: Mask) -> torch.Tensor:
    """x [batch, heads, n, d] with zeros where there is no symbol."""
    return x if mask is None else x * mask[:, None, :, None].to(x.dtype)


def allowed(n: int, mask: Mask, causal: bool, device: torch.device) -> Mask:
    """Which key each query may see, [batch or 1, 1, n, n] or with a single row; None if all may see all."""
    keys = None if mask is None else mask[:, None, None, :]
    if not causal:
        return keys
    earlier = torch.ones(n, n, dtype=torch.bool, device=device).tril()[None, None]
    return earlier if keys is None else earlier & keys


def summed(phi_q: torch.Tensor, phi_k: torch.Tensor, v: torch.Tensor, causal: bool, chunk: int = 64) -> torch.Tensor:
    """sum_j <phi_q_i, phi_k_j> v_j over all j, or over j <= i: linear in n. [batch, heads, n, d of v].

    Causal sums go by chunks: products within one, and a state [features, d of v] of all before it.
    """
    if not causal:
        return phi_q @ (phi_k.transpose(-1, -2) @ v)
    n = v.shape[-2]
    padding = -n % chunk
    q, k, v = (nn.functional.pad(x, (0, 0, 0, padding)).unflatten(-2, (-1, chunk)) for x in (phi_q, phi_k, v))
    states = k.transpose(-1, -2) @ v
    before = states.cumsum(-3) - states
    within = (q @ k.transpose(-1, -2)).tril() @ v
    return (q @ before + within).flatten(-3, -2)[..., :n, :]
