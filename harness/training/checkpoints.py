"""All that a training needs to go on after a crash, in one safetensors file that is there whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.contract import Cost
from harness.durable import written_whole
from harness.errors import RunFailed

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

Curves = dict[str, list[tuple[float, float]]]

_HINT = "Remove the file to start the training anew."


class Progressed(msgspec.Struct, frozen=True):
    """How far a training is: what the file holds beside tensors."""

    configuration: str
    """Digest of all that the result depends on."""
    step: int
    """Steps done."""
    curves: Curves
    best_step: int | None
    best_value: float | None
    cost: Cost
    """Of all attempts so far, as far as a checkpoint saw them."""


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps."""

    progressed: Progressed
    weights: Tensors
    optimizer: dict[int, Tensors]
    """State by the place of its parameter."""
    random: Tensors
    """State of each random number generator, by device."""
    best: Tensors = field(default_factory=dict)
    """Weights that validated best; empty without validation."""

    def save(self, path: Path) -> None:
        """Write it in place of the one before. Raises `RunFailed` if the disk is full."""
        from safetensors.torch import save_file

        tensors = {
            **_prefixed("weights", self.weights),
            **{
                name: value
                for place, state in self.optimizer.items()
                for name, value in _prefixed(f"optimizer.{place}", state).items()
            },
            **_prefixed("random", self.random),
            **_prefixed("best", self.best),
        }
        with written_whole(path, hint="Free some space; the training goes on from there.") as unfinished:
            save_file(tensors, unfinished, {"progressed": msgspec.json.encode(self.progressed).decode()})

    @classmethod
    def load(cls, path: Path, configuration: str) -> Checkpoint:
        """Read one. Raises `RunFailed` if it is no checkpoint, or one of another configuration."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                progressed = msgspec.json.decode(metadata.get("progressed", ""), type=Progressed)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, msgspec.DecodeError) as error:
            raise RunFailed(f"{path} is no checkpoint: {error}", hint=_HINT) from error
        if progressed.configuration != configuration:
            raise RunFailed(
                f"{path} is a checkpoint of another configuration, at step {progressed.step}",
                hint=f"Its model, data, optimizer or number of steps differ. {_HINT}",
            )
        optimizer: dict[int, Tensors] = {}
        for name, value in _without_prefix("optimizer", tensors).items():
            place, _, key = name.partition(".")
            optimizer.setdefault(int(place), {})[key] = value
        parts = {part: _without_prefix(part, tensors) for part in ("weights", "random", "best")}
        return cls(progressed, parts["weights"], optimizer, parts["random"], parts["best"])


def copied(state: dict[str, Any]) -> Tensors:
    """Tensors of a state on the CPU, apart from those that go on changing."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {n.removeprefix(f"{prefix}."): tensor for n, tensor in tensors.items() if n.startswith(f"{prefix}.")}
