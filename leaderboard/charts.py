"""The charts: score against cost, and how the scores of single examples are spread.

Colours are those of Okabe and Ito (2008), told apart with any colour vision; shape and fill say the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import streamlit as st

from harness.contract import Line
from leaderboard import downloads, text
from leaderboard.lines import best_floor
from leaderboard.reported import Reported
from leaderboard.rows import DIGITS, Entry, pareto

if TYPE_CHECKING:
    from harness.contract import FloatArray

_BEST, _OTHER = "Pareto-best", "dominated"
_COLOURS = {"light": ("#0072B2", "#B35900", "#1b2330"), "dark": ("#56B4E9", "#E69F00", "#e8ecf2")}
_LEAST_SPENT = 1e-9  # a logarithmic axis has no zero
_MOST_DRAWN = 1000
_SMALLEST, _LARGEST = 80, 420  # area of a point in pixels
_BINS = 20
_HEIGHT, _PADDING = 420, 12
_AXIS_AND_LEGEND = 131  # pixels of the height
_PHONE = 290  # pixels of a phone that are left beside the axis
_NARROWEST = 900  # pixels; names that do not meet at this width do not meet on a wider chart
_LETTER, _LINE = 7, 15  # pixels of a name's letter and line
_PLACES = {"above": -11, "below": 14}  # pixels from the point down to the name's middle


@dataclass(frozen=True)
class Drawing:
    """A chart, what it says in words, and how many runs it leaves out."""

    chart: Any
    alt: str
    left_out: int


def score_against_cost(
    entries: Sequence[Entry],
    others: Sequence[Reported],
    held_against: Sequence[Line],
    metric: str,
    spent: Mapping[str, float],
    axis: str,
) -> None:
    """Show the drawing of `score_and_cost`, or say that there is nothing to draw."""
    drawing = score_and_cost(entries, others, held_against, metric, spent, axis)
    if drawing is None:
        text.note("No run over the whole task has this cost.")
        return
    if drawing.left_out:
        text.note(f"Drawn: the {_MOST_DRAWN:,} best scores and the Pareto-best; {drawing.left_out:,} are not.")
    show(drawing.chart, drawing.alt, "score-and-cost")


def score_and_cost(
    entries: Sequence[Entry],
    others: Sequence[Reported],
    held_against: Sequence[Line],
    metric: str,
    spent: Mapping[str, float],
    axis: str,
) -> Drawing | None:
    """Scatter of runs over the whole task: what they spent (by run, logarithmic) by score with its 95 % interval.

    Scores that were made elsewhere have no cost here: they stand at the right edge, grey and hollow, without interval.
    The best floor and the rungs are lines across. None if no run over the whole task has this cost.
    """
    shown = [entry for entry in entries if entry.rank is not None and entry.run in spent]
    if not shown:
        return None
    best = pareto(shown, spent)
    beside = [other for other in others if metric in other.metrics]
    drawn = [entry for place, entry in enumerate(shown) if place < _MOST_DRAWN or entry.run in best]
    table = text.frame([_point(entry, max(spent[entry.run], _LEAST_SPENT), entry.run in best) for entry in drawn])
    across = [line for line in held_against if line.kind == "rung" or line is best_floor(held_against)]
    frame = _Frame.around(table, [*(other.metrics[metric] for other in beside), *(line.value for line in across)])
    table["place"] = _places(table, frame)
    first, second, ink = _COLOURS[text.theme()]
    kind = alt.Scale(domain=[_BEST, _OTHER], range=[first, second])
    base = alt.Chart(table).encode(x=_cost_axis(frame, axis), y=_score_axis(metric), tooltip=_tooltip(metric, axis))
    colour = alt.Color("kind:N", scale=kind, legend=alt.Legend(title=None, orient="top"))
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=[_BEST, _OTHER], range=["circle", "diamond"]))
    front = base.transform_filter(alt.datum.kind == _BEST).mark_line(
        color=first, opacity=0.45, interpolate="step-after"
    )
    intervals = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=_SMALLEST, opacity=1).encode(color=colour, shape=shape, **_sized(table))
    names = [
        base.transform_filter(alt.datum.place == place)
        .mark_text(align="left", dx=8, dy=down, fontSize=13, color=ink)
        .encode(text="name:N")
        for place, down in _PLACES.items()
    ]
    behind = _lines(across, frame) if across else []
    edge = _at_the_edge(beside, metric, frame, table) if beside else []
    layers = [*behind, front, intervals, points, *names, *edge]
    chart = alt.layer(*layers).properties(height=_HEIGHT)
    said = _description(shown, best, beside, metric, spent, axis)
    return Drawing(legible(chart), said, len(shown) - len(drawn))


def _sized(points: Any) -> dict[str, Any]:
    """The larger the memory, the larger the point; where none is known all are alike."""
    known = points["memory"].dropna()
    if known.empty:
        return {}
    scale = alt.Scale(type="sqrt", domain=[0, float(known.max())], range=[_SMALLEST, _LARGEST])
    size = alt.Size("memory:Q", scale=scale, legend=alt.Legend(title="Memory (MB)", orient="top", values=_round(known)))
    return {"size": alt.condition("isValid(datum.memory)", size, alt.value(_SMALLEST))}


def _round(known: Any) -> list[float]:
    """One or two numbers for the legend: powers of ten below the largest."""
    top = int(np.floor(np.log10(max(float(known.max()), 1.0))))
    return [10.0**power for power in range(max(0, top - 1), top + 1)]


@dataclass(frozen=True)
class _Frame:
    """What the axes reach over."""

    left: float
    right: float
    low: float
    high: float

    @classmethod
    def around(cls, table: Any, beside: Sequence[float]) -> _Frame:
        """Room on the right for names, and a range of its own so that a single run is not stretched over the axis."""
        room = 10 if beside else 3
        low, high = min([table["low"].min(), *beside]), max([table["high"].max(), *beside])
        return cls(table["spent"].min() / 2, table["spent"].max() * room, low, high)

    def across(self, spent: FloatArray) -> FloatArray:
        """Share of the width from the left."""
        left, right = np.log([self.left, self.right])
        share: FloatArray = (np.log(spent) - left) / (right - left)
        return share

    def down(self, scores: FloatArray) -> FloatArray:
        """Pixels from the top."""
        return (self.high - scores) / ((self.high - self.low) or 1) * (_HEIGHT - _AXIS_AND_LEGEND - 2 * _PADDING)


def _lines(across: Sequence[Line], frame: _Frame) -> list[Any]:
    """The best floor, dashed, and the rungs, dotted, each with its name at the left."""
    table = text.frame(
        [{"name": f"{line.name} {line.value:.{DIGITS}f}", "score": line.value, "kind": line.kind} for line in across]
    )
    table["edge"] = frame.left
    grey = text.GREYS[text.theme()]
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=["floor", "rung"], range=[[6, 4], [2, 3]]), legend=None)
    base = alt.Chart(table).encode(y="score:Q")
    rules = base.mark_rule(color=grey).encode(strokeDash=dash)
    return [rules, base.mark_text(align="left", dx=4, dy=-6, fontSize=12, color=grey).encode(x="edge:Q", text="name:N")]


def _at_the_edge(beside: Sequence[Reported], metric: str, frame: _Frame, runs: Any) -> list[Any]:
    marks = text.frame(
        [{"name": o.label, "kind": o.verification, "score": o.metrics[metric], "source": o.citation} for o in beside]
    )
    marks["edge"] = frame.right
    marks["named"] = _apart(marks, frame, runs)
    grey = text.GREYS[text.theme()]
    base = alt.Chart(marks).encode(
        x=alt.X("edge:Q"),
        y=alt.Y("score:Q"),
        tooltip=[
            alt.Tooltip("name:N", title="Model"),
            alt.Tooltip("score:Q", title=metric, format=f".{DIGITS}f"),
            alt.Tooltip("kind:N", title="Verified"),
            alt.Tooltip("source:N", title="Source"),
        ],
    )
    points = base.mark_point(shape="triangle-left", filled=False, size=90, strokeWidth=1.6, color=grey, clip=False)
    names = base.transform_filter(alt.datum.named).mark_text(align="right", dx=-9, fontSize=12, color=grey)
    return [points, names.encode(text="name:N")]


def _apart(marks: Any, frame: _Frame, runs: Any) -> list[bool]:
    """Which of the names at the edge are printed: from the top down, those that leave room for a line.

    They keep clear of the names of runs on a phone, too, where both share the width.
    """
    taken = [
        (_PHONE * across + _LETTER * len(name), down + _PLACES[place])
        for across, down, name, place in zip(
            frame.across(runs["spent"].to_numpy()),
            frame.down(runs["score"].to_numpy()),
            runs["name"],
            runs["place"],
            strict=True,
        )
        if place
    ]
    down = frame.down(marks["score"].to_numpy())
    named, last = [False] * len(marks), -np.inf
    for i in np.argsort(down, kind="stable"):
        start = _PHONE - _LETTER * len(marks["name"].iloc[i])
        free = all(end < start or abs(down[i] - middle) >= _LINE for end, middle in taken)
        if free and down[i] - last >= _LINE:
            named[i], last = True, down[i]
    return named


def spread(values: FloatArray, statistic: str) -> None:
    """Histogram of a statistic over a run's examples, values [n]."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    counts, edges = np.histogram(finite, bins=_BINS, range=(0, 1) if 0 <= finite.min() <= finite.max() <= 1 else None)
    table = text.frame(
        [
            {"low": low, "high": high, "count": count}
            for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        ]
    )
    chart = (
        alt.Chart(table)
        .mark_bar(color=_COLOURS[text.theme()][0], binSpacing=1)
        .encode(
            x=alt.X("low:Q", bin="binned", title=statistic),
            x2="high:Q",
            y=alt.Y("count:Q", title="Examples"),
            tooltip=[
                alt.Tooltip("low:Q", title="From", format=".2f"),
                alt.Tooltip("high:Q", title="to", format=".2f"),
                alt.Tooltip("count:Q", title="Examples"),
            ],
        )
        .properties(height=250)
    )
    alternative = f"Histogram of {statistic} over {len(finite)} examples, mean {finite.mean():.{DIGITS}f}"
    st.altair_chart(legible(chart), width="stretch", alt=alternative)


