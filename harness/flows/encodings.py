"""Input encodings: from the features of a flow to its token. Names and defaults as in FlowTransformer (2304.14746)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.flows.parts import Encoding

RECORD_WIDTH, CATEGORY_WIDTH = 64, 16


class Encoder(nn.Module):
    """[…, numbers + categories], categories as codes -> […, width]."""

    width: int

    def __init__(self, numbers: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.numbers = numbers
        self.sizes = tuple(sizes)

    def split(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The numbers, and the codes of each category."""
        return features[..., : self.numbers], list(features[..., self.numbers :].long().unbind(-1))

    def one_hot(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The numbers, and a feature for each level of each category."""
        numbers, codes = self.split(features)
        levels = [torch.arange(size, device=features.device) for size in self.sizes]
        return numbers, [(code[..., None] == level).float() for code, level in zip(codes, levels, strict=True)]


class NoEncoding(Encoder):
    """The numbers and the levels as they are."""

    def __init__(self, numbers: int, sizes: Sequence[int]) -> None:
        super().__init__(numbers, sizes)
        self.width = numbers + sum(sizes)

    def forward(self, features: Tensor) -> Tensor:
        numbers, levels = self.one_hot(features)
        return torch.cat([numbers, *levels], dim=-1)


class RecordEmbedding(Encoder):
    """One linear map of the whole record; a projection has no bias."""

    def __init__(self, numbers: int, sizes: Sequence[int], width: int, *, bias: bool) -> None:
        super().__init__(numbers, sizes)
        self.width = width
        self.embed = nn.Linear(numbers + sum(sizes), width, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        numbers, levels = self.one_hot(features)
        embedded: Tensor = self.embed(torch.cat([numbers, *levels], dim=-1))
        return embedded


class CategoryEmbedding(Encoder):
    """A linear map of each category's levels beside the numbers as they are; a projection has no bias."""

    def __init__(self, numbers: int, sizes: Sequence[int], width: int, *, bias: bool) -> None:
        super().__init__(numbers, sizes)
        self.width = numbers + width * len(sizes)
        self.embed = nn.ModuleList(nn.Linear(size, width, bias=bias) for size in sizes)

    def forward(self, features: Tensor) -> Tensor:
        numbers, levels = self.one_hot(features)
        embedded = [embed(level) for embed, level in zip(self.embed, levels, strict=True)]
        return torch.cat([numbers, *embedded], dim=-1)


class CategoryLookup(Encoder):
    """A vector for each level of each category, looked up: what a projection computes, drawn and read otherwise."""

    def __init__(self, numbers: int, sizes: Sequence[int], width: int) -> None:
        super().__init__(numbers, sizes)
        self.width = numbers + width * len(sizes)
        self.embed = nn.ModuleList(nn.Embedding(size, width) for size in sizes)

    def forward(self, features: Tensor) -> Tensor:
        numbers, codes = self.split(features)
        return torch.cat([numbers, *(embed(code) for embed, code in zip(self.embed, codes, strict=True))], dim=-1)


def make(encoding: Encoding, numbers: int, sizes: Sequence[int], width: int | None) -> Encoder:
    """The encoder of that name; `width` of a record or of each category."""
    match encoding:
        case "none":
            return NoEncoding(numbers, sizes)
        case "record_dense" | "record_projection":
            return RecordEmbedding(numbers, sizes, width or RECORD_WIDTH, bias=encoding == "record_dense")
        case "category_lookup":
            return CategoryLookup(numbers, sizes, width or CATEGORY_WIDTH)
        case "category_dense" | "category_projection":
            return CategoryEmbedding(numbers, sizes, width or CATEGORY_WIDTH, bias=encoding == "category_dense")
