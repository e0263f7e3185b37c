"""Transformers over the tokens of a window, in the sizes of FlowTransformer (Manocchio et al. 2024, 2304.14746).

Blocks are those of Vaswani et al. 2017: normalised after each of attention and feed-forward, with residuals around
both. The width of the tokens is that of the encoding, whatever it is; attention and feed-forward have a width of
their own inside. In place of attention any mixer of the sequence models can stand, in that width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from harness.flows.parts import ATTENTION, Shape


class Block(nn.Module):
    """What mixes tokens, then a feed-forward map: [batch, tokens, width] -> the same."""

    def __init__(self, width: int, shape: Shape, mixing: nn.Module) -> None:
        super().__init__()
        self.mixing = mixing
        self.feed_forward = nn.Sequential(nn.Linear(width, shape.inner), nn.ReLU(), nn.Linear(shape.inner, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.mixing(x)))
        normalised: Tensor = self.norms[1](x + self.dropout(self.feed_forward(x)))
        return normalised


class Attention(nn.Module):
    """Softmax attention straight from the tokens' width to that of the heads and back."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.heads, self.causal = shape.heads, shape.causal
        self.attend = nn.Linear(width, 3 * shape.inner)
        self.merge = nn.Linear(shape.inner, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        parts = self.attend(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=self.causal and tokens > 1)
        merged: Tensor = self.merge(mixed.transpose(1, 2).reshape(batch, tokens, -1))
        return merged


def make(shape: Shape, width: int, length: int) -> nn.Module:
    """The stack of blocks over at most `length` tokens of that width."""
    return nn.Sequential(*(Block(width, shape, _mixing(shape, width, length, layer)) for layer in range(shape.layers)))


def _mixing(shape: Shape, width: int, length: int, layer: int) -> nn.Module:
    if shape.mixer == ATTENTION:
        return Attention(width, shape)
    from harness.sequence.mixers import MIXERS
    from harness.sequence.slots import Shape as MixerShape

    inside = MixerShape(shape.inner, shape.heads, length, layer, shape.layers, shape.causal)
    return nn.Sequential(nn.Linear(width, shape.inner), MIXERS[shape.mixer](inside), nn.Linear(shape.inner, width))
