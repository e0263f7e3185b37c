"""TokenFormer's attention to parameters (Wang et al. 2024, 2410.23168, equations 4 and 5; its published code).

out = Theta(X K_P^T) V_P, with n key and value parameters in place of a weight matrix;
Theta(A) = gelu(A / |A|_2 · sqrt n) along the parameters. Keys of zero add nothing, as gelu(0) = 0, and the norm does
not see them; sqrt n stays that of the start when a model grows, so `grown` gives the same output to the bit or nearly.
"""

from __future__ import annotations

import torch
from torch import nn


class Pattention(nn.Module):
    """A feed-forward part whose weights are tokens."""

    scale: torch.Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(hidden, width) * width**-0.5)
        self.values = nn.Parameter(torch.randn(hidden, width) * hidden**-0.5)
        self.register_buffer("scale", torch.tensor(float(hidden)).sqrt())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = x @ self.keys.T
        scores = scores * torch.rsqrt(scores.square().sum(-1, keepdim=True) + 1e-12) * self.scale
        return nn.functional.gelu(scores) @ self.values

    def grown(self, more: int) -> Pattention:
        """The same function with so many more parameters, whose keys are zero."""
        larger = Pattention(self.keys.shape[1], self.keys.shape[0] + more).to(self.keys.dtype)
        with torch.no_grad():
            larger.keys.zero_()
            larger.keys[: self.keys.shape[0]] = self.keys
            larger.values[: self.values.shape[0]] = self.values
            larger.scale.copy_(self.scale)
        return larger
