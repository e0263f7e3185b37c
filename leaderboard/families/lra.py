"""Long Range Arena's part of the board: mechanisms over seeds, scores by group, longer sequences, learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from harness.contract import Suite
from harness.plain import plain
from harness.store import Database, read, read_examples
from leaderboard import charts, text
from leaderboard.families.lra_lengths import show_lengths
from leaderboard.families.lra_mechanisms import of_task, show_mechanisms
from leaderboard.rows import DIGITS, Entry

if TYPE_CHECKING:
    from harness.contract import FloatArray

_MOST_RUNS = 30
"""Whose groups and curves are drawn, the best first."""


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """Mechanisms over seeds with badges, scores by group, longer sequences, and the learning curves."""
    ranked = [entry for entry in found if entry.rank is not None]
    mechanisms = of_task(database, version)
    show_mechanisms(database, {version["name"]: mechanisms})
    _show_groups(database, ranked)
    show_lengths(database, mechanisms, version["primary_metric"])
    _show_curves(database, ranked)


def show_suite(database: Database, suite: Suite) -> None:
    """Mechanisms by task: each task trains with settings of its own, so no submission covers them all."""
    versions = {task: read.task_versions(database, task) for task in suite.tasks()}
    found = {task: of_task(database, known[0]) for task, known in versions.items() if known}
    show_mechanisms(database, found)


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
