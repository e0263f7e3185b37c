"""How many bytes are alive at once while a module runs, and the tensors that this is about.

Importing this imports torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from harness.errors import InputError


class LiveBytes:
    """Storages as they come and go, apart from those that are memory of their own (weights, caches)."""

    def __init__(self, weights: Iterable[torch.Tensor]) -> None:
        self._changes: list[tuple[int, int]] = []
        """(number of the storage, bytes), the bytes negative when it goes."""
        self._numbers: dict[int, int] = {}
        self._apart: set[int] = set()
        self._weights = {storage_id(tensor) for tensor in weights}
        self._held: set[int] = set()

    def track(self, values: Iterable[Any]) -> None:
        """Count new storages as live until their last reference goes."""
        for tensor in tensors(list(values)):
            key = storage_id(tensor)
            if key in self._numbers or key in self._weights or key in self._held:
                continue
            storage, number = tensor.untyped_storage(), len(self._changes)
            self._numbers[key] = number
            self._changes.append((number, storage.nbytes()))
            weakref.finalize(storage, self._freed, key, storage.nbytes()).atexit = False

    def hold_apart(self, tensor: torch.Tensor) -> None:
        """Leave a cache out of the live bytes, for as long as it lives: its address will be used again."""
        key = storage_id(tensor)
        if key in self._numbers:
            self._apart.add(self._numbers[key])
        self._held.add(key)
        weakref.finalize(tensor.untyped_storage(), self._held.discard, key).atexit = False

    def is_held(self, tensor: torch.Tensor) -> bool:
        """Whether it is part of a cache."""
        return storage_id(tensor) in self._held

    def changes(self) -> tuple[int, ...]:
        """Bytes that came or went, one after the other."""
        return tuple(size for number, size in self._changes if number not in self._apart)

    def _freed(self, key: int, size: int) -> None:
        self._changes.append((self._numbers.pop(key), -size))


def storage_id(tensor: torch.Tensor) -> int:
    """What views of the same memory have in common. Raises `InputError` for a tensor that is not strided."""
    if tensor.layout != torch.strided:
        layout = str(tensor.layout).removeprefix("torch.")
        raise InputError(f"{layout} tensors cannot be counted", hint="Trace the module with dense tensors.")
    return int(tensor.untyped_storage()._cdata)


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in nested tuples, lists and mappings."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def held_tensors(value: Any) -> Iterator[torch.Tensor]:
    """Tensors of a cache object, however deep (transformers: layers with keys and values, or states)."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from held_tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from held_tensors(item)
    elif type(value).__module__.startswith("transformers."):
        yield from held_tensors(vars(value))


def distinct_bytes(tensor: torch.Tensor) -> int:
    """Bytes that differ: an expanded dimension is read once."""
    distinct = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        distinct *= size if stride != 0 else min(size, 1)
    return distinct * tensor.element_size()
