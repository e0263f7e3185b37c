"""One backbone for all mechanisms: embedding, blocks of mixer and feed-forward part, pooling and a classifier.

Pre-norm residual blocks (Xiong et al. 2020, 2002.04745) with learnt places. Everything but what stands in the slots is
the same for each mechanism, initial weights included as far as shapes allow: that is the footing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from harness.sequence.feed_forward import FEED_FORWARDS
from harness.sequence.feed_forward.experts import Experts
from harness.sequence.mixers import MIXERS
from harness.sequence.norms import NORMS
from harness.sequence.slots import Mask, Shape

Pooling = Literal["mean", "cls", "last"]

VOCABULARY = 258
"""Padding, 256 values of a byte, and a symbol that stands in front and is read by `cls`."""
CLS = 257
_STD = 0.02


@dataclass(frozen=True)
class Architecture:
    """What the backbone is made of."""

    mixer: str
    norm: str
    feed_forward: str
    width: int
    depth: int
    heads: int
    hidden: int
    length: int
    classes: int
    pooling: Pooling = "mean"
    pair: bool = False
    """Whether there are two sequences, both read by the same encoder."""
    causal: bool = False
    share_layers: bool = False
    """Whether all layers have the same mixer and feed-forward part, with norms of their own (WideNet)."""
    dropout: float = 0.0
    norm_warmup: int = 100


class Backbone(nn.Module):
    """Sequences of symbols to scores of classes."""

    def __init__(self, made: Architecture) -> None:
        super().__init__()
        self.pooling, self.pair = made.pooling, made.pair
        longest = made.length + (made.pooling == "cls")
        self.symbols = nn.Embedding(VOCABULARY, made.width)
        self.places = nn.Parameter(torch.empty(longest, made.width))
        nn.init.normal_(self.symbols.weight, std=_STD)
        nn.init.normal_(self.places, std=_STD)
        own = 1 if made.share_layers else made.depth
        mixers = [MIXERS[made.mixer](_shape(made, longest, layer)) for layer in range(own)]
        feeding = [FEED_FORWARDS[made.feed_forward](made.width, made.hidden) for _ in range(own)]
        self.mixers, self.feeding = nn.ModuleList(mixers), nn.ModuleList(feeding)
        self.norms = nn.ModuleList(NORMS[made.norm](made.width, made.norm_warmup) for _ in range(2 * made.depth + 1))
        self.dropout = nn.Dropout(made.dropout)
        self.head: nn.Module = nn.Linear(made.width, made.classes)
        if made.pair:
            self.head = nn.Sequential(
                nn.Linear(4 * made.width, made.hidden), nn.ReLU(), nn.Linear(made.hidden, made.classes)
            )

    @property
    def takes_mask(self) -> bool:
        """Whether what stands at the padding is left out."""
        return bool(self.mixers[0].takes_mask)

    def forward(self, ids: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        """Scores [batch, classes] of ids [batch, n]; of a pair [batch, 2, n], with a mask of the same shape."""
        if not self.pair:
            scores: torch.Tensor = self.head(self.encode(ids, mask))
            return scores
        batch = ids.shape[0]
        encoded = self.encode(ids.flatten(0, 1), None if mask is None else mask.flatten(0, 1))
        one, other = encoded.view(batch, 2, -1).unbind(1)
        scores = self.head(torch.cat([one, other, one * other, one - other], dim=-1))
        return scores

    def encode(self, ids: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        """A vector for each sequence: [batch, width]."""
        if self.pooling == "cls":
            ids = nn.functional.pad(ids, (1, 0), value=CLS)
            mask = None if mask is None else nn.functional.pad(mask, (1, 0), value=True)
        return self.pooled(self.states(ids, mask), mask)

    def states(self, ids: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        """What the last block leaves at each place: [batch, n, width]."""
        x = self.dropout(self.symbols(ids) + self.places[: ids.shape[1]])
        for layer in range(len(self.norms) // 2):
            own = layer % len(self.mixers)
            x = x + self.dropout(self.mixers[own](self.norms[2 * layer](x, mask), mask))
            x = x + self.dropout(self.feeding[own](self.norms[2 * layer + 1](x, mask)))
        last: torch.Tensor = self.norms[-1](x, mask)
        return last

    def pooled(self, x: torch.Tensor, mask: Mask) -> torch.Tensor:
        if self.pooling == "cls":
            return x[:, 0]
        if mask is None:
            return x.mean(1) if self.pooling == "mean" else x[:, -1]
        there = mask.to(x.dtype)[..., None]
        if self.pooling == "mean":
            return (x * there).sum(1) / there.sum(1)
        last = mask.sum(1) - 1
        return x[torch.arange(x.shape[0], device=x.device), last]

    def imbalance(self) -> torch.Tensor | float:
        """How unevenly the last call in training used the experts, over all layers that have some."""
        found = [part.imbalance for part in self.feeding if isinstance(part, Experts) and part.imbalance is not None]
        return torch.stack(found).sum() if found else 0.0


def _shape(made: Architecture, longest: int, layer: int) -> Shape:
    return Shape(made.width, made.heads, longest, layer, made.depth, made.causal)
