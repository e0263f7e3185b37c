"""Classification heads: from the tokens of a window to one vector. Names as in FlowTransformer (2304.14746)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.flows.parts import Head


class Pooling(nn.Module):
    """[batch, tokens, width] -> [batch, size]. `before` may add a token ahead of the transformer."""

    size: int
    token_width: int
    """Of the tokens that the transformer sees."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.token_width, self.size = width, size

    def before(self, tokens: Tensor) -> Tensor:
        return tokens


class LastToken(Pooling):
    """The token of the flow that is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, -1]


class Flatten(Pooling):
    """All tokens, one after the other."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__(width, width * window)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.flatten(1)


class AveragePooling(Pooling):
    """The mean of all tokens: no longer says which of the flows is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)


class ClsToken(Pooling):
    """A further token after the window, told apart by a feature that only it has, is read in the end."""

    def __init__(self, width: int) -> None:
        super().__init__(width + 1, width + 1)

    def before(self, tokens: Tensor) -> Tensor:
        batch, count, _ = tokens.shape
        marks = torch.zeros(batch, count, 1, dtype=tokens.dtype, device=tokens.device)
        cls = torch.zeros(batch, 1, self.token_width, dtype=tokens.dtype, device=tokens.device)
        cls[..., -1] = 1.0
        return torch.cat([torch.cat([tokens, marks], dim=-1), cls], dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, -1]


class FeatureEmbedding(Pooling):
    """Each token becomes one number by the same linear map; a projection has no bias."""

    def __init__(self, width: int, window: int, *, bias: bool) -> None:
        super().__init__(width, window)
        self.embed = nn.Linear(width, 1, bias=bias)

    def forward(self, tokens: Tensor) -> Tensor:
        numbers: Tensor = self.embed(tokens).flatten(1)
        return numbers


def make(head: Head, width: int, window: int) -> Pooling:
    """The head of that name, over `window` tokens."""
    match head:
        case "last_token":
            return LastToken(width)
        case "flatten":
            return Flatten(width, window)
        case "average_pooling":
            return AveragePooling(width)
        case "cls_token":
            return ClsToken(width)
        case "feature_dense" | "feature_projection":
            return FeatureEmbedding(width, window, bias=head == "feature_dense")
