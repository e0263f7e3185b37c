"""Names and sizes of what a network is made of, after FlowTransformer (Manocchio et al. 2024, 2304.14746). No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transformer = Literal["none", "basic_encoder", "basic_decoder", "gpt_small", "bert_small"]
Encoding = Literal[
    "none", "record_dense", "record_projection", "category_dense", "category_lookup", "category_projection"
]
Head = Literal["last_token", "flatten", "average_pooling", "cls_token", "feature_dense", "feature_projection"]

ATTENTION = "softmax"


@dataclass(frozen=True)
class Shape:
    """How large a stack of blocks is."""

    layers: int
    inner: int
    """Width inside attention (all heads together) and feed-forward."""
    heads: int
    dropout: float
    causal: bool
    """True if a token sees only those before it."""
    mixer: str = ATTENTION
    """What tokens see each other by: a name of `harness.sequence.mixers`."""


SHAPES: dict[Transformer, Shape] = {
    "none": Shape(0, 0, 0, 0.0, causal=False),
    "basic_encoder": Shape(2, 128, 2, 0.1, causal=False),
    "basic_decoder": Shape(2, 128, 2, 0.1, causal=True),
    "gpt_small": Shape(12, 768, 12, 0.02, causal=True),
    "bert_small": Shape(12, 768, 12, 0.02, causal=False),
}
