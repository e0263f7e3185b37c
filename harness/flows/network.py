"""FlowTransformer's pipeline as one module: encoding, transformer, head, and a small perceptron that classifies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.flows import heads, transformers
from harness.flows.encodings import Encoder
from harness.flows.parts import Head, Shape


class Network(nn.Module):
    """Windows of features [batch, window, numbers + categories] -> a logit for each label [batch, labels]."""

    def __init__(
        self,
        encoder: Encoder,
        shape: Shape,
        head: Head,
        *,
        window: int,
        positions: bool,
        hidden: Sequence[int],
        dropout: float,
        labels: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.positions = nn.Parameter(torch.zeros(window, encoder.width)) if positions else None
        self.head = heads.make(head, encoder.width, window)
        self.transformer = transformers.make(shape, self.head.token_width, length=window + 1)  # a CLS token may follow
        layers: list[nn.Module] = []
        size = self.head.size
        for width in hidden:
            layers += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
            size = width
        self.classify = nn.Sequential(*layers, nn.Linear(size, labels))

    def forward(self, windows: Tensor) -> Tensor:
        tokens = self.encoder(windows)
        if self.positions is not None:
            tokens = tokens + self.positions
        logits: Tensor = self.classify(self.head(self.transformer(self.head.before(tokens))))
        return logits
