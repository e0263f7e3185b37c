"""Long Range Arena's part of the board: scores by group, what runs take at each length, and how they learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from harness.efficiency import run_prices
from harness.efficiency.serving import Price, Reference, price
from harness.efficiency.work import Stage, Tally
from harness.errors import InputError
from harness.plain import plain
from harness.store import Database, read, read_examples, read_work
from leaderboard import charts, text
from leaderboard.rows import DIGITS, Entry

if TYPE_CHECKING:
    from harness.contract import FloatArray

LENGTHS = (1024, 2048, 3072, 4096, 16384)
"""Symbols; the first four are those of the paper's table of speeds."""
_GROWTH = (4096, 16384)
_MOST_RUNS = 30
"""Whose groups and curves are drawn, the best first."""


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """Scores by group, score against idealized milliseconds at each length, and the learning curves."""
    ranked = [entry for entry in found if entry.rank is not None]
    state = st.session_state
    on = run_prices.reference(hardware=state.get("hardware"), stack=state.get("stack"))
    works = read_work.works(database, [entry.run for entry in ranked])
    by_length = {run: at_lengths(work.stages, on) for run, work in works.items()}
    _show_groups(database, ranked)
    _show_lengths([entry for entry in ranked if by_length.get(entry.run)], by_length, on, version["primary_metric"])
    _show_curves(database, ranked)


def by_group(groups: Sequence[Mapping[str, str]], right: FloatArray) -> dict[str, dict[str, tuple[float, int]]]:
    """Group → its values in order → the share that is right, and of how many examples: `right` is [examples]."""
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for name in dict.fromkeys(name for one in groups for name in one):
        values = [one.get(name, "") for one in groups]
        members = {value: [v == value for v in values] for value in sorted(set(values), key=_natural)}
        found[name] = {value: (float(right[inside].mean()), sum(inside)) for value, inside in members.items()}
    return found


def _natural(value: str) -> tuple[float, str]:
    """Numbers, and ranges by their beginnings, before words."""
    number = value.partition("-")[0]
    return (float(number) if number.isdigit() else math.inf, value)


def _show_groups(database: Database, shown: Sequence[Entry]) -> None:
    """A table for one group at a time: a row for each run, a column for each value."""
    if not shown:
        return
    golds = [gold if isinstance(gold, Mapping) else {} for gold in read_examples.example_gold(database, shown[0].run)]
    groups = [gold.get("groups", {}) for gold in golds]
    names = list(dict.fromkeys(name for one in groups for name in one))
    if not names:
        return
    text.section("By group")
    name = st.selectbox("Group", names, format_func=text.readable, key="group", width=250) or names[0]
    chosen = [{name: one.get(name, "")} for one in groups]
    rows: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for entry in shown[:_MOST_RUNS]:
        _, columns = read_examples.example_scores(database, entry.run)
        if len(columns.get("right", ())) == len(chosen):
            shares = by_group(chosen, columns["right"])[name]
            counts = {value: count for value, (_, count) in shares.items()}
            rows.append({"Submission": entry.label} | {value: share for value, (share, _) in shares.items()})
    if not rows:
        return
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        column_config={
            value: st.column_config.NumberColumn(plain(value), format=f"%.{DIGITS}f", help=f"{count:,} examples")
            for value, count in counts.items()
        },
        alt=f"Accuracy of each run by {name}",
    )


def at_lengths(stages: Sequence[Stage], on: Reference) -> dict[int, Price]:
    """What one sequence of each of `LENGTHS` takes; nothing for work that does not depend on length or has no price."""
    reading = [stage for stage in stages if len(stage.prompt) > 1]
    if not reading:
        return {}
    try:
        return {
            length: price(reading, [Tally(stage.name, 1, prompt_tokens=length) for stage in reading], on)
            for length in LENGTHS
        }
    except InputError:
        return {}


def growth(prices: Mapping[int, Price]) -> float | None:
    """The exponent of FLOPs in the length, from 4,096 to 16,384 symbols: 1 for linear, 2 for quadratic work."""
    low, high = (_flops(prices[length]) for length in _GROWTH)
    return math.log(high / low) / math.log(_GROWTH[1] / _GROWTH[0]) if low > 0 and high > 0 else None


def _flops(priced: Price) -> float:
    phases = [(phase, times) for stage in priced.stages for phase, times in stage.phases]
    return sum(times * phase.flops for phase, times in phases)


def milliseconds(prices: Mapping[str, Mapping[int, Price]]) -> tuple[str, dict[str, dict[int, float]]]:
    """The basis that all runs have, calibrated or else the bound, and by it run → length → milliseconds.

    Bases are never set beside each other.
    """
    calibrated = {
        run: {length: 1e3 * one.calibrated_seconds for length, one in priced.items() if one.calibrated_seconds}
        for run, priced in prices.items()
    }
    if all(len(calibrated[run]) == len(priced) for run, priced in prices.items()):
        return "calibrated", calibrated
    return "bound", {run: {n: 1e3 * one.bound_seconds for n, one in priced.items()} for run, priced in prices.items()}


