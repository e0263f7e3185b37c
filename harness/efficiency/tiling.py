"""What a matrix product costs on a GPU that computes it in tiles: padded rows, and a last wave that is half empty.

A matmul kernel cuts its output into tiles, one for each multiprocessor at a time; the last, partly filled wave takes as
long as a full one, and rows are padded to the tile. NVIDIA, "Matrix Multiplication Background User's Guide", sections
"Tile Quantization" and "Wave Quantization". The library picks the tile, so the cheapest counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

TILES = ((256, 128, 1.0), (128, 128, 0.9), (128, 64, 0.75), (64, 64, 0.55))
"""Rows, columns, and speed relative to the largest: a smaller tile reuses less of what it loads (same guide).

Set once, before any fit, and the same for all stacks; not a constant that is calibrated. Without tensor cores
arithmetic is many times slower and loading is not, so every tile has the full speed.
"""


_SHALLOWEST = 128
"""Depth below which a part of a product is not worth its reduction."""


def tiled_flops(
    m: FloatArray,
    n: FloatArray,
    k: FloatArray,
    multiprocessors: FloatArray,
    tensor_cores: npt.NDArray[np.bool_] | bool = True,
) -> FloatArray:
    """FLOPs of m×k times k×n as full waves of full tiles, weighted by the speed of the tile; at least 2·m·n·k.

    All arrays [operations], broadcast together; `tensor_cores` says whether the product runs on them.
    """
    cheapest = np.full(np.broadcast(m, n, k, multiprocessors).shape, np.inf)
    for rows, columns, speed in TILES:
        tiles = np.ceil(m / rows) * np.ceil(n / columns)
        slots = np.ceil(tiles / multiprocessors) * multiprocessors
        cheapest = np.minimum(cheapest, 2.0 * slots * rows * columns * k / np.where(tensor_cores, speed, 1.0))
    # Too few of even the smallest tiles for one wave: the library cuts the depth, and several multiprocessors share a
    # tile ("split-k"); the loop ends on the smallest.
    sharing = np.floor(multiprocessors / np.maximum(tiles, 1.0))
    parts = np.clip(sharing, 1.0, np.maximum(1.0, np.floor(k / _SHALLOWEST)))
    flops: FloatArray = np.maximum(cheapest / parts, 2.0 * m * n * k)
    return flops


def divided_matmul(n: FloatArray, k: FloatArray, accelerators: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns and depth of one accelerator's share: the longer side is cut, as in Megatron-LM.

    Shoeybi et al. 2019 (arXiv 1909.08053, section 3): columns of the matrix into a block, rows of the one out of it.
    """
    wide = n >= k
    return np.where(wide, n / accelerators, n), np.where(wide, k, k / accelerators)
