"""Random numbers that are the same on every machine, for data that is made from a seed."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = "npt.NDArray[np.int64]"


class Draws:
    """A stream of draws from a seed.

    Built on the raw output of PCG64, which NumPy promises never to change; of the distributions of its `Generator` it
    does not. A draw of `below(n)` is off the uniform law by at most n / 2^32.
    """

    def __init__(self, *seed: int) -> None:
        self._source = np.random.PCG64(list(seed))

    def below(self, limit: int | Ints, size: int) -> Ints:
        """`size` whole numbers from 0 to `limit` - 1, where `limit` may differ for each: [size]."""
        high = self._source.random_raw(size) >> np.uint64(32)
        return (high * np.asarray(limit, dtype=np.uint64) >> np.uint64(32)).astype(np.int64)

    def chance(self, probability: float, size: int) -> npt.NDArray[np.bool_]:
        """True with the probability, `size` times: [size]."""
        return self.uniform(size) < probability

    def uniform(self, size: int) -> npt.NDArray[np.float64]:
        """Numbers in [0, 1) with 53 random bits: [size]."""
        return (self._source.random_raw(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def one(self, limit: int) -> int:
        """One whole number from 0 to `limit` - 1."""
        return (int(self._source.random_raw()) >> 32) * limit >> 32

    def order(self, count: int) -> Ints:
        """A random order of 0 to `count` - 1."""
        return np.argsort(self.uniform(count), kind="stable")
