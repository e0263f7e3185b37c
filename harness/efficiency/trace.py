"""Trace a torch module into a phase of a ledger: the operations it really runs, counted without running them.

The module runs on fake tensors (shapes without storage), so neither weights nor an accelerator are needed; a model
whose control flow needs values is run for real under the same recorder, with the same counts.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from harness.efficiency.batches import Record, growing
from harness.efficiency.ledger import Phase
from harness.efficiency.quantisation import Stored
from harness.errors import InputError

if TYPE_CHECKING:
    import torch

    from harness.efficiency.live_bytes import LiveBytes

Attention = Literal["fused", "eager"]

CACHE_ARGUMENTS = ("cache", "past_key_values", "cache_params", "state")
"""Names that models have for the state carried from token to token, which is held apart from activations."""


def trace(module: torch.nn.Module, inputs: Mapping[str, Any], *, phase: str, **how: Any) -> Phase:
    """Count one forward call of the module, without gradients, with equal operations counted together.

    Parameters and errors are those of `record`.
    """
    return record(module, inputs, phase=phase, **how).phase()


def trace_growing(
    module: torch.nn.Module, inputs: Callable[[int], Mapping[str, Any]], *, phase: str, **how: Any
) -> Phase:
    """Count one forward call for one sequence, and what each further one adds: `batches.batched` takes it from there.

    `inputs` makes the arguments of the call for a batch of one, two or three. The rest is as in `record`.
    """
    return growing(lambda batch: record(module, inputs(batch), phase=phase, **how))


def record(
    module: torch.nn.Module,
    inputs: Mapping[str, Any],
    *,
    phase: str,
    attention: Attention = "fused",
    experts_per_token: int = 1,
    stored: Mapping[str, Stored] | None = None,
    real: bool = False,
) -> Record:
    """One forward call of the module, without gradients, operation by operation.

    `inputs` are the keyword arguments of the call; tensors among them are stand-ins, only their shapes and dtypes
    matter. Attention is one operation that never writes its scores ("fused", as accelerators run it) or its parts
    ("eager"). A mixture of experts reads the weights of the experts that `experts_per_token` even choices touch.
    Parameters named in `stored` are read as they are stored. `real` runs on real values; so does a module that fakes
    cannot run, if it has real weights.

    Raises `InputError` naming the operation if one that matters has no formula, or if fakes cannot run the module.
    """

    def recorded(run_module: torch.nn.Module, run_inputs: Mapping[str, Any]) -> Record:
        import torch

        from harness.efficiency.recorder import Recorder

        recorder = Recorder(run_module, experts_per_token=experts_per_token, stored=stored)
        _hold_apart_state(recorder.live, run_inputs)
        recorder.live.track(value for name, value in run_inputs.items() if name not in CACHE_ARGUMENTS)
        with torch.no_grad(), counting_conditions(attention), recorder.recording(attention):
            outputs = run_module(**run_inputs)
            _hold_apart_state(recorder.live, outputs)
            del outputs  # inside, so that nothing outlives the record of it
        return recorder.record(phase)

    return on_fakes_or_real(recorded, module, inputs, real=real)


def on_fakes_or_real(
    run: Callable[[torch.nn.Module, Mapping[str, Any]], Record],
    module: torch.nn.Module,
    inputs: Mapping[str, Any],
    *,
    real: bool,
) -> Record:
    """What `run` makes of the module and its inputs as fakes, or as they are if they are real and fakes do not do.

    Raises `NeedsValues` if the module has no values and cannot do without.
    """
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        UnsupportedOperatorException,
    )

    without_values = (
        DataDependentOutputException,
        DynamicOutputShapeException,
        UnsupportedOperatorException,
        NotImplementedError,
    )
    if not real:
        faked = _is_fake(module, inputs)
        try:
            with _fakes(module, inputs) as (fake_module, fake_inputs):
                return run(fake_module, fake_inputs)
        except without_values as error:
            if faked:
                raise NeedsValues(
                    f"the model cannot be traced without values: {error}",
                    hint="Give a module with real (random) weights of the same shapes; its counts are the same.",
                ) from error
    try:
        return run(module, inputs)
    except NotImplementedError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"torch cannot run the model here: {reason}", hint="Trace a form of it for CPUs.") from error


class NeedsValues(InputError):
    """A module whose control flow depends on values, given without any."""


@contextlib.contextmanager
def counting_conditions(attention: Attention) -> Iterator[None]:
    """Frees are deterministic, and no kernel hides the parts that are counted."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels = contextlib.nullcontext() if attention == "fused" else sdpa_kernel(SDPBackend.MATH)
    with _deterministic_frees(), _no_fast_path(), _flex_uncompiled(), kernels:
        yield


def _hold_apart_state(live: LiveBytes, holder: Any) -> None:
    """Leave out the state that one call hands on to the next: it is memory of its own."""
    from harness.efficiency.live_bytes import held_tensors

    names = holder.keys() if isinstance(holder, Mapping) else vars(holder) if hasattr(holder, "__dict__") else ()
    for name in CACHE_ARGUMENTS:
        if name in list(names):
            for tensor in held_tensors(holder[name] if isinstance(holder, Mapping) else getattr(holder, name)):
                live.hold_apart(tensor)


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
    mode = FakeTensorMode(allow_non_fake_inputs=True)
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
def _flex_uncompiled() -> Iterator[None]:
    """flex_attention compiles itself, which no mode can look into; torch's switch for debugging turns that off."""
    module: Any = sys.modules.get("torch.nn.attention.flex_attention")
    switch = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
    if module is None or not hasattr(module, switch):
        yield
        return
    before = getattr(module, switch)
    setattr(module, switch, True)
    try:
        yield
    finally:
        setattr(module, switch, before)


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
