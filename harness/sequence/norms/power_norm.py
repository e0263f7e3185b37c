"""PowerNorm (Shen et al. 2020, 2003.07845, algorithm 2; the published `mask_powernorm.py`).

Each place is scaled by the root mean square of its features first (GroupScaling1D, one group). Then, per feature:
z = x / sqrt(psi + e), y = g z + b, with psi the running mean square: psi <- a psi + (1 - a) mean(x^2), a = .9.
The gradient takes psi as given, and a running nu for what the batch's statistics would add:
dx = (dz - (1 - a) nu z) / sqrt(psi + e);  nu <- nu + mean((dz - (1 - a) nu z) z).
In the first `warmup` steps psi is the batch's mean square, with its exact gradient. Padding does not count.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from harness.sequence.norms.batch_statistics import put_back, symbols_of
from harness.sequence.slots import Mask

_DECAY = 0.9
_EPSILON = 1e-5


class PowerNorm(nn.Module):
    """Each feature over the batches so far."""

    steps: torch.Tensor
    mean_square: torch.Tensor
    nu: torch.Tensor

    def __init__(self, width: int, warmup: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.warmup = warmup
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean_square", torch.ones(width))
        self.register_buffer("nu", torch.zeros(width))

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        rows = symbols_of(x * torch.rsqrt(x.square().mean(-1, keepdim=True) + _EPSILON), mask)
        return put_back(self.gain * self._scaled(rows) + self.bias, x, mask)

    def _scaled(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return rows * torch.rsqrt(self.mean_square + _EPSILON)
        square = rows.square().mean(0)
        self.steps += 1
        step = int(self.steps)
        if step <= self.warmup:
            self.mean_square += (square.detach() - self.mean_square) / step
            return rows * torch.rsqrt(square + _EPSILON)
        scaled: torch.Tensor = _ByRunning.apply(rows, self.mean_square.clone(), self.nu)
        self.mean_square.mul_(_DECAY).add_(square.detach(), alpha=1 - _DECAY)
        return scaled


class _ByRunning(torch.autograd.Function):
    """x / sqrt(psi), whose backward pass is that of algorithm 2."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, mean_square: torch.Tensor, nu: torch.Tensor) -> torch.Tensor:
        scale = torch.rsqrt(mean_square + _EPSILON)
        z = x * scale
        ctx.save_for_backward(z, scale)
        ctx.nu = nu
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        z, scale = ctx.saved_tensors
        left = gradients[0] - (1 - _DECAY) * ctx.nu * z
        ctx.nu += (left * z).mean(0)
        return left * scale, None, None
