"""Watch a torch module run: every operation with its FLOPs and bytes, and how many bytes are alive at once.

Importing this imports torch; `harness.efficiency.trace` is the door that does not.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from harness.efficiency.batches import Record
from harness.efficiency.formulas import ATTENTION, canonical, flops_of, kind_of, no_formula
from harness.efficiency.ledger import Operation, OperationKind, Routing
from harness.efficiency.live_bytes import LiveBytes, distinct_bytes, storage_id, tensors
from harness.efficiency.quantisation import Stored
from harness.efficiency.watching import watching

_ALLOCATES = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
_OVERWRITES = {"copy", "fill", "zero", "uniform", "normal", "exponential", "bernoulli"}
"""In place, these write their first operand without reading it."""
_WRITES_PART = {"index_put", "index_copy", "index_add", "scatter", "scatter_add"}
_READS_PART = {"embedding", "index", "index_select", "gather", "take"}
_FIRST_RESULT = {ATTENTION, "flex_attention", "_embedding_bag"}
"""Their other results are for a backward pass, and not the same on every device."""
_MATTERS = 0.01
"""An operation without a formula may move this part of the bytes and no more."""


class Recorder:
    """The record of one call of a module.

    `stored` says of quantised parameters, by name, how many bytes are read instead of their elements.
    """

    def __init__(
        self, module: torch.nn.Module, *, experts_per_token: int = 1, stored: Mapping[str, Stored] | None = None
    ) -> None:
        self._experts_per_token = experts_per_token
        self._operations: list[Operation] = []
        self._unpriced: Counter[str] = Counter()
        self._paused = False
        named = dict(module.named_parameters())
        self._weights = {storage_id(t) for t in (*named.values(), *module.buffers())}
        self._stored = {storage_id(named[name]): (of, named[name].numel()) for name, of in (stored or {}).items()}
        self.live = LiveBytes((*named.values(), *module.buffers()))

    @contextlib.contextmanager
    def recording(self, attention: str) -> Iterator[None]:
        """Record what torch runs inside; attention as one operation if it is "fused"."""
        with watching(self, attention):
            yield

    def record(self, name: str) -> Record:
        """What was recorded. Raises `InputError` if an operation without a formula moved more than 1 % of it."""
        moved: Counter[str] = Counter()
        for operation in self._operations:
            moved[operation.name] += int(operation.bytes_read + operation.bytes_written)
        everything = sum(moved.values())
        for unknown in self._unpriced:
            if moved[unknown] > _MATTERS * everything:
                raise no_formula(unknown, f"it moves {moved[unknown] / everything:.0%} of the bytes of {name!r}")
        return Record(name, tuple(self._operations), self.live.changes(), dict(self._unpriced))

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
        if self._paused or func.namespace in ("prim", "profiler") or _is_alias(func):
            return
        name = canonical(func._schema.name.split("::")[-1])
        if name == "cat" and self._appends(args[0]):
            added = _sum(args[0][1:])
            self._add("cache_append", "pointwise", [out], read=added, written=added)
            self.live.hold_apart(out)
        elif name not in _ALLOCATES:
            if out is None:
                out = _mutated(func, args, kwargs)
            self._count(name, args, kwargs, out, elementwise=_is_elementwise(func), in_place=func._schema.is_mutable)
        self.live.track([out[0] if name in _FIRST_RESULT and isinstance(out, tuple) else out])

    def saw_whole(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        """Record a call whose parts are not looked at."""
        self._count(name, args, kwargs, out, elementwise=False, in_place=False)
        self.live.track([out])

    def _count(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        out: Any,
        *,
        elementwise: bool,
        in_place: bool,
    ) -> None:
        operands, results = tensors((args, kwargs)), tensors(out)
        kind = kind_of(name, elementwise=elementwise)
        if kind is None:
            if "linalg" in name or sum(t.is_floating_point() and t.dim() > 1 for t in operands) > 1:
                raise no_formula(name, "it has matrix operands")
            self._unpriced[name] += 1
            kind = "other"
        flops = flops_of(name, args, results[0]) if results else 0.0
        if name in _FIRST_RESULT:
            results = results[:1]
        if name in _READS_PART:
            rows = self._read([results[0]])
            own = rows if self._is_weight(operands[0]) else 0.0
            self._add(name, kind, results, read=rows + self._read(operands[1:]), own=own, flops=flops)
        elif name == "_embedding_bag":
            rows = float(operands[1].numel() * operands[0].shape[-1] * operands[0].element_size())
            own = rows if self._is_weight(operands[0]) else 0.0
            self._add(name, kind, results, read=rows + self._read(operands[1:]), own=own, flops=flops)
        elif in_place and name in _WRITES_PART:
            written = distinct_bytes(operands[-1])
            self._add(name, kind, results, read=self._read(operands[1:]), written=written, flops=flops)
        elif in_place and name in _OVERWRITES:
            own = self._weights_of(operands[1:])
            self._add(name, kind, results, read=self._read(operands[1:]), own=own, flops=flops)
        elif name == "_grouped_mm" and operands[0].dim() == 2 and operands[1].dim() == 3:
            self._grouped(operands, results, flops)
        else:
            own, products = self._weights_of(operands), self._products(operands) if kind == "matmul" else None
            self._add(name, kind, results, read=self._read(operands), own=own, flops=flops, dtype=products)

    def _grouped(self, operands: list[torch.Tensor], results: list[torch.Tensor], flops: float) -> None:
        """Only the experts that some token chose are read."""
        rows, weights = operands[0], operands[1]
        routing = Routing(weights.shape[0], self._experts_per_token, rows.shape[0] / self._experts_per_token)
        read, others = self._read([weights]) * routing.share, self._read([rows, *operands[2:]])
        known: dict[str, Any] = {}
        if self._is_weight(weights):
            known = {"own": read, "dtype": self._products(operands), "routing": routing}
        self._add("_grouped_mm", "matmul", results, others + read, flops=flops, **known)

    def _add(
        self,
        name: str,
        kind: OperationKind,
        results: list[torch.Tensor],
        read: float,
        written: float | None = None,
        own: float = 0.0,
        flops: float = 0.0,
        dtype: str | None = None,
        routing: Routing | None = None,
    ) -> None:
        """`written` is all results if it is not given; `dtype` that of the first if the arithmetic has no other."""
        self._operations.append(
            Operation(
                name=name,
                kind=kind,
                dtype=dtype or (str(results[0].dtype).removeprefix("torch.") if results else ""),
                count=1.0,
                flops=flops,
                bytes_read=float(read),
                bytes_written=_sum(results) if written is None else float(written),
                weight_bytes=float(own),
                element_bytes=float(results[0].element_size()) if dtype else 0.0,
                routing=routing,
            )
        )

    def _appends(self, joined: list[torch.Tensor]) -> bool:
        """Whether a concatenation only lengthens a cache, or starts one (transformers starts from a 1-d nothing)."""
        if len(joined) != 2:
            return False
        first = joined[0]
        return self.live.is_held(first) or (first.numel() == 0 and first.dim() == 1)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        return storage_id(tensor) in self._weights

    def _weights_of(self, operands: list[torch.Tensor]) -> float:
        return self._read([t for t in operands if self._is_weight(t)])

    def _read(self, operands: Iterable[torch.Tensor]) -> float:
        """Bytes of operands as they are stored."""
        return float(sum(map(self._stored_bytes, operands)))

    def _stored_bytes(self, tensor: torch.Tensor) -> float:
        if self._stored and storage_id(tensor) in self._stored:
            stored, elements = self._stored[storage_id(tensor)]
            return stored.bytes * tensor.numel() / elements
        return distinct_bytes(tensor)

    def _products(self, operands: list[torch.Tensor]) -> str | None:
        """What the elements of a product with a quantised weight are multiplied in, if not in the results' dtype."""
        stored = [self._stored[storage_id(t)][0] for t in operands if storage_id(t) in self._stored]
        return stored[0].arithmetic if stored else None


def _is_alias(func: Any) -> bool:
    """Whether the results are the operands' own memory."""
    name = func._schema.name
    return func.is_view or name in _ALIASES or (func._schema.is_mutable and name.removesuffix("_") in _ALIASES)


_ALIASES = {
    f"aten::{name}"
    for name in ("_unsafe_view", "detach", "lift_fresh", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk")
} | {f"aten::{name}" for name in ("transpose", "t", "squeeze", "unsqueeze", "as_strided", "swapaxes", "swapdims")}


def _mutated(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """What an operation that returns nothing writes to: the step of a fused optimizer."""
    given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | dict(kwargs)
    return [given[a.name] for a in func._schema.arguments if a.alias_info and a.alias_info.is_write and a.name in given]


def _is_elementwise(func: Any) -> bool:
    """Whether torch declares it elementwise or a reduction; in-place variants are tagged like their plain form."""
    return torch.Tag.pointwise in func.tags or torch.Tag.reduction in func.tags


def _sum(values: Iterable[torch.Tensor]) -> float:
    return float(sum(map(distinct_bytes, values)))
