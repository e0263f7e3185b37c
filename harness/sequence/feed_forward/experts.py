"""WideNet's mixture of experts (Xue et al. 2022, 2107.11817, section 2.1): y = sum_i g_i(x) e_i(x), top 2 of 4.

g = the two greatest of softmax(W x), as they are. WideNet uses the same experts, router and attention in
each layer, with norms of their own: set `share_layers`. Loss for balance: E · sum_i f_i P_i, f_i the share of tokens
whose first choice is expert i, P_i the mean of its softmax. No expert has a limit, so no token is dropped, and there
is no noise. Each expert computes all tokens here, and the weights of those not chosen are zero: that is E / 2 times
the work that routing needs, and is what the counts say.
"""

from __future__ import annotations

import torch
from torch import nn

_EXPERTS, _CHOSEN = 4, 2


class Experts(nn.Module):
    """Several feed-forward parts, of which each place takes two."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, _EXPERTS, bias=False)
        self.inner = nn.Parameter(torch.randn(_EXPERTS, width, hidden) * width**-0.5)
        self.outer = nn.Parameter(torch.randn(_EXPERTS, hidden, width) * hidden**-0.5)
        self.imbalance: torch.Tensor | None = None
        """Of the last call in training: 1 if all experts are taken alike."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -2)
        shares = self.router(rows).softmax(-1)
        greatest, chosen = shares.topk(_CHOSEN, dim=-1)
        gates = torch.zeros_like(shares).scatter(-1, chosen, greatest)
        if self.training:
            first = nn.functional.one_hot(chosen[:, 0], _EXPERTS).to(shares.dtype).mean(0)
            self.imbalance = _EXPERTS * (first * shares.mean(0)).sum()
        each = torch.bmm(nn.functional.gelu(torch.matmul(rows, self.inner)), self.outer)
        return (gates.T[..., None] * each).sum(0).view_as(x)
