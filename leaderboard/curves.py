"""The learning curves of a run that trained: a small chart for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import streamlit as st

from leaderboard import charts, text

_MOST_POINTS = 2000


def show(curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw each curve over training steps, side by side; nothing for a run that did not train."""
    drawn = {name: points for name, points in curves.items() if points}
    if not drawn:
        return
    text.section("Learning curves")
    for column, (name, points) in zip(st.columns(len(drawn)), drawn.items(), strict=True):
        thinned = points[:: 1 + len(points) // _MOST_POINTS]
        table = text.frame([{"step": step, "value": value} for step, value in thinned])
        chart = (
            alt.Chart(table)
            .mark_line(color=charts.first_colour())
            .encode(
                x=alt.X("step:Q", title="Step"),
                y=alt.Y("value:Q", title=text.readable(name), scale=alt.Scale(zero=False)),
                tooltip=[alt.Tooltip("step:Q", title="Step"), alt.Tooltip("value:Q", title=name, format=".4f")],
            )
            .properties(height=220)
        )
        ends = f"from {points[0][1]:.4g} at step {points[0][0]:g} to {points[-1][1]:.4g} at step {points[-1][0]:g}"
        column.altair_chart(charts.legible(chart), width="stretch", alt=f"{name} by training step, {ends}")
