"""Fake tensors for tracing: shapes without storage, with the shape rules that torch gets wrong mended.

Importing this imports torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode


@contextlib.contextmanager
def running_on_fakes(mode: FakeTensorMode) -> Iterator[None]:
    """Run modules of fakes without gradients; new tensors are fakes too."""
    with torch.no_grad(), mode, _GroupedProducts():
        yield


class _GroupedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """torch's shape rule for grouped products takes bfloat16 alone; its kernels take the other floats as well."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._grouped_mm.default:
            first, second = args[0], args[1]
            groups = args[2].shape if first.dim() == second.dim() == 2 else ()  # a gradient of the weights
            return first.new_empty((*groups, first.shape[-2], second.shape[-1]))
        return func(*args, **(kwargs or {}))
