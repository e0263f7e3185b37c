"""A small transformer that follows threads hop by hop: two layers that attend, and each token knows the one before."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class HopNetwork(nn.Module):
    """Next-token logits [n, vocabulary] at n chosen places of token ids [rows, tokens].

    Causal attention with rotary positions. A linear map of the previous token's embedding is added to the input, so
    that a value knows its key in the first layer already.
    """

    def __init__(self, vocabulary: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.5)
        self.previous = nn.Linear(width, width, bias=False)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """`places` is a mask [rows, tokens]: most tokens tell of the object, and nothing is asked after them."""
        embedded = self.embedding(ids)
        states = embedded + self.previous(functional.pad(embedded, (0, 0, 1, 0))[:, :-1])
        rotation = _rotation(ids.shape[1], self.blocks[0].head_width, ids.device)  # type: ignore[arg-type]
        for block in self.blocks:
            states = block(states, rotation)
        logits: torch.Tensor = self.output(self.norm(states[places]))
        return logits


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width, bias=False)
        self.merged = nn.Linear(width, width, bias=False)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, states: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        rows, tokens, width = states.shape
        parts = self.mixed(self.attention_norm(states)).view(rows, tokens, 3, self.heads, self.head_width)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        queries, keys = _rotated(queries, rotation), _rotated(keys, rotation)
        found = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        states = states + self.merged(found.transpose(1, 2).reshape(rows, tokens, width))
        further: torch.Tensor = states + self.feed(self.feed_norm(states))
        return further


def _rotation(tokens: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    frequencies = 10_000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angles = torch.arange(tokens, device=device)[:, None] * frequencies
    return angles.cos(), angles.sin()


def _rotated(states: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary position embedding (Su et al. 2021)."""
    cosine, sine = rotation
    even, odd = states[..., ::2], states[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)
