"""Trace a training step: forward, backward and the optimizer's step, counted without running them."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.efficiency.batches import Record
from harness.efficiency.ledger import Phase
from harness.efficiency.trace import Attention, counting_conditions, on_fakes_or_real

if TYPE_CHECKING:
    import torch

Loss = Callable[[Any], "torch.Tensor"]
"""Outputs of the module -> a scalar. Values do not matter: labels that it needs may be any of the right shape."""
MakeOptimizer = Callable[[Iterable["torch.nn.Parameter"]], "torch.optim.Optimizer"]


def trace_training(
    module: torch.nn.Module,
    inputs: Mapping[str, Any],
    loss: Loss,
    optimizer: MakeOptimizer,
    *,
    phase: str = "train step",
    attention: Attention = "fused",
    experts_per_token: int = 1,
    real: bool = False,
) -> Phase:
    """Count one step of training, of all parameters that want a gradient.

    The step is not the first: the optimizer has its state, which is memory of its own like the parameters. Peak bytes
    are what the forward pass keeps for the backward pass, gradients included. Fused attention keeps no scores and
    computes them again (2.5 times the forward pass); it is counted without dropout, which its kernel draws itself.
    `optimizer` makes one from parameters, such as `lambda p: torch.optim.AdamW(p, fused=True)`. The rest is as in
    `trace`; the module and its inputs are left as they were.
    """

    def stepped(run_module: torch.nn.Module, run_inputs: Mapping[str, Any]) -> Record:
        import torch

        from harness.efficiency.live_bytes import tensors
        from harness.efficiency.recorder import Recorder

        trained = run_module if run_module is not module else copy.deepcopy(module)
        trained.train()
        updates = optimizer([p for p in trained.parameters() if p.requires_grad])

        def step() -> None:
            value = loss(trained(**run_inputs))
            value.backward()  # type: ignore[no-untyped-call]
            updates.step()
            updates.zero_grad(set_to_none=True)

        with torch.enable_grad(), counting_conditions(attention), _recurrences_by_parts():
            step()
            recorder = Recorder(trained, experts_per_token=experts_per_token)
            for tensor in tensors(list(updates.state.values())):
                recorder.live.hold_apart(tensor)
            recorder.live.track(run_inputs.values())
            with recorder.recording(attention):
                step()
        return recorder.record(phase)

    return on_fakes_or_real(stepped, module, inputs, real=real).phase()


@contextlib.contextmanager
def _recurrences_by_parts() -> Iterator[None]:
    """oneDNN's LSTM is one opaque operation forward and another backward; without it the same work shows its parts."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the switch also sets, and warns of, what has nothing to do with it
        with torch.backends.mkldnn.flags(enabled=False):
            yield
