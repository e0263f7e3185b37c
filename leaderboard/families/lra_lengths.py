"""Quality against what batches of longer sequences take: idealized milliseconds, or bytes that are alive at once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import msgspec
import streamlit as st

from harness.efficiency import at_lengths, run_prices
from harness.efficiency.at_lengths import BATCH, LENGTHS
from harness.efficiency.ledger import Phase
from harness.efficiency.serving import Price, Reference, price
from harness.efficiency.work import Stage, Tally
from harness.errors import InputError
from harness.store import Database, read_work
from leaderboard import charts, downloads, text
from leaderboard.families.lra_mechanisms import Mechanism, OnTask
from leaderboard.rows import DIGITS

_GROWTH = (4096, 16384)
_WORK = {"Answering": at_lengths.ANSWER, "Training": at_lengths.TRAIN}
_COSTS = ("Milliseconds", "Memory (MB)")


def prices(stages: Sequence[Stage], name: str, on: Reference) -> dict[int, Price]:
    """What a batch of each length takes; without those that no number of accelerators holds, or that have no price."""
    found: dict[int, Price] = {}
    for stage in stages:
        for length, phase in stage.prompt if stage.name == name else ():
            with contextlib.suppress(InputError):
                alone = msgspec.structs.replace(stage, prompt=(), once=phase)
                found[length] = price([alone], [Tally(name, 1)], on)
    return found


def growth(batches: Mapping[int, Phase]) -> float:
    """The exponent of the whole model's FLOPs in the length, from 4,096 to 16,384 symbols."""
    low, high = (batches[length].flops for length in _GROWTH)
    return math.log(high / low) / math.log(_GROWTH[1] / _GROWTH[0])


def seconds(found: Mapping[str, Mapping[int, Price]]) -> tuple[str, dict[str, dict[int, float]]]:
    """The basis that all have, calibrated or else the bound, and by it name → length → seconds of a batch.

    Bases are never set beside each other.
    """
    calibrated = {
        name: {length: one.calibrated_seconds for length, one in priced.items() if one.calibrated_seconds}
        for name, priced in found.items()
    }
    if all(len(calibrated[name]) == len(priced) for name, priced in found.items()):
        return "calibrated", calibrated
    return "bound", {name: {n: one.bound_seconds for n, one in priced.items()} for name, priced in found.items()}


def held_bytes(stages: Sequence[Stage], name: str) -> dict[int, int]:
    """Length → weights and what is alive at once beside them."""
    return {
        length: stage.memory.weights_bytes + phase.peak_bytes
        for stage in stages
        if stage.name == name
        for length, phase in stage.prompt
    }


def show_lengths(database: Database, found: OnTask, metric: str) -> None:
    """A chart and a table of the mechanisms that were traced at these lengths."""
    state = st.session_state
    on = run_prices.reference(hardware=state.get("hardware"), stack=state.get("stack"))
    works = read_work.works(database, [one.run for one in found.mechanisms])
    stages = {one.name: works[one.run].stages for one in found.mechanisms if one.run in works}
    shown = [one for one in found.mechanisms if at_lengths.phases(stages.get(one.name, ()), at_lengths.ANSWER)]
    if not shown:
        return
    text.section("Longer sequences")
    with st.container(horizontal=True):
        name = _WORK[st.segmented_control("Work", list(_WORK), default="Answering", required=True, key="lengths_work")]
        cost = st.segmented_control("Cost", _COSTS, default=_COSTS[0], required=True, key="lengths_cost")
    basis, taken = seconds({one.name: prices(stages[one.name], name, on) for one in shown})
    if cost == "Milliseconds":
        values = {one: {n: 1e3 * value for n, value in by_length.items()} for one, by_length in taken.items()}
        axis = f"{text.readable(basis)} milliseconds of a batch of {BATCH} (log scale)"
    else:
        values = {one.name: {n: b / 1e6 for n, b in held_bytes(stages[one.name], name).items()} for one in shown}
        axis = f"Megabytes alive at once for a batch of {BATCH}, weights included (log scale)"
    _chart(shown, values, axis, metric)
    exponents = {one.name: growth(at_lengths.phases(stages[one.name], name)) for one in shown}
    _table(shown, values, exponents, cost, metric)
    why = "the bound, for some have no calibrated seconds" if basis == "bound" else "calibrated"
    text.note(
        f"Batches of {BATCH} on {on}: {why}; traced with fused attention, in float32. The score is of this task's own "
        "sequences, the mean over seeds; only the cost is at other lengths. Nothing stands where no number of "
        "accelerators holds it. Growth: the exponent of the whole model's FLOPs from 4,096 to 16,384 symbols."
    )


def _chart(shown: Sequence[Mechanism], values: Mapping[str, Mapping[int, float]], axis: str, metric: str) -> None:
    points = [
        {"name": one.name, "score": one.mean, "length": f"{length:,}", "cost": values[one.name][length]}
        for one in shown
        for length in values[one.name]
    ]
    ink = alt.value(charts.first_colour())
    base = alt.Chart(text.frame(points)).encode(
        x=alt.X("cost:Q", scale=alt.Scale(type="log"), title=axis),
        y=alt.Y("score:Q", scale=alt.Scale(zero=False), title=metric),
    )
    marks = base.mark_point(filled=True, size=70).encode(
        color=ink,
        shape=alt.Shape("length:N", sort=[f"{length:,}" for length in LENGTHS], title="Symbols"),
        tooltip=[
            alt.Tooltip("name:N", title="Mechanism"),
            alt.Tooltip("length:N", title="Symbols"),
            alt.Tooltip("cost:Q", title=axis.removesuffix(" (log scale)"), format=".4g"),
            alt.Tooltip("score:Q", title=metric, format=f".{DIGITS}f"),
        ],
    )
    paths = base.mark_line(strokeWidth=1, opacity=0.5).encode(color=ink, detail="name:N")
    described = f"Score of {len(shown)} mechanisms against {axis} at each length."
    st.altair_chart(charts.legible(alt.layer(paths, marks).properties(height=360)), width="stretch", alt=described)


def _table(
    shown: Sequence[Mechanism],
    values: Mapping[str, Mapping[int, float]],
    exponents: Mapping[str, float],
    cost: str,
    metric: str,
) -> None:
    rows: list[dict[str, Any]] = [
        {"Mechanism": one.name, metric: one.mean}
        | {f"{length:,}": values[one.name].get(length) for length in LENGTHS}
        | {"Growth": exponents[one.name]}
        for one in shown
    ]
    number = st.column_config.NumberColumn
    table = text.frame(rows)
    st.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        column_config={
            metric: number(format=f"%.{DIGITS}f"),
            **{f"{length:,}": number(format="%.4g", help=f"{cost} at {length:,} symbols") for length in LENGTHS},
            "Growth": number(format="%.2f"),
        },
        alt=f"{cost} of each mechanism at each length",
    )
    downloads.of_table(table, "lengths")
