"""Intrusion detection's part of the board: operating points, precision where attacks are rare, cost, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import streamlit as st

from harness.contract import Suite
from harness.metrics.detection import ATTACK_RATE, curve
from harness.store import Database, read, read_examples, read_work
from leaderboard import charts, effects, text
from leaderboard.families import nids_sets
from leaderboard.families.nids_sets import seconds_per_million
from leaderboard.rows import DIGITS, Entry

if TYPE_CHECKING:
    from harness.contract import FloatArray

_METRICS = ("detection_rate", "false_alarm_rate", "detection@far1%", "unseen_detection")
_MOST_RUNS = 12
_POINTS = 150
_LEAST_ALARMS = 1e-4
"""Left end of the chart: a false alarm rate of 0 has no place on a logarithmic scale."""


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """Detection against false alarms of the best runs, and what they would be worth where attacks are rare."""
    values = {metric: read.values(database, version["name"], metric) for metric in _METRICS}
    ranked = [entry for entry in found if entry.rank is not None and entry.run in values["false_alarm_rate"]]
    if not ranked:
        return
    _show_curves(database, ranked[:_MOST_RUNS])
    _show_table(database, ranked, values)
    effects.show(database, version, version["primary_metric"])


def show_suite(database: Database, suite: Suite) -> None:
    """Every task of the family side by side, the badged ones too, and what is odd about each."""
    nids_sets.show(database)


def operating_points(attack: FloatArray, score: FloatArray) -> list[tuple[float, float]]:
    """(false alarm rate, detection rate) at thresholds from strict to lax, thinned."""
    _, alarms, hits = curve(attack, score)
    # Evenly over the logarithm of the rate, where the few strict thresholds count as much as the many lax ones.
    wanted = np.geomspace(_LEAST_ALARMS, 1, _POINTS)
    kept = np.unique(np.searchsorted(alarms, wanted, side="right") - 1)
    return [(float(alarms[place]), float(hits[place])) for place in kept[kept >= 0]]


def precision_at(attack_rate: float, detection_rate: float, false_alarm_rate: float) -> float:
    """Share of alarms that are attacks where `attack_rate` of flows are (Axelsson 2000); 0 without alarms."""
    hits, alarms = attack_rate * detection_rate, (1 - attack_rate) * false_alarm_rate
    return hits / (hits + alarms) if hits + alarms else 0.0


def _show_curves(database: Database, shown: Sequence[Entry]) -> None:
    points = []
    for entry in shown:
        _, columns = read_examples.example_scores(database, entry.run)
        if {"attack", "score"} <= columns.keys():
            points += [
                {"name": entry.label, "alarms": max(alarms, _LEAST_ALARMS), "detection": detection}
                for alarms, detection in operating_points(columns["attack"], columns["score"])
            ]
    if not points:
        return
    text.section("Operating points")
    chart = (
        alt.Chart(text.frame(points))
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=12))
        .encode(
            x=alt.X("alarms:Q", scale=alt.Scale(type="log"), title="False alarm rate (log scale)"),
            y=alt.Y("detection:Q", scale=alt.Scale(domain=[0, 1]), title="Detection rate"),
            color=alt.Color("name:N", title=None, legend=alt.Legend(orient="bottom", columns=3)),
            tooltip=[
                alt.Tooltip("name:N", title="Submission"),
                alt.Tooltip("alarms:Q", title="False alarm rate", format=".4f"),
                alt.Tooltip("detection:Q", title="Detection rate", format=".4f"),
            ],
        )
        .properties(height=360)
    )
    count = len({point["name"] for point in points})
    described = f"Detection rate against false alarm rate of {count} {'run' if count == 1 else 'runs'}, by threshold"
    st.altair_chart(charts.legible(chart), width="stretch", alt=described)
    text.note(f"Each point is a threshold that the scores allow. Rates below {_LEAST_ALARMS:g} stand at the left end.")


def _show_table(database: Database, shown: Sequence[Entry], values: Mapping[str, Mapping[str, float]]) -> None:
    text.section("Where attacks are rare")
    percent = st.number_input(
        "Attacks among 100 flows", min_value=0.001, max_value=99.0, value=100 * ATTACK_RATE, format="%.3f"
    )
    works = read_work.works(database, [entry.run for entry in shown])
    detected, alarmed = values["detection_rate"], values["false_alarm_rate"]
    rows = [
        {
            "Submission": entry.label,
            "Precision": precision_at(percent / 100, detected[entry.run], alarmed[entry.run]),
            "Detection": detected[entry.run],
            "False alarms": alarmed[entry.run],
            "Detection at 1 % false alarms": values["detection@far1%"].get(entry.run),
            "Unseen types": values["unseen_detection"].get(entry.run),
            "A million flows (s)": seconds_per_million(works.get(entry.run)),
        }
        for entry in shown
    ]
    number = st.column_config.NumberColumn
    rates = {name: number(format=f"%.{DIGITS}f") for name in list(rows[0])[1:-1]}
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        column_config={**rates, "A million flows (s)": number(format="%.3g")},
        alt="Precision at the chosen share of attacks, and cost, of each run",
    )
    text.note(
        "Precision is of alarms at the threshold that the model answers with, by Bayes' rule. Unseen types are attacks "
        "that training does not have. Seconds are idealized, of flows one at a time: calibrated where the stack "
        "is, else the bound."
    )
