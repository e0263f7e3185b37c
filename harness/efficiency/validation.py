"""How wrong the calibrated prices are on measurements that the fit did not see, recomputed from the tables that ship.

Every fold leaves out whole models (or accelerator counts, lengths, corpora), or tests on hardware that the fit did not
see: constants are never fitted on what is reported. `measurements/` holds the times with their source row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from harness.efficiency.calibration import BoolArray, Measurements, fit
from harness.efficiency.hardware import hardware
from harness.efficiency.measured import MeasuredRow, ModelRow, Rows, measured_rows
from harness.efficiency.pricing import FloatArray, PhaseTable, bound_seconds
from harness.efficiency.profile_files import UnknownProfile
from harness.efficiency.stacks import Constants, HeldOut, StackForm, stack, stacks

Test: TypeAlias = Callable[[Any], bool]


@dataclass(frozen=True)
class Fold:
    """A way of holding out: rows of a table, grouped by what is left out together, else all that is tested at once."""

    stack: str
    name: str
    table: str
    group: Callable[[Any], str | int] | None = None
    rows: Test = lambda row: True
    fitted_on: Test = lambda row: True
    tested_on: Test = lambda row: True
    phases: tuple[str, ...] = ()
    """That its error stands for; none named means any."""


_ENCODER = ("encode",)


def _on_a100(row: ModelRow) -> bool:
    """What the constants of encoders are fitted on: float16, and attention over no more than 384 tokens."""
    return row.hardware.startswith("A100") and row.dtype == "float16" and row.prompt_tokens <= 384


def _carried(what: str, test: Callable[[ModelRow], bool]) -> Fold:
    table = "fastertransformer-encoders"
    name = f"carried from A100 in float16 to {what}"
    return Fold(table, name, table, fitted_on=_on_a100, tested_on=test, phases=_ENCODER)


FOLDS = (
    Fold("megatron-2022", "leave one model out: prefill and per-token", "megatron-2022", lambda r: r.model),
    Fold("megatron-2022", "leave one model out: whole requests", "megatron-2022-requests", lambda r: r.model),
    Fold(
        "megatron-2022",
        "leave one model out, fit on p >= 512, test p < 512",
        "megatron-2022-requests",
        lambda r: r.model,
        fitted_on=lambda r: r.prompt_tokens >= 512,
        tested_on=lambda r: r.prompt_tokens < 512,
    ),
    Fold(
        "fastertransformer",
        "leave one model out, 1 accelerator",
        "fastertransformer",
        lambda r: r.model,
        rows=lambda r: r.accelerators == 1,
    ),
    Fold("fastertransformer", "leave one accelerator count out", "fastertransformer", lambda r: r.accelerators),
    Fold("gpt-fast", "leave one model out", "gpt-fast", lambda r: r.model),
    Fold(
        "fastertransformer-encoders",
        "leave one model out, up to 384 tokens",
        "fastertransformer-encoders",
        lambda r: r.model,
        rows=_on_a100,
        phases=_ENCODER,
    ),
    _carried("577 tokens", lambda r: r.hardware.startswith("A100") and r.prompt_tokens > 384),
    _carried("T4", lambda r: r.hardware == "T4" and r.dtype == "float16"),
    _carried("V100", lambda r: r.hardware.startswith("V100") and r.dtype == "float16"),
    _carried("A10", lambda r: r.hardware == "A10"),
    _carried("tfloat32", lambda r: r.dtype == "tfloat32"),
    _carried("float32 on A100, V100 and T4", lambda r: r.dtype == "float32"),
    *(
        Fold("pytorch-cpu", f"leave one {left_out} out: {what}", "pytorch-cpu", group, tested_on=test, phases=phases)
        for what, phases, test in (
            ("encoders", _ENCODER, lambda r: r.quantity == "encode"),
            ("decoders, prefill", ("prefill",), lambda r: r.quantity == "prefill"),
            ("decoders, per token", ("decode",), lambda r: r.quantity == "decode_step"),
        )
        for left_out, group in (("model", lambda r: r.model), ("length", lambda r: r.prompt_tokens))
    ),
    *(
        Fold("numpy-cpu", f"leave one corpus out: {what}", "numpy-cpu", lambda r: r.corpus, tested_on=test)
        for what, test in (
            ("BM25", lambda r: r.quantity == "postings"),
            ("flat scan", lambda r: r.quantity == "flat_scan"),
        )
    ),
)

_FITTED_ON: dict[str, Test] = {"fastertransformer-encoders": _on_a100}
"""Rows of a stack's table that its shipped constants are fitted on, where not on all."""


