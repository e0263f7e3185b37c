"""Seconds that bytes take at least, where a cache may hold them from one use to the next.

A GPU is charged for every byte at the rate of its memory. A CPU core cannot be: its last-level cache holds the weights
of a small model, or the accumulators of a search, over a whole run. The best that a cache of C bytes can do for W bytes
that are used in turn is to keep C of them (Belady 1966), so 1 - C/W of them come from memory. Weights count together,
because a phase that is repeated uses all of them; what passes between operations counts call by call.
"""

from __future__ import annotations

import numpy as np

from harness.efficiency.counts import Counts, Mask
from harness.efficiency.hardware import Hardware
from harness.efficiency.tiling import FloatArray


def least_traffic_seconds(counts: Counts, takes_time: Mask, hardware: Hardware) -> FloatArray:
    """Of one call of each operation, on one accelerator's share of it [operations]; `takes_time` [operations].

    The longer of the time that all bytes take from the cache, reads beside writes, and the rest from memory.
    Raises `MissingNumber` if a bandwidth is unknown.
    """
    read, written, weights = counts.read, counts.written, counts.weights
    bandwidth = hardware.number("bandwidth_bytes_per_second") * counts.shares
    if hardware.cache_bytes is None:
        everything: FloatArray = (read + written) / bandwidth
        return everything
    cache = hardware.cache_bytes * counts.shares
    others = read - weights + written
    together = counts.by_phase(np.where(takes_time, counts.count * weights, 0.0))[counts.owner]
    missed = weights * _missed(together, cache) + others * _missed(others, cache)
    from_cache = hardware.number("cache_bandwidth_bytes_per_second") * counts.shares
    longer: FloatArray = np.maximum(np.maximum(read, written) / from_cache, missed / bandwidth)
    return longer


def _missed(used: FloatArray, cache_bytes: FloatArray) -> FloatArray:
    """The part of the bytes that a cache cannot have kept."""
    missed: FloatArray = np.maximum(0.0, 1.0 - cache_bytes / np.maximum(used, 1.0))
    return missed
