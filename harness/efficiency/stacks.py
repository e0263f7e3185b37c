"""Software stacks: the few constants that turn a physical bound into a prediction, with their held-out error."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.efficiency.profile_files import UnknownProfile, read_profile, validated
from harness.yamlfile import read_yaml

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


class Constants(BaseModel):
    """What is calibrated; properties of the software more than of the model or the accelerator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compute_efficiency: Fraction
    """Of the peak rate, for tiles that are full."""
    bandwidth_efficiency: Fraction
    """Of the peak bandwidth of memory and of links."""
    pointwise_factor: NotNegative
    """Passes over the activations in and out of matrix products: below 1 they are fused, above 1 there are more."""
    host_seconds_per_layer: NotNegative
    allreduce_latency_seconds: NotNegative
    """Of one all-reduce, whatever its size."""


class HeldOut(BaseModel):
    """Relative error on measurements that the fit did not see."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fold: str
    n: int
    median_error: NotNegative
    p90_error: NotNegative


class Stack(BaseModel):
    """A software stack: how it works, its constants, and how wrong they have been."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    attention: Literal["fused", "eager"] = "fused"
    """Whether it keeps the score matrix in memory: which ledger its prices are meant for."""
    host: Literal["overlaps", "adds"]
    """Whether launching kernels runs ahead of the device, so that the slower of the two counts, or adds to its time."""
    logits_of_all_tokens: bool = False
    """Whether prefill computes the logits of every prompt position."""
    matrix_vector_rows: Annotated[int, Field(ge=0)] = 0
    """Products of up to so many rows run as matrix-vector kernels, which are not tiled."""
    constants: Constants
    held_out: tuple[HeldOut, ...] = ()

    @property
    def error_p90(self) -> float | None:
        """The largest p90 of its folds; None if it was never tested."""
        return max((fold.p90_error for fold in self.held_out), default=None)


def stack(name: str) -> Stack:
    """A stack by name, or a user's own from a YAML file by path.

    Raises `UnknownProfile` with the nearest name, or `harness.errors.InputError` for a file that breaks the schema.
    """
    if name.endswith((".yaml", ".yml")):
        return read_profile(Path(name), Stack)
    known = stacks()
    if name not in known:
        raise UnknownProfile("software stack", name, known)
    return known[name]


@cache
def stacks() -> dict[str, Stack]:
    """The stacks that ship, by name."""
    with resources.as_file(resources.files("harness.efficiency") / "stacks.yaml") as path:
        content = read_yaml(path)
        return {name: validated(content, path, Stack, at=(name,), name=name) for name in content.data}