_REPORTED = {"fold", "n", "median_error", "p90_error"}


def report(name: str | None = None) -> list[dict[str, Any]]:
    """Each fold as {stack, fold, n, median_error, p90_error}: absolute relative errors of the calibrated seconds.

    Of the stack with this name, or of all. Raises `UnknownProfile` for one that does not ship.
    """
    if name is not None and name not in stacks():
        raise UnknownProfile("software stack with measurements that ship", name, stacks())
    folds = [fold for fold in FOLDS if name in (None, fold.stack)]
    return [{"stack": fold.stack, **summary(fold).model_dump(mode="json", include=_REPORTED)} for fold in folds]


def summary(fold: Fold) -> HeldOut:
    """The errors of a fold, as `stacks.yaml` ships them."""
    found = summarised(fold.name, *held_out_errors(fold, measured_rows(fold.table)))
    return found.model_copy(update={"phases": fold.phases})


def summarised(name: str, rows: Rows, errors: FloatArray) -> HeldOut:
    """Median and p90 of the sizes of errors [rows], and what was measured."""
    sizes = np.abs(errors)
    return HeldOut(
        fold=name,
        n=len(sizes),
        median_error=round(float(np.median(sizes)), 4),
        p90_error=round(float(np.quantile(sizes, 0.9)), 4),
        hardware=tuple(sorted({row.hardware for row in rows})),
        dtypes=tuple(sorted({row.dtype for row in rows if isinstance(row, ModelRow)})),
    )


def held_out_errors(fold: Fold, table: Rows) -> tuple[Rows, FloatArray]:
    """The tested rows, and predicted over measured less 1 of each [rows], from constants fitted without its group."""
    rows = tuple(row for row in table if fold.rows(row))
    fits, tests = _mask(rows, fold.fitted_on), _mask(rows, fold.tested_on)
    data = measurements(rows, stack(fold.stack))
    if fold.group is None:
        errors = data.only(tests).relative_errors(fit(data.only(fits & ~tests)))
    else:
        errors = errors_by_group(data, np.array([str(fold.group(row)) for row in rows]), fits, tests)[tests]
    return tuple(row for row, tested in zip(rows, tests, strict=True) if tested), errors


def errors_by_group(data: Measurements, groups: np.ndarray[Any, Any], fits: BoolArray, tests: BoolArray) -> FloatArray:
    """Errors [rows] of each group [rows] by the constants of the others; NaN for what is not tested."""
    errors = np.full(len(groups), np.nan)
    for group in np.unique(groups[tests]):
        out = groups == group
        errors[tests & out] = data.only(tests & out).relative_errors(fit(data.only(fits & ~out)))
    return errors


def fitted(name: str) -> Constants:
    """The constants of a stack from its first table: what `stacks.yaml` ships."""
    table = next(fold.table for fold in FOLDS if fold.stack == name)
    kept = _FITTED_ON.get(name, lambda row: True)
    return fit(measurements(tuple(row for row in measured_rows(table) if kept(row)), stack(name)))


def bounds(rows: Rows, of: StackForm) -> FloatArray:
    """Physical bound of each row [rows], seconds."""
    return np.array([bound(row, of) for row in rows])


def bound(row: MeasuredRow, of: StackForm) -> float:
    """Physical bound of what was measured, on the hardware that it was measured on."""
    profile = hardware(row.hardware)
    return sum(times * bound_seconds(p.phase, profile, p.accelerators) for p, times in row.phases(of))


def measurements(rows: Rows, of: StackForm) -> Measurements:
    """Rows as arrays to fit on: each is the sum of its phases."""
    phases = [
        (row.hardware, index, placed, times) for index, row in enumerate(rows) for placed, times in row.phases(of)
    ]
    places = sorted({name for name, *_ in phases})
    ordered = [phase for place in places for phase in phases if phase[0] == place]
    tables = [
        PhaseTable.of([placed for name, _, placed, _ in phases if name == place], hardware(place), of)
        for place in places
    ]
    return Measurements(
        table=PhaseTable.joined(tables),
        owner=np.array([index for _, index, _, _ in ordered]),
        times=np.array([times for _, _, _, times in ordered], float),
        seconds=np.array([row.seconds for row in rows]),
    )


def _mask(rows: Rows, test: Test) -> BoolArray:
    return np.array([test(row) for row in rows], bool)
