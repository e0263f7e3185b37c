"""The shapes of matrix products, recovered from their counts, and the activations that pass between them.

Norms and pointwise passes are counted differently by every implementation of the same model (a norm is one kernel here,
seven operations there). What a stack's kernels move between two products is priced from the products instead: their
activations in and out, times the stack's pointwise factor. So a traced ledger and a closed-form one cost the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.efficiency.ledger import Operation
from harness.efficiency.tiling import FloatArray, divided_matmul

MATRIX_UNITS = ("matmul", "attention", "convolution")
_ELEMENT_BYTES = {"float64": 8.0, "float32": 4.0, "tfloat32": 4.0, "float8": 1.0, "int8": 1.0, "int4": 0.5}


@dataclass(frozen=True)
class Products:
    """One accelerator's share of each operation; arrays [operations], zero for what is no product with weights."""

    m: FloatArray
    n: FloatArray
    k: FloatArray
    activation_bytes: FloatArray
    """In and out of a product with weights, whole on every accelerator; out of attention and convolutions, divided."""

    @classmethod
    def of(
        cls,
        *,
        flops: FloatArray,
        read: FloatArray,
        written: FloatArray,
        element: FloatArray,
        with_weights: npt.NDArray[np.bool_],
        others: npt.NDArray[np.bool_],
        accelerators: FloatArray,
    ) -> Products:
        """Arrays [operations]: FLOPs, bytes read beside the weights and written; bytes of an element of an activation;
        whether it is a product with weights, or uses the matrix units at all; and how many accelerators share it.

        (m, n, k) follow from the counts: 2·m·n·k FLOPs, m·k elements read beside the weights, m·n written.
        """
        are = with_weights & (read > 0) & (written > 0) & (flops > 0)
        m, n, k = np.zeros((3, len(flops)))
        reads, writes = read[are] / element[are], written[are] / element[are]
        # Counts that were interpolated are not whole to the last bit, and a row too many is another tile.
        m[are] = np.round(2.0 * reads * writes / flops[are], 3)
        n[are], k[are] = np.round(writes / m[are], 3), np.round(reads / m[are], 3)
        share_n, share_k = divided_matmul(n, k, accelerators)
        between = np.where(m > 0, element * m * (n + k), np.where(others, written, 0.0) / accelerators)
        return cls(m, share_n, share_k, between)


def element_bytes(operation: Operation) -> float:
    """Of an activation."""
    return operation.element_bytes or _ELEMENT_BYTES.get(operation.dtype, 2.0)
