"""What phases do, as arrays: pricing them on other hardware is then a few array operations, without their objects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.products import Products
from harness.efficiency.tiling import FloatArray

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Placed:
    """A phase on n accelerators, which split every layer between them (tensor parallel)."""

    phase: Phase
    accelerators: int = 1
    allreduce_bytes: float = 0.0
    """Of one all-reduce: batch · tokens · hidden size · element size."""


@dataclass(frozen=True)
class Counts:
    """Operations of several phases, one after the other.

    Arrays [operations]: count (calls); flops, read, written and weights (bytes) of one call; kind and dtype (index into
    `kinds` and `dtypes`); owner (index of the phase); shares (accelerators that divide it). Arrays [phases]: layers,
    accelerators, allreduce_bytes. Nothing here depends on the hardware.
    """

    count: FloatArray
    flops: FloatArray
    read: FloatArray
    written: FloatArray
    weights: FloatArray
    kinds: tuple[str, ...]
    kind: npt.NDArray[np.intp]
    dtypes: tuple[str, ...]
    dtype: npt.NDArray[np.intp]
    owner: npt.NDArray[np.intp]
    shares: FloatArray
    products: Products
    layers: FloatArray
    accelerators: FloatArray
    allreduce_bytes: FloatArray

    @classmethod
    def of(cls, placed: Sequence[Placed]) -> Counts:
        operations = [o for p in placed for o in p.phase.operations]
        owner = np.repeat(np.arange(len(placed)), [len(p.phase.operations) for p in placed])
        accelerators = np.array([p.accelerators for p in placed], float)
        kinds, kind = _numbered([o.kind for o in operations])
        dtypes, dtype = _numbered([o.dtype for o in operations])
        return cls(
            count=_field(operations, "count"),
            flops=_field(operations, "flops"),
            read=_field(operations, "bytes_read"),
            written=_field(operations, "bytes_written"),
            weights=_field(operations, "weight_bytes"),
            kinds=kinds,
            kind=kind,
            dtypes=dtypes,
            dtype=dtype,
            owner=owner,
            shares=accelerators[owner],
            products=Products.of(operations, accelerators[owner]),
            layers=np.array([p.phase.layers for p in placed], float),
            accelerators=accelerators,
            allreduce_bytes=np.array([p.allreduce_bytes for p in placed], float),
        )

    def __len__(self) -> int:
        return len(self.layers)

    def are(self, kinds: Collection[str]) -> Mask:
        """Which operations are of one of these kinds [operations]."""
        chosen: Mask = np.array([kind in kinds for kind in self.kinds], bool)[self.kind]
        return chosen

    def by_phase(self, amounts: FloatArray) -> FloatArray:
        """Sums of amounts [operations] over the operations of each phase [phases]."""
        sums: FloatArray = np.bincount(self.owner, amounts, len(self)).astype(np.float64)
        return sums


def _field(operations: Sequence[Operation], name: str) -> FloatArray:
    return np.array([getattr(o, name) for o in operations], float)


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    different = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return tuple(different), np.array([different[name] for name in names], np.intp)
