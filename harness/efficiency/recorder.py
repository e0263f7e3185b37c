"""Watch a torch module run: every operation with its FLOPs and bytes, and how many bytes are alive at once.

Importing this imports torch; `harness.efficiency.trace` is the door that does not.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.efficiency.formulas import ATTENTION, canonical, distinct_experts, flops_of, kind_of
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.trace import CACHE_ARGUMENTS
from harness.errors import InputError

_ALLOCATES = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
_OVERWRITES = {"copy", "fill", "zero", "uniform", "normal", "exponential", "bernoulli"}
"""In place, these write their first operand without reading it."""
_WRITES_PART = {"index_put", "index_copy", "index_add", "scatter", "scatter_add"}
_READS_PART = {"embedding", "index", "index_select", "gather", "take", "_embedding_bag"}
_MATTERS = 0.01
"""An operation without a formula may move this part of the bytes and no more."""


class Recorder:
    """The record of one call: operations by shape, and the peak of live bytes."""

    def __init__(self, module: torch.nn.Module, inputs: Mapping[str, Any], *, experts_per_token: int = 1) -> None:
        self._experts_per_token = experts_per_token
        self._operations: dict[Operation, int] = {}
        self._unpriced: dict[str, int] = {}
        self._changes: list[tuple[int, int]] = []
        """Storages as they come and go: (number, bytes), the bytes negative when it goes."""
        self._numbers: dict[int, int] = {}
        self._apart: set[int] = set()
        self._paused = False
        self._weights = {_storage_id(t) for t in (*module.parameters(), *module.buffers())}
        self._cache: set[int] = set()
        for name in CACHE_ARGUMENTS:
            for tensor in held_tensors(inputs.get(name)):
                self._hold_apart(tensor)
        self._track(value for name, value in inputs.items() if name not in CACHE_ARGUMENTS)

    @contextlib.contextmanager
    def recording(self, attention: str) -> Iterator[None]:
        """Record what torch runs inside; attention as one operation if it is "fused"."""
        with _Dispatched(self), _Whole(self, {ATTENTION} if attention == "fused" else set()):
            yield

    def phase(self, name: str) -> Phase:
        """What was recorded. Raises `InputError` if an operation without a formula moved more than 1 % of it."""
        record = Phase(
            name=name,
            operations=tuple(_counted(operation, count) for operation, count in self._operations.items()),
            peak_bytes=self._peak(),
            unpriced=dict(self._unpriced),
        )
        for unknown in self._unpriced:
            moved = sum(o.count * (o.bytes_read + o.bytes_written) for o in record.operations if o.name == unknown)
            if moved > _MATTERS * record.bytes:
                raise _no_formula(unknown, f"it moves {moved / record.bytes:.0%} of the bytes of {name!r}")
        return record

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Run the parts of an operation that is recorded as a whole."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def saw(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        """Record one call below the level of Python functions."""
        if self._paused or func.namespace == "prim" or _is_alias(func):
            return
        name = canonical(func._schema.name.split("::")[-1])
        if name == "cat" and self._appends(args[0]):
            added = _sum(args[0][1:])
            self._record("cache_append", "pointwise", [out], added, added, 0.0, 0.0)
            self._hold_apart(out)
        elif name not in _ALLOCATES:
            self.count(name, args, kwargs, out, elementwise=_is_elementwise(func), in_place=func._schema.is_mutable)
        self._track([out])

    def saw_whole(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        """Record a call whose parts are not looked at."""
        self.count(name, args, kwargs, out, elementwise=False, in_place=False)
        self._track([out])

    def count(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        out: Any,
        *,
        elementwise: bool,
        in_place: bool,
    ) -> None:
        operands, results = _tensors((args, kwargs)), _tensors(out)
        kind = kind_of(name, elementwise=elementwise)
        if kind is None:
            if "linalg" in name or sum(t.is_floating_point() and t.dim() > 1 for t in operands) > 1:
                raise _no_formula(name, "it has matrix operands")
            self._unpriced[name] = self._unpriced.get(name, 0) + 1
        flops = flops_of(name, args, results[0]) if results else 0.0
        if name in _READS_PART:
            rows, indices = [results[0]], operands[1:]
            weights = float(_bytes(results[0])) if self._is_weight(operands[0]) else 0.0
            self._record(name, kind, results, _sum(rows) + _sum(indices), _sum(results), weights, flops)
        elif in_place and name in _WRITES_PART:
            self._record(name, kind, results, _sum(operands[1:]), _bytes(operands[-1]), 0.0, flops)
        elif in_place and name in _OVERWRITES:
            self._record(name, kind, results, _sum(operands[1:]), _sum(results), self._weights_of(operands[1:]), flops)
        elif name == "_grouped_mm":
            self._grouped(operands, results, flops)
        elif name == ATTENTION:
            # the log-sum-exp that some kernels return is for a backward pass
            self._record(name, kind, results, _sum(operands), _bytes(results[0]), 0.0, flops)
        else:
            self._record(name, kind, results, _sum(operands), _sum(results), self._weights_of(operands), flops)

    def _grouped(self, operands: list[torch.Tensor], results: list[torch.Tensor], flops: float) -> None:
        """Only the experts that some token chose are read."""
        rows, weights = operands[0], operands[1]
        experts = weights.shape[0]
        touched = distinct_experts(experts, self._experts_per_token, rows.shape[0] / self._experts_per_token)
        read = _bytes(weights) * touched / experts
        others = _sum([rows, *operands[2:]])
        own = read if self._is_weight(weights) else 0.0
        self._record("_grouped_mm", "matmul", results, others + read, _sum(results), own, flops)

    def _record(
        self, name: str, kind: Any, results: list[torch.Tensor], read: float, written: float, own: float, flops: float
    ) -> None:
        dtype = str(results[0].dtype).removeprefix("torch.") if results else ""
        operation = Operation(name, kind or "other", dtype, 1.0, flops, float(read), float(written), float(own))
        self._operations[operation] = self._operations.get(operation, 0) + 1

    def _appends(self, tensors: list[torch.Tensor]) -> bool:
        """Whether a concatenation only lengthens a cache, or starts one (transformers starts from a 1-d nothing)."""
        if len(tensors) != 2:
            return False
        first = tensors[0]
        return _storage_id(first) in self._cache or (first.numel() == 0 and first.dim() == 1)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        return _storage_id(tensor) in self._weights

    def _weights_of(self, tensors: list[torch.Tensor]) -> float:
        return _sum([t for t in tensors if self._is_weight(t)])

    def hold_apart_state(self, outputs: Any) -> None:
        """Leave out the state that the call hands on to the next token: it is memory of its own."""
        for name in CACHE_ARGUMENTS:
            for tensor in held_tensors(getattr(outputs, name, None)):
                self._hold_apart(tensor)

    def _track(self, values: Iterable[Any]) -> None:
        """Count new storages as live until their last reference goes."""
        for tensor in _tensors(list(values)):
            key = _storage_id(tensor)
            if key in self._numbers or key in self._weights or key in self._cache:
                continue
            storage, number = tensor.untyped_storage(), len(self._changes)
            self._numbers[key] = number
            self._changes.append((number, storage.nbytes()))
            weakref.finalize(storage, self._freed, key, storage.nbytes()).atexit = False

    def _freed(self, key: int, size: int) -> None:
        self._changes.append((self._numbers.pop(key), -size))

    def _hold_apart(self, tensor: torch.Tensor) -> None:
        """Leave a cache out of the live bytes, for as long as it lives: its address will be used again."""
        key = _storage_id(tensor)
        if key in self._numbers:
            self._apart.add(self._numbers[key])
        self._cache.add(key)
        weakref.finalize(tensor.untyped_storage(), self._cache.discard, key).atexit = False

    def _peak(self) -> int:
        sizes = (size for number, size in self._changes if number not in self._apart)
        return max(accumulate(sizes), default=0)


class _Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that reaches a kernel."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self._recorder.saw(func, args, kwargs, out)
        return out


class _Whole(TorchFunctionMode):
    """Sees the functions that are one operation on an accelerator and many on a CPU."""

    def __init__(self, recorder: Recorder, attention: set[str]) -> None:
        super().__init__()
        self._recorder = recorder
        self._names = attention | {"lstm", "gru", "rnn_tanh", "rnn_relu"}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in self._names:
            return func(*args, **kwargs)
        if name == ATTENTION:
            named = [key for key in ("query", "key", "value") if key in kwargs]
            args = (*args, *(kwargs[key] for key in named))
            kwargs = {key: value for key, value in kwargs.items() if key not in named}
        with self._recorder.paused():
            out = func(*args, **kwargs)
        self._recorder.saw_whole(name, args, kwargs, out)
        return out


def _is_alias(func: Any) -> bool:
    return func.is_view or func._schema.name in ("aten::_unsafe_view", "aten::detach", "aten::lift_fresh")


def _is_elementwise(func: Any) -> bool:
    """Whether torch declares it elementwise or a reduction; in-place variants are tagged like their plain form."""
    return torch.Tag.pointwise in func.tags or torch.Tag.reduction in func.tags


def _storage_id(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(value: Any) -> list[torch.Tensor]:
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


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes that differ: an expanded dimension is read once."""
    distinct = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        distinct *= size if stride != 0 else min(size, 1)
    return distinct * tensor.element_size()


def _sum(tensors: Iterable[torch.Tensor]) -> float:
    return float(sum(map(_bytes, tensors)))


def _counted(operation: Operation, count: int) -> Operation:
    return Operation(**{f: getattr(operation, f) for f in operation.__struct_fields__} | {"count": float(count)})


def _no_formula(name: str, why: str) -> InputError:
    return InputError(
        f"the operation {name!r} has no formula, and {why}",
        hint="A cost that leaves it out would be wrong. Add its formula to harness/efficiency/formulas.py.",
    )
