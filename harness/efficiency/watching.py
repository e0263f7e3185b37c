"""How torch tells of what it runs: modes that see each call, at the level where it is one operation.

Importing this imports torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from harness.efficiency.formulas import ATTENTION, FLEX, no_formula

_RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}


class Observer(Protocol):
    """What is told."""

    def saw(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        """A call that reached a kernel."""

    def saw_whole(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        """A call whose parts are not looked at."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """While such parts run."""


@contextlib.contextmanager
def watching(observer: Observer, attention: str) -> Iterator[None]:
    """Tell of what torch runs inside; of attention as one operation if it is "fused"."""
    with _Dispatched(observer), _Whole(observer, {ATTENTION} if attention == "fused" else set()):
        yield


class _Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that reaches a kernel."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._observer = observer
        self.supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self._with_a_function_inside(func, args, kwargs)
        out = func(*args, **kwargs)
        self._observer.saw(func, args, kwargs, out)
        return out

    def _with_a_function_inside(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Attention whose scores a function changes is one kernel; others are not known."""
        name = str(func.name())
        if name not in FLEX:
            raise no_formula(name, "it runs a function inside that is not looked at")
        with self._observer.paused():
            out = func(*args, **kwargs)
        self._observer.saw_whole(name, args, {}, out)
        return out


class _Whole(TorchFunctionMode):
    """Sees the functions that are one operation on an accelerator and many on a CPU."""

    def __init__(self, observer: Observer, attention: set[str]) -> None:
        super().__init__()
        self._observer = observer
        self._names = attention | _RECURRENT

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in self._names:
            return func(*args, **kwargs)
        if name == ATTENTION:
            named = [key for key in ("query", "key", "value") if key in kwargs]
            args = (*args, *(kwargs[key] for key in named))
            kwargs = {key: value for key, value in kwargs.items() if key not in named}
        if torch.is_grad_enabled():
            return self._to_be_trained(func, name, args, kwargs)
        with self._observer.paused():
            out = func(*args, **kwargs)
        self._observer.saw_whole(name, args, kwargs, out)
        return out

    def _to_be_trained(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call whose backward pass will be seen below: attention by its own kernel, recurrences by their parts."""
        if name != ATTENTION or not _has_flash_backward(*args, **kwargs):
            return func(*args, **kwargs)
        with self._observer.paused():
            kept = _flash(*args, **kwargs)
        self._observer.saw_whole(name, args, kwargs, kept)
        return kept[0]


def _has_flash_backward(query: Any, key: Any, value: Any, attn_mask: Any = None, *_: Any, **__: Any) -> bool:
    learnt = attn_mask is not None and attn_mask.requires_grad
    return not learnt and query.dim() == key.dim() == 4 and query.shape[-1] == value.shape[-1]


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(result, log-sum-exp of the scores), by the kernel that torch takes on a CPU when no dropout is asked for."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, -torch.inf)
    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    attended, kept = attend(query, key, value, 0.0, is_causal, attn_mask=attn_mask, scale=scale)
    return attended, kept
