"""Software stacks: the few constants that turn a physical bound into a prediction, with their held-out error."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.efficiency.ledger import Phase
from harness.efficiency.products import MATRIX_UNITS
from harness.efficiency.profile_files import UnknownProfile, read_profile, validated
from harness.yamlfile import read_yaml

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]

_SAME_UNITS = {"bfloat16": "float16"}
"""Computed at the same rate by the same units, on all hardware that has both."""


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
    gather_efficiency: Fraction | None = None
    """Of the bandwidth, for gathers, scans and temporaries; None if it is that of products, `bandwidth_efficiency`."""


class HeldOut(BaseModel):
    """Relative error on measurements that the fit did not see."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fold: str
    n: int
    median_error: NotNegative
    p90_error: NotNegative
    hardware: tuple[str, ...] = ()
    """Profiles that it was measured on; none named means any."""
    dtypes: tuple[str, ...] = ()
    """Of the products that were measured; none named means any."""

    phases: tuple[str, ...] = ()
    """Names of the phases that were measured; none named means any."""

    def covers(self, hardware: str, phase: Phase) -> bool:
        """Whether it says something of this phase on that hardware."""
        dtypes = {_SAME_UNITS.get(o.dtype, o.dtype) for o in phase.operations if o.kind in MATRIX_UNITS}
        tested = {_SAME_UNITS.get(dtype, dtype) for dtype in self.dtypes}
        return (
            (not self.hardware or hardware in self.hardware)
            and (not self.phases or phase.name in self.phases)
            and (not tested or dtypes <= tested)
        )


class StackForm(BaseModel):
    """How a software stack works, apart from its constants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    runs_on: Literal["accelerator", "cpu"] = "accelerator"
    """On a CPU core moving bytes and multiplying take turns; on an accelerator the slower of the two counts."""
    prices_host_work: bool = False
    """Whether it is the program whose temporaries, passes and calls a ledger counts beside the work itself."""
    attention: Literal["fused", "eager"] = "fused"
    """Whether it keeps the score matrix in memory: which ledger its prices are meant for."""
    host: Literal["overlaps", "adds"]
    """Whether launching kernels runs ahead of the device, so that the slower of the two counts, or adds to its time."""
    logits_of_all_tokens: bool = False
    """Whether prefill computes the logits of every prompt position."""
    matrix_vector_rows: Annotated[int, Field(ge=0)] = 0
    """Products of up to so many rows run as matrix-vector kernels, which are not tiled."""


class Stack(StackForm):
    """A software stack with its constants, and how wrong they have been."""

    constants: Constants
    held_out: tuple[HeldOut, ...] = ()

    @property
    def error_p90(self) -> float | None:
        """The largest p90 on the hardware of its first fold; None if it was never tested."""
        home = self.held_out[0].hardware if self.held_out else ()
        return max((fold.p90_error for fold in self.held_out if fold.hardware == home), default=None)

    def error_on(self, hardware: str, phases: Sequence[Phase]) -> float | None:
        """The largest p90 of the folds that measured such phases on this hardware.

        None if one of the phases was never measured: constants carried to elsewhere have no known error.
        """
        errors = [self._error(hardware, phase) for phase in phases]
        known = [error for error in errors if error is not None]
        return max(known) if known and len(known) == len(errors) else None

    def _error(self, hardware: str, phase: Phase) -> float | None:
        return max((fold.p90_error for fold in self.held_out if fold.covers(hardware, phase)), default=None)


class StackToFit(StackForm):
    """A software stack that may have constants, or wait for them."""

    constants: Constants | None = None
    held_out: tuple[HeldOut, ...] = ()


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
