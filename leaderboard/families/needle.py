"""Needle threading: curves over sizes with published ones, effective limits, heat maps, what became of answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import streamlit as st

from harness.contract import Metric, Suite
from harness.limits import LimitRow, limit_rows
from harness.metrics.effective_limit import FIXED, RELATIVE
from harness.plain import plain
from harness.store import Database, read_examples, reports
from harness.suite import Entry as SuiteEntry
from harness.suite import entries
from leaderboard import charts, text
from leaderboard.rows import DIGITS, Entry

OUTCOMES = {
    "right": "#0072B2",
    "badly_formatted": "#56B4E9",
    "partial": "#009E73",
    "on_the_way": "#F0E442",
    "wrong_value": "#E69F00",
    "key_echoed": "#D55E00",
    "invented": "#CC79A7",
    "no_uuid": "#8A5A44",
    "truncated": "#6A3D9A",
    "over_limit": "#444444",
    "refused": "#888888",
    "unanswered": "#BBBBBB",
}
"""What becomes of an answer, from good to none, and its colour (the first eight of Okabe and Ito 2008)."""
_AS_PUBLISHED = "strict_accuracy"
_MOST_RUNS = 30
_DRAWN = 4
"""Models measured here, and published ones, whose curves are drawn until others are chosen: the best."""
_HERE, _ELSEWHERE = "measured here", "published"


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """What became of the answers of each run, as shares of all that were asked."""
    shares = [
        {"run": entry.label, "outcome": outcome, "share": share, "order": order}
        for entry in found[:_MOST_RUNS]
        for order, (outcome, share) in enumerate(outcomes(database, entry.run).items())
        if share
    ]
    if not shares:
        return
    text.section("What became of the answers")
    names = list(OUTCOMES)
    chart = (
        alt.Chart(text.frame(shares))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="Share of the questions", axis=alt.Axis(format="%")),
            y=alt.Y("run:N", title=None, sort=None),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=names, range=list(OUTCOMES.values())),
                legend=alt.Legend(title=None, orient="bottom", columns=4, labelExpr="replace(datum.label, /_/g, ' ')"),
            ),
            order="order:Q",
            tooltip=["run:N", "outcome:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=alt.Step(26))
    )
    described = f"What became of the answers of {len({row['run'] for row in shares})} runs, as shares of the questions"
    st.altair_chart(charts.legible(chart), width="stretch", alt=described)
    text.note("The classes are explained in docs/needle_threading.md. All of them count, those without an answer too.")


def outcomes(database: Database, run: str) -> dict[str, float]:
    """The share of each class among the examples of a run; empty for scorers that have none."""
    _, columns = read_examples.example_scores(database, run)
    return {name: float(columns[name].mean()) for name in OUTCOMES if name in columns}


def show_suite(database: Database, suite: Suite) -> None:
    """Curves over the sizes, effective limits, and a heat map of a submission by group and size."""
    if not suite.sizes:
        return
    published = [score for score in reports.reported(database) if score.task in set(suite.tasks())]
    names = [metric.name for metric in suite.metrics]
    text.section("Over the sizes")
    default = names.index(_AS_PUBLISHED) if published and _AS_PUBLISHED in names else 0
    metric = suite.metrics[names.index(st.selectbox("Score", names, index=default, key="needle-metric", width=220))]
    measured = entries(database, suite, [metric])[metric.name]
    points = [*_measured_points(suite, measured), *_published_points(suite, metric, published)]
    _show_curves(points, metric)
    _show_limits(database, suite, metric)
    _show_heat(database, suite, metric, measured)


def _measured_points(suite: Suite, measured: Iterable[SuiteEntry]) -> list[dict[str, Any]]:
    return [
        _point(plain(entry.submission), _HERE, size, score.value, score.ci_low, score.ci_high)
        for entry in measured
        for task, size in zip(suite.tasks(), suite.sizes, strict=True)
        if (score := entry.scores.get(task))
    ]


def _published_points(suite: Suite, metric: Metric, published: Iterable[Any]) -> list[dict[str, Any]]:
    size_of = dict(zip(suite.tasks(), suite.sizes, strict=True))
    return [
        _point(plain(score.model), _ELSEWHERE, size_of[score.task], score.value, score.low, score.high)
        for score in published
        if score.metric == metric.name
    ]


def _point(name: str, where: str, size: int, value: float, low: float | None, high: float | None) -> dict[str, Any]:
    ends = (value if low is None else low, value if high is None else high)
    return {"name": name, "where": where, "bytes": size, "score": value, "low": ends[0], "high": ends[1]}


def _show_curves(points: Sequence[Mapping[str, Any]], metric: Metric) -> None:
    if not points:
        text.note(f"No score by {metric.name} yet.")
        return
    best = _best_first(points)
    labels = [_label(*one) for one in sorted(best)]
    drawn_first = [_label(*one) for where in (_HERE, _ELSEWHERE) for one in [b for b in best if b[0] == where][:_DRAWN]]
    chosen = st.multiselect("Models", labels, default=drawn_first, key="needle-models")
    drawn = [dict(point) for point in points if _label(point["where"], point["name"]) in chosen]
    if not drawn:
        return
    base = alt.Chart(text.frame(drawn)).encode(
        x=alt.X("bytes:Q", scale=alt.Scale(type="log", nice=False, padding=12), title="Bytes of context (log scale)"),
        color=alt.Color("name:N", title=None, legend=alt.Legend(orient="bottom", columns=3, symbolOpacity=1)),
    )
    band = base.mark_area(opacity=0.15).encode(y="low:Q", y2="high:Q", detail="where:N")
    # What is dashed is said below: a legend of dashes comes out empty.
    dash = alt.StrokeDash("where:N", scale=alt.Scale(domain=[_HERE, _ELSEWHERE], range=[[1, 0], [5, 4]]), legend=None)
    line = base.mark_line(point=True).encode(
        y=alt.Y("score:Q", title=metric.name, scale=alt.Scale(domain=[0, 1])),
        strokeDash=dash,
        tooltip=[
            "name:N",
            "where:N",
            "bytes:Q",
            *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("score", "low", "high")),
        ],
    )
    described = f"{metric.name} of {len(chosen)} models over the bytes of context, with 95 % bands"
    st.altair_chart(charts.legible(alt.layer(band, line).properties(height=360)), width="stretch", alt=described)
    if any(point["where"] == _ELSEWHERE for point in drawn):
        text.note("Published: read off the paper's figures, on its own haystacks and by its strict parsing; dashed.")


def _best_first(points: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Where a model was measured and its name, by its mean score."""
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for point in points:
        scores[str(point["where"]), str(point["name"])].append(float(point["score"]))
    return sorted(scores, key=lambda one: -float(np.mean(scores[one])))


