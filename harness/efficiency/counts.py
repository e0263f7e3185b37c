"""What phases do, as arrays: pricing them on other hardware is then a few array operations, without their objects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.products import MATRIX_UNITS, Products, element_bytes
from harness.efficiency.tiling import FloatArray

Mask = npt.NDArray[np.bool_]
_FIELDS = ("count", "flops", "bytes_read", "bytes_written", "weight_bytes")


@dataclass(frozen=True)
class Placed:
    """A phase on n accelerators, which split every layer between them (tensor parallel)."""

    phase: Phase
    accelerators: int = 1
    allreduce_bytes: float = 0.0
    """Of one all-reduce: batch · tokens · hidden size · element size."""


@dataclass(frozen=True)
class Block:
    """Phases of the same operations in other amounts, such as a model's encoding at several lengths."""

    operations: Sequence[Operation]
    """Only their kind, dtype and element size count."""
    amounts: FloatArray
    """[fields, phases, operations]: calls; FLOPs, bytes read, bytes written and bytes of weights of one call."""
    layers: int
    accelerators: int
    allreduce_bytes: FloatArray
    """[phases]"""

    @classmethod
    def of(cls, placed: Placed) -> Block:
        """A single phase."""
        operations = placed.phase.operations
        amounts = amounts_of(operations)[:, None, :]
        return cls(operations, amounts, placed.phase.layers, placed.accelerators, np.array([placed.allreduce_bytes]))


def amounts_of(operations: Sequence[Operation]) -> FloatArray:
    """[fields, operations], as in `Block`."""
    return np.array([[getattr(o, name) for o in operations] for name in _FIELDS], float)


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
        return cls.joined([Block.of(one) for one in placed])

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Counts:
        """The phases of all blocks, in their order."""
        phases = [block.amounts.shape[1] for block in blocks]
        owner = np.repeat(np.arange(sum(phases)), np.repeat([len(block.operations) for block in blocks], phases))
        flat = [block.amounts.reshape(len(_FIELDS), -1) for block in blocks]
        count, flops, read, written, weights = np.concatenate([np.empty((len(_FIELDS), 0)), *flat], axis=1)
        accelerators = np.repeat(np.array([block.accelerators for block in blocks], float), phases)
        kinds, kind = _numbered(blocks, "kind")
        dtypes, dtype = _numbered(blocks, "dtype")
        element = _repeated([[element_bytes(o) for o in block.operations] for block in blocks], phases)
        return cls(
            count=count,
            flops=flops,
            read=read,
            written=written,
            weights=weights,
            kinds=kinds,
            kind=kind,
            dtypes=dtypes,
            dtype=dtype,
            owner=owner,
            shares=accelerators[owner],
            products=Products.of(
                flops=flops,
                read=read - weights,
                written=written,
                element=element,
                with_weights=_among(("matmul",), kinds)[kind] & (weights > 0),
                others=_among(MATRIX_UNITS, kinds)[kind],
                accelerators=accelerators[owner],
            ),
            layers=np.repeat(np.array([block.layers for block in blocks], float), phases),
            accelerators=accelerators,
            allreduce_bytes=np.concatenate([np.empty(0), *(block.allreduce_bytes for block in blocks)]),
        )

    def __len__(self) -> int:
        return len(self.layers)

    def are(self, kinds: Collection[str]) -> Mask:
        """Which operations are of one of these kinds [operations]."""
        return _among(kinds, self.kinds)[self.kind]

    def by_phase(self, amounts: FloatArray) -> FloatArray:
        """Sums of amounts [operations] over the operations of each phase [phases]."""
        sums: FloatArray = np.bincount(self.owner, amounts, len(self)).astype(np.float64)
        return sums


def _among(chosen: Collection[str], names: Sequence[str]) -> Mask:
    return np.array([name in chosen for name in names], bool)


def _numbered(blocks: Sequence[Block], field: str) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """The different names that operations have in a field, and which of them each operation has."""
    numbers: dict[str, int] = {}
    of_blocks = [[numbers.setdefault(getattr(o, field), len(numbers)) for o in block.operations] for block in blocks]
    return tuple(numbers), _repeated(of_blocks, [block.amounts.shape[1] for block in blocks]).astype(np.intp)


def _repeated(rows: Sequence[Sequence[float]], times: Sequence[int]) -> FloatArray:
    """Each row so many times, one after the other."""
    return np.concatenate(
        [np.empty(0), *(np.tile(np.array(row, float), n) for row, n in zip(rows, times, strict=True))]
    )
