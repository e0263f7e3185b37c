"""A diagonal state-space mixer, as S4D with real numbers (Gu et al. 2022, 2206.11893, equations 4 and 5).

For each channel, N states: h_t = a h_{t-1} + b u_t, y_t = c h_t + D u_t; a = exp(-dt · A), b = 1 - a, with A = 1 … N at
the start (S4D-Lin's real part is constant; S4D-Real's is this) and dt from .001 to .1 on a log scale. That is a
convolution with kernel K_t = sum_s c_s b_s a_s^t, by FFT: n log n. Not causal: one kernel each way. Then a gate:
out = W_o (gelu(y) * sigmoid(W_g x)).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape

_STATES = 16


class Diagonal(nn.Module):
    """Linear recurrences with decays of their own."""

    takes_mask = can_be_causal = True

    def __init__(self, shape: Shape, states: int = _STATES) -> None:
        super().__init__()
        self.ways = 1 if shape.causal else 2
        step = torch.rand(self.ways, shape.width, 1) * math.log(100) + math.log(1e-3)
        self.log_rate = nn.Parameter(step + torch.arange(1, states + 1).log())
        self.read = nn.Parameter(torch.randn(self.ways, shape.width, states) * states**-0.5)
        self.skip = nn.Parameter(torch.ones(shape.width))
        self.gate = nn.Linear(shape.width, shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def forward(self, x: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        u = x if mask is None else x * mask[..., None].to(x.dtype)
        y = self.convolved(u.transpose(1, 2)).transpose(1, 2) + self.skip * u
        out: torch.Tensor = self.out(nn.functional.gelu(y) * self.gate(x).sigmoid())
        return out

    def kernels(self, n: int) -> torch.Tensor:
        """What an impulse leaves behind it for n steps: [ways, width, n]."""
        rate = self.log_rate.exp()
        time = torch.arange(n, device=rate.device, dtype=rate.dtype)
        return (self.read * -torch.expm1(-rate)).unsqueeze(-2).matmul(torch.exp(-rate[..., None] * time)).squeeze(-2)

    def convolved(self, u: torch.Tensor) -> torch.Tensor:
        """u [batch, width, n] with the kernel behind each symbol, and with the other before it."""
        n = u.shape[-1]
        kernels = self.kernels(n)
        kernel = nn.functional.pad(kernels[0], (0, n))
        if self.ways == 2:  # the place of a symbol itself belongs to both
            kernel = kernel + nn.functional.pad(kernels[1], (0, n)).roll(-1, -1).flip(-1)
        spectrum = torch.fft.rfft(kernel) * torch.fft.rfft(u, n=2 * n)
        return torch.fft.irfft(spectrum, n=2 * n)[..., :n]