def _show_lengths(
    shown: Sequence[Entry], prices: Mapping[str, Mapping[int, Price]], on: Reference, metric: str
) -> None:
    if not shown:
        return
    text.section("Longer sequences")
    basis, taken = milliseconds({entry.run: prices[entry.run] for entry in shown})
    points = [
        {
            "name": entry.label,
            "score": entry.value,
            "length": f"{length:,}",
            "milliseconds": taken[entry.run][length],
        }
        for entry in shown
        for length in LENGTHS
    ]
    ink = alt.value(charts.first_colour())
    base = alt.Chart(text.frame(points)).encode(
        x=alt.X(
            "milliseconds:Q",
            scale=alt.Scale(type="log"),
            title=f"{text.readable(basis)} milliseconds of a sequence (log scale)",
        ),
        y=alt.Y("score:Q", scale=alt.Scale(zero=False), title=metric),
    )
    marks = base.mark_point(filled=True, size=70).encode(
        color=ink,
        shape=alt.Shape("length:N", sort=[f"{length:,}" for length in LENGTHS], title="Symbols"),
        tooltip=[
            alt.Tooltip("name:N", title="Submission"),
            alt.Tooltip("length:N", title="Symbols"),
            alt.Tooltip("milliseconds:Q", title="Milliseconds", format=".4g"),
            alt.Tooltip("score:Q", title=metric, format=f".{DIGITS}f"),
        ],
    )
    paths = base.mark_line(strokeWidth=1, opacity=0.5).encode(color=ink, detail="name:N")
    longest = LENGTHS[-1]
    fastest = min(shown, key=lambda entry: taken[entry.run][longest])
    least = taken[fastest.run][longest]
    described = f"Score of {len(shown)} runs against the milliseconds ({basis}) of one sequence at each length. "
    described += f"The fastest at {longest:,} symbols: {fastest.label}, {least:.4g} ms."
    st.altair_chart(charts.legible(alt.layer(paths, marks).properties(height=360)), width="stretch", alt=described)
    _show_table(shown, taken, prices, metric)
    why = "the bound, for some runs have no calibrated seconds" if basis == "bound" else "calibrated"
    text.note(
        f"One sequence at a time on {on}: {why}. The score is of this task's own sequences; only the cost is at other "
        "lengths. Growth: the exponent of FLOPs from 4,096 to 16,384 symbols."
    )


def _show_table(
    shown: Sequence[Entry],
    taken: Mapping[str, Mapping[int, float]],
    prices: Mapping[str, Mapping[int, Price]],
    metric: str,
) -> None:
    rows = [
        {"Submission": entry.label, metric: entry.value}
        | {f"{length:,} (ms)": taken[entry.run][length] for length in LENGTHS}
        | {"Growth": growth(prices[entry.run]), "Weights (MB)": prices[entry.run][LENGTHS[0]].weights_bytes / 1e6}
        for entry in shown
    ]
    number = st.column_config.NumberColumn
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        column_config={
            metric: number(format=f"%.{DIGITS}f"),
            **{f"{length:,} (ms)": number(format="%.4g") for length in LENGTHS},
            "Growth": number(format="%.2f"),
            "Weights (MB)": number(format="%.3g"),
        },
        alt="Idealized milliseconds of each run at each length",
    )


def _show_curves(database: Database, shown: Sequence[Entry]) -> None:
    """The curves of all runs that trained, one chart for each kind of curve."""
    trained = {entry.label: read.curves(database, entry.run) for entry in shown[:_MOST_RUNS]}
    names = sorted({name for curves in trained.values() for name, points in curves.items() if points})
    if not names:
        return
    text.section("Learning curves of all runs")
    for column, name in zip(st.columns(len(names)), names, strict=True):
        points = [
            {"name": label, "step": step, "value": value}
            for label, curves in trained.items()
            for step, value in curves.get(name, ())
        ]
        chart = (
            alt.Chart(text.frame(points))
            .mark_line()
            .encode(
                x=alt.X("step:Q", title="Step"),
                y=alt.Y("value:Q", title=text.readable(name), scale=alt.Scale(zero=False)),
                color=alt.Color("name:N", title=None, legend=alt.Legend(orient="bottom", columns=2)),
                tooltip=["name:N", alt.Tooltip("step:Q"), alt.Tooltip("value:Q", format=".4f")],
            )
            .properties(height=260)
        )
        trained_so = len({point["name"] for point in points})
        described = f"{name} by training step of {trained_so} {'run' if trained_so == 1 else 'runs'}"
        column.altair_chart(charts.legible(chart), width="stretch", alt=described)