def _label(where: str, name: str) -> str:
    return f"{name} ({where})"


def _show_limits(database: Database, suite: Suite, metric: Metric) -> None:
    rows = [
        {
            "Submission": plain(row.submission),
            "Sizes": f"{row.covered} of {row.sizes}",
            f"Fixed, at least {FIXED:g}": str(row.fixed),
            f"Relative, {RELATIVE:g} of its first": str(row.relative),
            "Contour": str(row.contour),
        }
        for row in sorted(limit_rows(database, suite, metric, FIXED, RELATIVE), key=_by_score)
    ]
    if rows:
        text.section("Effective limits, in bytes of context")
        st.dataframe(text.frame(rows), hide_index=True, alt=f"Effective limits by {metric.name}")
        text.note(
            "With 95 % intervals. “>” is beyond the largest size that was run: not measured. Relative counts from the "
            "score at the smallest size."
        )


def _by_score(row: LimitRow) -> float:
    return -float(np.mean([*row.scores.values()]))


def _show_heat(database: Database, suite: Suite, metric: Metric, measured: Sequence[SuiteEntry]) -> None:
    """Score by group and size, of one submission."""
    ran = sorted((entry for entry in measured if entry.scores), key=_mean_score, reverse=True)
    labels = {f"{plain(entry.submission)} ({entry.submission_digest[:6]})": entry for entry in ran}
    if not labels:
        return
    text.section("By group and size")
    with st.container(horizontal=True):
        chosen = labels[st.selectbox("Submission", list(labels), key="needle-submission", width=340)]
        cells = heat(database, suite, metric, chosen)
        by = st.selectbox("Group", sorted({group for group, *_ in cells}), key="needle-group", width=160)
    rows = [
        {"value": value, "bytes": f"{size:,}", "score": float(np.mean(scores)), "questions": len(scores)}
        for (group, value, size), scores in cells.items()
        if group == by
    ]
    if not rows:
        return
    values = sorted({str(row["value"]) for row in rows}, key=lambda value: (len(value), value))
    sizes = [f"{size:,}" for size in suite.sizes]
    base = alt.Chart(text.frame(rows)).encode(
        x=alt.X("bytes:N", sort=sizes, title="Bytes of context"), y=alt.Y("value:N", sort=values, title=plain(by))
    )
    colour = alt.Color("score:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1]), title=metric.name)
    squares = base.mark_rect().encode(
        color=colour, tooltip=["value:N", "bytes:N", alt.Tooltip("score:Q", format=f".{DIGITS}f"), "questions:Q"]
    )
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text("score:Q", format=".2f"),
        color=alt.condition("datum.score < 0.6", alt.value("white"), alt.value("black")),
    )
    described = f"{metric.name} of {plain(chosen.submission)} by {plain(by)} and bytes of context"
    st.altair_chart(charts.legible(alt.layer(squares, numbers)), width="stretch", alt=described)


def _mean_score(entry: SuiteEntry) -> float:
    return float(np.mean([score.value for score in entry.scores.values()]))


def heat(
    database: Database, suite: Suite, metric: Metric, entry: SuiteEntry
) -> dict[tuple[str, str, int], list[float]]:
    """The scores of a submission's examples by group, its value, and size: of metrics that are a mean of a column."""
    found: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    for task, size in zip(suite.tasks(), suite.sizes, strict=True):
        if task not in entry.scores:
            continue
        run = entry.scores[task].run
        _, columns = read_examples.example_scores(database, run)
        for score, gold in zip(columns[metric.name], read_examples.example_gold(database, run), strict=True):
            for group, value in gold.get("groups", {}).items():
                found[str(group), str(value), size].append(float(score))
    return found
