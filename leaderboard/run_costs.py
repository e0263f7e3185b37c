"""What an example of a run takes on reference hardware: by stage, with its largest operations and what is held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.efficiency.closed_form import averaged
from harness.efficiency.ledger import Phase
from harness.efficiency.pricing import OF_THE_HOST
from harness.efficiency.run_prices import columns, preparing
from harness.efficiency.serving import Price, Reference, StageSeconds, price, price_preparing
from harness.efficiency.work import Stage
from harness.errors import InputError
from harness.store import Database, read_work
from harness.store.read import RunDetail
from harness.units import short_seconds_text
from leaderboard import costs, roofline, text

_LARGEST = 8


def show(database: Database, detail: RunDetail) -> None:
    """The three columns of the run, each with what it rests on."""
    summary = detail.summary
    text.section("What an example takes")
    with st.container(horizontal=True):
        on = costs.choose_reference()
    work = read_work.works(database, [summary["run"]]).get(summary["run"])
    found = columns(summary, work, on)
    text.figures(_figures(summary, found))
    if work is None or found["unpriced"]:
        text.note(f"Not priced: {found['unpriced']}.")
        return
    try:
        priced = price(work.stages, work.served, on)
    except InputError as error:
        text.note(f"Not priced: {error.message}.")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _show_stages(priced, "Stages of an example")
    with right:
        _show_operations(priced)
    _show_rooflines(work.stages, priced, on)
    text.facts(_memory(priced, found, summary))
    text.note(f"Counted operations: ledger {work.ledger_digest[:12]}, priced on {on}, one example at a time.")
    _show_preparing(summary, work, on)


def _show_preparing(summary: Mapping[str, Any], work: read_work.RunWork, on: Reference) -> None:
    """What came before the first example: once for the run, and part of none of the figures above."""
    text.section("What preparing takes")
    found = preparing(summary, work, on)
    if found["preparing_unpriced"]:
        text.note(f"Not priced: {found['preparing_unpriced']}.")
        return
    error = found["preparing_calibrated_error_p90"]
    spread = "no error is known" if error is None else f"error, p90: ± {error:.0%}"
    text.figures(
        [
            ("Calibrated, once", short_seconds_text(found["preparing_calibrated_seconds"]) or "–", spread),
            ("Bound, once", short_seconds_text(found["preparing_bound_seconds"]) or "–", "not part of an example's"),
        ]
    )
    _show_stages(price_preparing(work.stages, work.preparing, on), "Stages of preparing")
    text.note("Encoding a corpus in the padded batches of the run, indexing, training: all of it together, once.")


def _figures(summary: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    error = found["calibrated_error_p90"]
    if error is not None:
        spread = f"error, p90: ± {error:.0%}"
    elif found["stack"] and found["calibrated_seconds"] is None:
        spread = "no stack was fitted to a program that it runs on the host"
    else:
        spread = "no error is known" if found["stack"] else "no stack"
    return [
        ("Calibrated", _milliseconds(found["calibrated_seconds"]), spread),
        ("Bound", _milliseconds(found["bound_seconds"]), "no implementation is faster"),
        ("Observed", _milliseconds(found["observed_seconds"]), _observation(summary, found)),
    ]


def _observation(summary: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if found["observed_refused"]:
        return f"refused: {found['observed_refused']}"
    repeats = f"fastest of {summary['observed_n']} repeats over {summary['observed_examples']} examples"
    median = f"median {_milliseconds(summary['observed_median_seconds'])}"
    slowest = f"slowest {_milliseconds(summary['observed_max_seconds'])}"
    return f"{repeats}, {median}, {slowest}; {summary['observed_clock']} seconds of the run's machine"


def _show_stages(priced: Price, alt: str) -> None:
    rows = [
        {
            "Stage": stage.name,
            "On": stage.hardware,
            "Bound (ms)": costs.milliseconds(stage.bound_seconds),
            "Calibrated (ms)": costs.milliseconds(stage.calibrated_seconds),
            "FLOPs": sum(flops for _, flops, _ in _operations(stage)),
            "Bytes": sum(moved for _, _, moved in _operations(stage)),
        }
        for stage in priced.stages
    ]
    number = st.column_config.NumberColumn
    shown = {name: number(format="%.4g") for name in ("Bound (ms)", "Calibrated (ms)")}
    shown |= {name: number(format="scientific") for name in ("FLOPs", "Bytes")}
    st.dataframe(text.frame(rows), hide_index=True, column_config=shown, alt=alt)


def _show_operations(priced: Price) -> None:
    flops: defaultdict[tuple[str, str], float] = defaultdict(float)
    moved: defaultdict[tuple[str, str], float] = defaultdict(float)
    for stage in priced.stages:
        for name, of, at in _operations(stage):
            flops[stage.name, name] += of
            moved[stage.name, name] += at
    largest = sorted(moved, key=lambda key: moved[key], reverse=True)[:_LARGEST]
    rows = [
        {"Stage": stage, "Operation": name, "FLOPs": flops[stage, name], "Bytes": moved[stage, name]}
        for stage, name in largest
    ]
    number = st.column_config.NumberColumn(format="scientific")
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        column_config={"FLOPs": number, "Bytes": number},
        alt="Operations that move most bytes",
    )


def _show_rooflines(stages: Sequence[Stage], priced: Price, on: Reference) -> None:
    """One chart for each hardware and stack that stages with arithmetic run on; nothing if there are none."""
    by_name = {stage.name: stage for stage in stages}
    grouped: defaultdict[tuple[str, str], list[StageSeconds]] = defaultdict(list)
    for stage in priced.stages:
        grouped[stage.hardware, stage.stack].append(stage)
    for found in grouped.values():
        side = on.side(by_name[found[0].name])
        shared = priced.accelerators if found[0].device == "accelerator" else 1
        phases = [(phase, times) for stage in found for phase, times in _averages(stage)]
        if roofline.show(phases, side, shared):
            software = f"as {side.stack.name} is calibrated" if side.stack else "at the bound"
            text.note(f"Roofline of an average example on {side.hardware.name}, {software}: a point an operation.")


def _averages(stage: StageSeconds) -> list[tuple[Phase, float]]:
    """One phase for all the lengths that examples have, or the chart would have a point for each."""
    alike: defaultdict[tuple[Any, ...], list[tuple[Phase, float]]] = defaultdict(list)
    for phase, times in stage.phases:
        alike[phase.name, *((o.name, o.dtype) for o in phase.operations)].append((phase, times))
    return [(averaged(phases), sum(times for _, times in phases)) for phases in alike.values()]


def _operations(stage: StageSeconds) -> list[tuple[str, float, float]]:
    """Name, FLOPs and bytes of the work itself; what a program does around it is in its own stack's seconds alone."""
    return [
        (o.name, times * o.count * o.flops, times * o.count * (o.bytes_read + o.bytes_written))
        for phase, times in stage.phases
        for o in phase.operations
        if o.kind not in OF_THE_HOST
    ]


def _memory(priced: Price, found: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, str]:
    shown = {
        "Weights": _size(priced.weights_bytes),
        "Cache a token": _size(priced.kv_bytes_per_token),
        "State a sequence": _size(priced.state_bytes),
        "Index": _size(priced.index_bytes),
        "Peak activations": _size(priced.peak_activation_bytes),
        "Peak resident, observed": _size(summary["peak_rss_bytes"] or 0),
        "Accelerators needed": str(priced.accelerators or ""),
    }
    if priced.accelerators:
        shown["Accelerator-seconds for 1,000,000 examples"] = f"{1e6 * found['accelerator_seconds']:.4g}"
        if found["energy_joules"] is not None:
            shown["Energy, at most"] = f"{1e6 * found['energy_joules'] / 3.6e6:.3g} kWh"
        if found["dollars"] is not None:
            low, high = (1e6 * dollars for dollars in found["dollars"])
            shown[f"Price ({found['price_date']})"] = f"{low:.2g} to {high:.2g} dollars"
    return {name: value for name, value in shown.items() if value}


def _size(count: int) -> str:
    if not count:
        return ""
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.2f} MB"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.4g} ms"