def show(chart: Any, said: str, name: str) -> None:
    """Draw a chart with what it says in words, and buttons that save it as a file of this name."""
    st.altair_chart(chart, width="stretch", alt=said)
    downloads.of_chart(chart, name)


def first_colour() -> str:
    """The colour of a chart with one kind of mark, by theme."""
    return _COLOURS[text.theme()][0]


def legible(chart: Any) -> Any:
    """The chart with axes and legend in the theme's ink."""
    ink = _COLOURS[text.theme()][2]
    return chart.configure_axis(labelColor=ink, titleColor=ink).configure_legend(labelColor=ink)


def _point(entry: Entry, spent: float, is_best: bool) -> dict[str, Any]:
    return {
        "name": entry.label,
        "kind": _BEST if is_best else _OTHER,
        "spent": spent,
        "score": entry.value,
        "low": entry.low,
        "high": entry.high,
        "interval": f"{entry.low:.{DIGITS}f} – {entry.high:.{DIGITS}f}",
        "prepare": entry.prepare_cpu_seconds,
        "predict": entry.predict_cpu_seconds,
        "memory": None if entry.peak_rss_bytes is None else entry.peak_rss_bytes / 1e6,
    }


def _places(table: Any, frame: _Frame) -> list[str]:
    """Where each name stands: above its point, else below, else nowhere, so that no two are printed over each other.

    Pareto-best points choose first; the others have their names in the tooltip at least.
    """
    across = frame.across(table["spent"].to_numpy()) * _NARROWEST
    down = frame.down(table["score"].to_numpy())
    taken: list[tuple[float, float, float]] = []
    places = [""] * len(table)
    for i in sorted(range(len(table)), key=lambda i: table["kind"].iloc[i] != _BEST):
        start, end = across[i], across[i] + _LETTER * len(table["name"].iloc[i])
        for place, offset in _PLACES.items():
            middle = down[i] + offset
            if all(abs(middle - y) >= _LINE or start >= e or end <= s for s, e, y in taken):
                places[i] = place
                taken.append((start, end, middle))
                break
    return places


