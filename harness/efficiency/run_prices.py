"""The three columns of a run: bound and calibrated seconds on reference hardware, and observed seconds where it ran.

Plain values for tables and JSON. Seconds are those of one example, on average; columns are never mixed or ranked
against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.efficiency.deployment import expense
from harness.efficiency.hardware import Hardware
from harness.efficiency.hardware import hardware as hardware_named
from harness.efficiency.rates import Side
from harness.efficiency.serving import Price, Reference, price_all, price_preparing
from harness.efficiency.stacks import Stack, stacks
from harness.efficiency.stacks import stack as stack_named
from harness.efficiency.work import FEWEST_REPEATS
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.store.read_work import RunWork

HARDWARE = "A100-80GB-SXM"
STACK, CPU_STACK = "fastertransformer-encoders", "pytorch-cpu"
"""What calibrates unless another is named: on accelerators, and on processors."""
HOST, HOST_STACK = "EPYC-9654-core", "numpy-cpu"
NO_STACK = "none"

_PRICED = (
    *("bound_seconds", "calibrated_seconds", "calibrated_error_p90"),
    *("accelerators", "accelerator_seconds", "energy_joules", "dollars", "price_date"),
    *("weights_bytes", "kv_bytes_per_token", "peak_activation_bytes"),
)

LARGEST_SPREAD = 1.25
"""Median over fastest repeat: above it, fewer than half agree on a time, and it is more of the machine's other work."""


def reference(*, hardware: str | None = None, stack: str | None = None, host: str | None = None) -> Reference:
    """Hardware and stack by name or as YAML files of the user's own; None for the usual ones, "none" for no stack.

    Raises `UnknownProfile` with the nearest name, `InputError` for a file that breaks the schema, or for a stack that
    does not run on such hardware.
    """
    accelerator = hardware_named(hardware or HARDWARE)
    host_stack = None if stack == NO_STACK else stack_named(HOST_STACK)
    return Reference(Side(accelerator, _software(accelerator, stack)), Side(hardware_named(host or HOST), host_stack))


def fitting_stacks(on: Hardware) -> list[str]:
    """Names of the stacks that run on such hardware, the usual one first."""
    device = "cpu" if on.is_processor else "accelerator"
    return sorted((s.name for s in stacks().values() if s.runs_on == device), key=lambda name: name != _usual(on))


def _software(on: Hardware, name: str | None) -> Stack | None:
    if name == NO_STACK:
        return None
    software = stack_named(name or _usual(on))
    if software.runs_on != ("cpu" if on.is_processor else "accelerator"):
        raise InputError(
            f"the stack {software.name} does not run on {on.name}", hint=f"One of {', '.join(fitting_stacks(on))} does."
        )
    return software


def _usual(on: Hardware) -> str:
    return CPU_STACK if on.is_processor else STACK


def columns(row: Mapping[str, Any], work: RunWork | None, on: Reference) -> dict[str, Any]:
    """What to show of a run beside its scores; `row` is one of `harness.store.read.runs`."""
    (found,) = columns_of([(row, work)], on)
    return found


def columns_of(runs: Sequence[tuple[Mapping[str, Any], RunWork | None]], on: Reference) -> list[dict[str, Any]]:
    """The same of many runs, in their order."""
    prices = iter(price_all([(work.stages, work.served) for _, work in runs if work is not None], on))
    return [{**_idealized(row, None if work is None else next(prices), on), **observed(row)} for row, work in runs]


def preparing(row: Mapping[str, Any], work: RunWork | None, on: Reference) -> dict[str, Any]:
    """Seconds of all that came before the first example (encoding a corpus, indexing, training), apart from `columns`.

    They are of the whole of it, once, and never part of what an example takes.
    """
    found, reason = None, None
    if work is not None and work.preparing:
        try:
            found = price_preparing(work.stages, work.preparing, on)
        except InputError as error:
            reason = error.message
    elif row["state"] == "done":
        reason = _why_without_work(row) if work is None else "nothing that it prepares is counted"
    return {
        "preparing_bound_seconds": found and found.bound_seconds,
        "preparing_calibrated_seconds": found and found.calibrated_seconds,
        "preparing_calibrated_error_p90": found and found.error_p90,
        "preparing_unpriced": reason,
    }


def _idealized(row: Mapping[str, Any], priced: Price | InputError | None, on: Reference) -> dict[str, Any]:
    found, reason = None, ""
    if isinstance(priced, InputError):
        reason = priced.message
    elif priced is not None:
        found = priced
    elif row["state"] == "done":
        reason = _why_without_work(row)
    return {
        "hardware": on.accelerator.hardware.name,
        "stack": on.accelerator.stack.name if on.accelerator.stack else None,
        "host": on.host.hardware.name,
        "unpriced": None if found else reason or None,
        **_priced(found, on),
    }


def _why_without_work(row: Mapping[str, Any]) -> str:
    if row["work_note"] is None:
        return "its work was not counted: it ended too early, or is older than that; --rerun counts it"
    return row["work_note"] or "the model does not describe its stages"


def _priced(found: Price | None, on: Reference) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(_PRICED)
    spent = expense(found.accelerator_seconds, on.accelerator.hardware)
    return {
        "bound_seconds": found.bound_seconds,
        "calibrated_seconds": found.calibrated_seconds,
        "calibrated_error_p90": found.error_p90,
        "accelerators": found.accelerators,
        "accelerator_seconds": spent.accelerator_seconds,
        "energy_joules": spent.energy_joules,
        "dollars": spent.dollars,
        "price_date": spent.price_date,
        "weights_bytes": found.weights_bytes,
        "kv_bytes_per_token": found.kv_bytes_per_token,
        "peak_activation_bytes": found.peak_activation_bytes,
    }


def observed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fastest repeat, or why none is shown."""
    n, least, middle = row["observed_n"] or 0, row["observed_min_seconds"], row["observed_median_seconds"]
    spread = middle / least if n and least else None
    refused = None
    if not n:
        refused = "not timed" if row["state"] == "done" else None
    elif n < FEWEST_REPEATS:
        refused = f"{n} repeats; at least {FEWEST_REPEATS} are needed"
    elif spread is None or spread > LARGEST_SPREAD:
        refused = f"the median repeat took {spread or 0:.2f} times the fastest; at most {LARGEST_SPREAD} is trusted"
    return {
        "observed_seconds": None if refused or not n else least,
        "observed_spread": spread,
        "observed_refused": refused,
    }
