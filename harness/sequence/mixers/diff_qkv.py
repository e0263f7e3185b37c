"""DiffQKV attention (Sigma, Lin et al. 2025, 2501.13629, section 2.1): fewer key heads than value heads.

Softmax attention with n_q query heads, n_k key heads and n_v value heads, n_k < n_v <= n_q; query head i uses key head
floor(i n_k / n_q) and value head floor(i n_v / n_q). A token's keys and values take n_k d + n_v d numbers (equation 2).
Here n_k = n_q / 8 and n_v = n_q / 2, Sigma-1.5B's shares, at least 1 each. The paper's wider query and its selective
loading of values are left out. Quadratic in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape, allowed, merge_heads, split_heads


def kv_elements(key_heads: int, value_heads: int, head: int) -> int:
    """Numbers that are kept of each token in each layer (equation 2)."""
    return (key_heads + value_heads) * head


class DiffQKV(nn.Module):
    """Softmax attention whose heads share keys more than values."""

    key_of: torch.Tensor
    value_of: torch.Tensor
    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.causal = shape.heads, shape.causal
        self.key_heads, self.value_heads = max(1, shape.heads // 8), max(1, shape.heads // 2)
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, self.key_heads * shape.head)
        self.value = nn.Linear(shape.width, self.value_heads * shape.head)
        self.out = nn.Linear(shape.width, shape.width)
        query_heads = torch.arange(shape.heads)
        self.register_buffer("key_of", query_heads * self.key_heads // shape.heads, persistent=False)
        self.register_buffer("value_of", query_heads * self.value_heads // shape.heads, persistent=False)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        q = split_heads(self.query(x), self.heads)
        k = split_heads(self.key(x), self.key_heads)[:, self.key_of]
        v = split_heads(self.value(x), self.value_heads)[:, self.value_of]
        seen = None if mask is None else allowed(x.shape[1], mask, self.causal, x.device)
        mixed = nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, is_causal=self.causal and seen is None
        )
        out: torch.Tensor = self.out(merge_heads(mixed))
        return out
