"""What norms over a batch share: symbols without the padding, and their places put back."""

from __future__ import annotations

import torch

from harness.sequence.slots import Mask


def symbols_of(x: torch.Tensor, mask: Mask) -> torch.Tensor:
    """x [batch, n, width] as rows of symbols [symbols, width], which alone count in a batch's statistics."""
    return x.reshape(-1, x.shape[-1]) if mask is None else x[mask]


def put_back(rows: torch.Tensor, x: torch.Tensor, mask: Mask) -> torch.Tensor:
    """Rows of symbols at their places in a tensor like x, zeros elsewhere."""
    if mask is None:
        return rows.view_as(x)
    return torch.zeros_like(x).masked_scatter(mask[..., None], rows)
