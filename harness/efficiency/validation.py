"""How wrong the calibrated prices are on measurements that the fit did not see, recomputed from the tables that ship.

Every fold leaves out whole models (or whole accelerator counts): constants are fitted on the rest and never on what is
reported. `measurements/` holds published times as facts, with their source row by row.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from harness.efficiency.calibration import BoolArray, Measurements, fit
from harness.efficiency.gpt_shapes import Shape, decode, prefill
from harness.efficiency.hardware import hardware
from harness.efficiency.pricing import FloatArray, PhaseTable, Placed, bound_seconds
from harness.efficiency.stacks import Constants, HeldOut, Stack, stack

MEASURED_ON = "A100-80GB-SXM"
_ELEMENT_BYTES = 2


class Row(msgspec.Struct, frozen=True):
    """One published time. A prefill makes the first token; a decode step is one further token at a context."""

    model: str
    accelerators: int
    batch: int
    prompt_tokens: int
    """The context, for a decode step."""
    output_tokens: int
    quantity: Literal["prefill", "decode_step", "request"]
    seconds: float
    source: str


Rows: TypeAlias = tuple[Row, ...]
Test: TypeAlias = Callable[[Row], bool]


@dataclass(frozen=True)
class Fold:
    """A way of holding out: rows of a table, grouped by what is left out together."""

    stack: str
    name: str
    table: str
    group: Callable[[Row], str | int]
    rows: Test = lambda row: True
    fitted_on: Test = lambda row: True
    tested_on: Test = lambda row: True


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
)


def report() -> list[dict[str, Any]]:
    """Each fold as {stack, fold, n, median_error, p90_error}: absolute relative errors of the calibrated seconds."""
    return [{"stack": fold.stack, **_measured(fold).model_dump(mode="json")} for fold in FOLDS]


def held_out_errors(fold: Fold, table: Rows) -> tuple[Rows, FloatArray]:
    """The tested rows, and predicted over measured less 1 of each [rows], from constants fitted without its group."""
    rows = tuple(row for row in table if fold.rows(row))
    data = measurements(rows, stack(fold.stack))
    groups = np.array([str(fold.group(row)) for row in rows])
    fits, tests = _mask(rows, fold.fitted_on), _mask(rows, fold.tested_on)
    errors = np.full(len(rows), np.nan)
    for group in np.unique(groups):
        out = groups == group
        constants = fit(data.only(fits & ~out))
        errors[tests & out] = data.only(tests & out).relative_errors(constants)
    return tuple(row for row, tested in zip(rows, tests, strict=True) if tested), errors[tests]


def fitted(name: str) -> Constants:
    """The constants of a stack from its whole table: what `stacks.yaml` ships."""
    return fit(measurements(measured_rows(name), stack(name)))


def bounds(rows: Rows, of: Stack) -> FloatArray:
    """Physical bound of each row [rows], seconds."""
    profile = hardware(MEASURED_ON)
    return np.array(
        [sum(times * bound_seconds(p.phase, profile, p.accelerators) for p, times in _phases(row, of)) for row in rows]
    )


def measurements(rows: Rows, of: Stack) -> Measurements:
    """Rows as arrays to fit on: each is a prefill, a decode step, or a request (prefill and mean decode steps)."""
    phases = [(index, placed, times) for index, row in enumerate(rows) for placed, times in _phases(row, of)]
    return Measurements(
        table=PhaseTable.of([placed for _, placed, _ in phases], hardware(MEASURED_ON), of),
        owner=np.array([index for index, _, _ in phases]),
        times=np.array([times for _, _, times in phases], float),
        seconds=np.array([row.seconds for row in rows]),
    )


@cache
def measured_rows(table: str) -> Rows:
    """The rows of a table, such as `megatron-2022`."""
    return tuple(msgspec.convert(list(_read(table)), list[Row], strict=False))


@cache
def shapes() -> dict[str, dict[str, Any]]:
    """Sizes of the measured models by name."""
    return {row.pop("model"): row for row in _read("models")}


def _phases(row: Row, of: Stack) -> Iterator[tuple[Placed, int]]:
    shape = msgspec.convert({**shapes()[row.model], "attention": of.attention}, Shape, strict=False)
    reduced = row.batch * shape.hidden * _ELEMENT_BYTES
    if row.quantity != "decode_step":
        prompt = prefill(shape, row.batch, row.prompt_tokens, logits_of_all_tokens=of.logits_of_all_tokens)
        yield Placed(prompt, row.accelerators, float(reduced * row.prompt_tokens)), 1
    steps = 1 if row.quantity == "decode_step" else row.output_tokens - 1
    if steps:
        context = row.prompt_tokens + (row.output_tokens / 2 if row.quantity == "request" else 0)
        yield Placed(decode(shape, row.batch, context), row.accelerators, float(reduced)), steps


def _measured(fold: Fold) -> HeldOut:
    errors = np.abs(held_out_errors(fold, measured_rows(fold.table))[1])
    return HeldOut(
        fold=fold.name,
        n=len(errors),
        median_error=round(float(np.median(errors)), 4),
        p90_error=round(float(np.quantile(errors, 0.9)), 4),
    )


def _mask(rows: Rows, test: Test) -> BoolArray:
    return np.array([test(row) for row in rows], bool)


def _read(table: str) -> Iterator[dict[str, Any]]:
    text = (resources.files("harness.efficiency") / "measurements" / f"{table}.csv").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