def _cost_axis(frame: _Frame, title: str) -> alt.X:
    domain = [frame.left, frame.right]
    axis = alt.Axis(format="~g", tickCount=6, grid=False, ticks=True)
    return alt.X("spent:Q", scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis, title=title)


def _score_axis(metric: str) -> alt.Y:
    return alt.Y("score:Q", scale=alt.Scale(zero=False, nice=False, padding=_PADDING), title=metric)


def _tooltip(metric: str, axis: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Submission"),
        alt.Tooltip("score:Q", title=metric, format=f".{DIGITS}f"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("spent:Q", title=_without_scale(axis), format=".4g"),
        alt.Tooltip("prepare:Q", title="Prepare (CPU s)", format=".2f"),
        alt.Tooltip("predict:Q", title="Predict (CPU s)", format=".2f"),
        alt.Tooltip("memory:Q", title="Memory (MB)", format=",.0f"),
    ]


def _description(
    shown: Sequence[Entry],
    best: set[str],
    beside: Sequence[Reported],
    metric: str,
    spent: Mapping[str, float],
    axis: str,
) -> str:
    listed = "; ".join(
        f"{entry.label} {entry.value:.{DIGITS}f} at {spent[entry.run]:.4g}" for entry in shown if entry.run in best
    )
    against = _without_scale(axis).lower().replace("cpu", "CPU")
    at_the_edge = "; ".join(f"{other.label} {other.metrics[metric]:.{DIGITS}f}" for other in beside)
    made_elsewhere = f" Made elsewhere, at the edge: {at_the_edge}." if beside else ""
    return f"Scatter plot of {metric} against {against} for {len(shown)} runs. Pareto-best: {listed}.{made_elsewhere}"


def _without_scale(axis: str) -> str:
    return axis.removesuffix(" (log scale)")
