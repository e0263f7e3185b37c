"""Unified Normalization (Yang et al. 2022, 2208.01313; the published `unified_normalization.py`).

Per feature, without centring: y = g r x / sqrt(var) + b. var is the geometric mean of the last M = 4 batches' mean
squares; r = sqrt(var / running) in [1/5, 5], with running <- .9 running + .1 var, which stands for var at inference.
The gradient takes var as given and averages what the batch's statistics would add over the last M steps:
dx = (r dy g - z mean_M(mean(r dy g z))) / sqrt(var), z = x / sqrt(var).
In the first `warmup` steps var is the batch's mean square and r is 1. The filter of outliers is off, as for language.
At inference it is a product and a sum per feature, so it folds into the linear layer that follows: `folded`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from harness.sequence.norms.batch_statistics import put_back, symbols_of
from harness.sequence.slots import Mask

_WINDOW = 4
_DECAY = 0.9
_WIDEST = 5.0
_EPSILON = 1e-5


class UnifiedNorm(nn.Module):
    """Each feature over the last few batches; free at inference."""

    steps: torch.Tensor
    running: torch.Tensor
    squares: torch.Tensor
    corrections: torch.Tensor

    def __init__(self, width: int, warmup: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.warmup = warmup
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("running", torch.ones(width))
        self.register_buffer("squares", torch.ones(_WINDOW, width))
        self.register_buffer("corrections", torch.zeros(_WINDOW, width))

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        if not self.training:
            return x * (self.gain * torch.rsqrt(self.running + _EPSILON)) + self.bias
        rows = symbols_of(x, mask)
        return put_back(self.gain * self._scaled(rows) + self.bias, x, mask)

    def _scaled(self, rows: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        step = int(self.steps)
        square = rows.square().mean(0)
        place = step % _WINDOW
        self.squares[place] = square.detach()
        if step <= max(self.warmup, _WINDOW):
            self.running.lerp_(square.detach(), max(1 - _DECAY, 1 / step))
            return rows * torch.rsqrt(square + _EPSILON)
        variance = self.squares.clamp_min(1e-12).log().mean(0).exp()
        share = (variance / self.running).sqrt().clamp(1 / _WIDEST, _WIDEST)
        self.running.lerp_(variance, 1 - _DECAY)
        scaled: torch.Tensor = _ByWindow.apply(rows, variance, share, self.corrections, place)
        return scaled


class _ByWindow(torch.autograd.Function):
    """r x / sqrt(var), whose backward pass averages over a window of steps."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, variance: torch.Tensor, share: torch.Tensor, corrections: torch.Tensor, place: int
    ) -> torch.Tensor:
        scale = torch.rsqrt(variance + _EPSILON)
        z = x * scale
        ctx.save_for_backward(z, scale, share)
        ctx.corrections, ctx.place = corrections, place
        return share * z

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        z, scale, share = ctx.saved_tensors
        gradient = gradients[0] * share
        ctx.corrections[ctx.place] = (gradient * z).mean(0)
        return (gradient - z * ctx.corrections.mean(0)) * scale, None, None, None, None


def folded(norm: UnifiedNorm, linear: nn.Linear) -> nn.Linear:
    """A linear layer that does at inference what the norm and it do: W diag(g / sqrt var), W b_n + b."""
    scale = norm.gain * torch.rsqrt(norm.running + _EPSILON)
    fold = nn.Linear(linear.in_features, linear.out_features, dtype=linear.weight.dtype)
    with torch.no_grad():
        fold.weight.copy_(linear.weight * scale)
        fold.bias.copy_(linear.weight @ norm.bias + (0 if linear.bias is None else linear.bias))
    return fold
