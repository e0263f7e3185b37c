"""The shapes of matrix products, recovered from their counts, and the activations that pass between them.

Norms and pointwise passes are counted differently by every implementation of the same model (a norm is one kernel here,
seven operations there). What a stack's kernels move between two products is priced from the products instead: their
activations in and out, times the stack's pointwise factor. So a traced ledger and a closed-form one cost the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    def of(cls, operations: Sequence[Operation], accelerators: FloatArray) -> Products:
        """`accelerators` [operations]: how many share each."""
        m, n, k = np.array([_shape(o) for o in operations], float).reshape(-1, 3).T
        share_n, share_k = divided_matmul(n, k, accelerators)
        element = np.array([_element_bytes(o) for o in operations])
        others = [o.bytes_written if o.kind in MATRIX_UNITS else 0.0 for o in operations]
        between = np.where(m > 0, element * m * (n + k), np.array(others) / accelerators)
        return cls(m, share_n, share_k, between)


def _shape(operation: Operation) -> tuple[float, float, float]:
    """(m, n, k) from the counts: 2·m·n·k FLOPs, m·k elements read beside the weights, m·n written."""
    element = _element_bytes(operation)
    read, written = (operation.bytes_read - operation.weight_bytes) / element, operation.bytes_written / element
    if operation.kind != "matmul" or not operation.weight_bytes or read <= 0 or written <= 0 or operation.flops <= 0:
        return 0.0, 0.0, 0.0
    # Counts that were interpolated are not whole to the last bit, and a row too many is another tile.
    m = round(2.0 * read * written / operation.flops, 3)
    return m, round(written / m, 3), round(read / m, 3)


def _element_bytes(operation: Operation) -> float:
    return operation.element_bytes or _ELEMENT_BYTES.get(operation.dtype, 2.0)
