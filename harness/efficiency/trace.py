"""Trace a torch module into a phase of a ledger: the operations it really runs, counted without running them.

The module runs on fake tensors (shapes without storage), so neither weights nor an accelerator are needed; a model
whose control flow needs values is run for real under the same recorder, with the same counts.
"""

from __future__ import annotations

import contextlib
import copy
import gc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from harness.efficiency.ledger import Phase
from harness.errors import InputError

if TYPE_CHECKING:
    import torch

Attention = Literal["fused", "eager"]

CACHE_ARGUMENTS = ("past_key_values", "cache_params")
"""Keyword arguments that hold state carried from token to token: held apart from activations."""


def trace(
    module: torch.nn.Module,
    inputs: Mapping[str, Any],
    *,
    phase: str,
    attention: Attention = "fused",
    experts_per_token: int = 1,
    real: bool = False,
) -> Phase:
    """Count one forward call of the module, without gradients.

    `inputs` are the keyword arguments of the call; tensors among them are stand-ins, only their shapes and dtypes
    matter. Attention is one operation that never writes its scores ("fused", as accelerators run it) or its parts
    ("eager"). A mixture of experts reads the weights of the experts that `experts_per_token` even choices touch.
    `real` runs on real values; so does a module that fakes cannot run, if it has real weights.

    Raises `InputError` naming the operation if one that matters has no formula, or if fakes cannot run the module.
    """
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        UnsupportedOperatorException,
    )

    if real:
        return _recorded(module, inputs, phase, attention, experts_per_token)
    faked = _is_fake(module, inputs)
    try:
        with _fakes(module, inputs) as (fake_module, fake_inputs):
            return _recorded(fake_module, fake_inputs, phase, attention, experts_per_token)
    except (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException) as error:
        if faked:
            raise NeedsValues(
                f"the model cannot be traced without values: {error}",
                hint="Give a module with real (random) weights of the same shapes; its counts are the same.",
            ) from error
    return _recorded(module, inputs, phase, attention, experts_per_token)


class NeedsValues(InputError):
    """A module whose control flow depends on values, given without any."""


def _recorded(
    module: torch.nn.Module, inputs: Mapping[str, Any], phase: str, attention: Attention, experts_per_token: int
) -> Phase:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from harness.efficiency.recorder import Recorder

    recorder = Recorder(module, inputs, experts_per_token=experts_per_token)
    kernels = contextlib.nullcontext() if attention == "fused" else sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), _deterministic_frees(), _no_fast_path(), kernels, recorder.recording(attention):
        outputs = module(**inputs)
        recorder.hold_apart_state(outputs)
        del outputs  # inside, so that nothing outlives the record of it
    return recorder.phase(phase)


@contextlib.contextmanager
def _fakes(module: torch.nn.Module, inputs: Mapping[str, Any]) -> Iterator[tuple[torch.nn.Module, Mapping[str, Any]]]:
    """The module and its inputs as fakes; those that are fakes already run in their own mode."""
    from torch._guards import detect_fake_mode
    from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode

    from harness.efficiency.fakes import running_on_fakes

    present = detect_fake_mode(_tensors(module, inputs))
    if present is not None:
        with running_on_fakes(present):
            yield module, inputs
        return
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        fake_module, fake_inputs = copy.deepcopy(module), copy.deepcopy(dict(inputs))
    with running_on_fakes(mode):
        yield fake_module, fake_inputs


def _is_fake(module: torch.nn.Module, inputs: Mapping[str, Any]) -> bool:
    from torch._subclasses.fake_tensor import FakeTensor

    return any(isinstance(tensor, FakeTensor) for tensor in _tensors(module, inputs))


def _tensors(module: torch.nn.Module, inputs: Mapping[str, Any]) -> list[torch.Tensor]:
    import torch
    from torch.utils._pytree import tree_leaves

    held = [*module.parameters(), *module.buffers(), *tree_leaves(dict(inputs))]
    return [value for value in held if isinstance(value, torch.Tensor)]


@contextlib.contextmanager
def _deterministic_frees() -> Iterator[None]:
    """Tensors are freed when their last reference goes, never when the garbage collector happens to pass."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _no_fast_path() -> Iterator[None]:
    """torch's encoder fast path is one opaque operation; without it the same work shows its parts."""
    import torch

    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
