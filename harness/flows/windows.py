"""Windows over rows in order: each row with those before it, and nothing (zeros) before the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.contract import FloatArray


def sliding(features: FloatArray, size: int) -> FloatArray:
    """A window for each row: [rows, width] -> [rows, size, width], the row itself last. A view, not to be written."""
    before = np.zeros((size - 1, features.shape[1]), dtype=features.dtype)
    return after(before, features, size)


def after(before: FloatArray, features: FloatArray, size: int) -> FloatArray:
    """Windows of the rows that follow the `size` − 1 rows `before`: [rows, size, width], a view."""
    joined = np.concatenate([before, features]) if size > 1 else features
    return np.lib.stride_tricks.sliding_window_view(joined, size, axis=0).transpose(0, 2, 1)
