"""FlowLearn on the board: charts with the gold graph and the answered one, intervals of shares, runs head to head."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from harness import comparison
from harness.contract import Texts
from harness.errors import HarnessError
from harness.flowcharts import answers
from harness.flowcharts.mermaid import read_leniently
from harness.metrics.subgroups import wilson
from harness.plain import plain
from harness.store import Database, read_examples
from leaderboard import text
from leaderboard.rows import Entry

if TYPE_CHECKING:
    from harness.store.read_examples import ExampleView

_MAX_BYTES = 16 << 20
_MAX_PIXELS = 20_000_000
_MOST_RUNS = 30
_MOST_COMPARED = 12
_SHARES = ("right", "exact_match", "exact_graph")
"""Columns of 0 and 1, of which a share is shown with Wilson's interval."""

Link = tuple[str, str]


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """The best run against each other one, and the share of right answers of each with its interval."""
    ranked = [entry for entry in found if entry.rank is not None][:_MOST_RUNS]
    _show_head_to_head(database, ranked)
    _show_shares(database, ranked)


def _show_head_to_head(database: Database, ranked: Sequence[Entry]) -> None:
    """Paired over the same charts; what was asked of an older version of the data is not among the runs."""
    if len(ranked) < 2:
        return
    best, *others = ranked[:_MOST_COMPARED]
    try:
        compared = comparison.compare(database, [best.run, *(entry.run for entry in others)])
    except HarnessError as error:
        text.note(plain(error.message))
        return
    metric = compared[0].difference.metric
    labels = {entry.run: plain(entry.label) for entry in others}
    rows = [
        {
            "Against": labels[one.run],
            "Difference": one.difference.value,
            "From": one.difference.low,
            "To": one.difference.high,
            "p, corrected": one.corrected_p,
            "Verdict": one.verdict,
            "n": one.difference.n,
        }
        for one in compared
    ]
    text.section(f"Head to head: {metric} of {plain(best.label)}, less that of")
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        column_config={
            **{name: st.column_config.NumberColumn(format="%+.4f") for name in ("Difference", "From", "To")},
            "p, corrected": st.column_config.NumberColumn(format="%.4f"),
        },
        alt="The best run against the others",
    )
    text.note("Paired over the same questions: bootstrap interval, exchange test, Holm's correction.")


def _show_shares(database: Database, ranked: Sequence[Entry]) -> None:
    """Wilson's interval has a width also at 0 and at 1."""
    rows = []
    for entry in ranked:
        ids, columns = read_examples.example_scores(database, entry.run)
        share = next((name for name in _SHARES if name in columns), None)
        if share is not None:
            right = float(columns[share].sum())
            low, high = wilson(right, len(ids))
            unparsed = float(columns["unparsed"].mean()) if "unparsed" in columns else None
            rows.append(
                {
                    "Submission": plain(entry.label),
                    "Right": right / len(ids),
                    "From": low,
                    "To": high,
                    "n": len(ids),
                    "Unparsed": unparsed,
                }
            )
    if rows:
        text.section("Right answers, with Wilson's 95 % interval")
        st.dataframe(text.frame(rows), hide_index=True, alt="Right answers with intervals")


def show_example(view: ExampleView) -> bool:
    """The chart's picture, the gold graph, the answered one and their difference; the answer follows as text."""
    gold = view.gold if isinstance(view.gold, Mapping) else {}
    picture = chart_picture(str(gold.get("image", "")), str(gold.get("image_sha256", "")))
    if picture is not None:
        st.image(picture, caption=text.label(f"Chart {gold.get('chart', '')}"))
    wanted = _drawn(str(gold.get("mermaid", "")))
    if not wanted.labels:
        return False
    left, middle, right = st.columns(3)
    with left:
        text.section("Gold graph")
        st.graphviz_chart(dot(wanted.labels, wanted.links))
    answered = _answered(view, str(gold.get("kind", "")))
    if answered is not None:
        with middle:
            text.section("Answered graph")
            st.graphviz_chart(dot(answered.labels, answered.links))
        with right:
            text.section("Difference")
            st.graphviz_chart(difference(wanted, answered))
            text.note("Green is right, dashed red is missing, orange is too much.")
    return False


class Graph:
    """Labels and links as the scorer compares them."""

    def __init__(self, labels: Iterable[str], links: Iterable[Link]) -> None:
        self.labels = [answers.fold(label) for label in labels]
        self.links = [(answers.fold(a), answers.fold(b)) for a, b in links]


def dot(labels: Sequence[str], links: Sequence[Link]) -> str:
    """A graph for Graphviz: labels are quoted, so nothing in them is syntax."""
    names = {label: f"n{place}" for place, label in enumerate(dict.fromkeys(labels))}
    nodes = [f"{name} [label={quoted(label)}];" for label, name in names.items()]
    edges = [f"{names[a]} -> {names[b]};" for a, b in links if a in names and b in names]
    return "\n".join(["digraph { node [shape=box];", *nodes, *edges, "}"])


def difference(wanted: Graph, answered: Graph) -> str:
    """Both graphs in one: what they share, what is missing, and what is too much."""
    names = {label: f"n{place}" for place, label in enumerate(dict.fromkeys([*wanted.labels, *answered.labels]))}
    nodes = [
        f"{names[label]} [label={quoted(label)} {_colour(label in wanted.labels, label in answered.labels)}];"
        for label in names
    ]
    ours, theirs = Counter(answered.links), Counter(wanted.links)
    edges = [
        f"{names[a]} -> {names[b]} [{_colour((a, b) in theirs, (a, b) in ours)}];"
        for a, b in dict.fromkeys([*wanted.links, *answered.links])
        if a in names and b in names
    ]
    return "\n".join(["digraph { node [shape=box];", *nodes, *edges, "}"])


def quoted(label: str) -> str:
    """A label as a string of Graphviz, without control characters and of a bearable length."""
    return '"' + plain(label)[:60].replace("\\", "\\\\").replace('"', '\\"') + '"'


def chart_picture(path: str, sha256: str) -> Any | None:
    """The picture in a file, decoded here; None unless it is there, of bearable size, and has the stored digest.

    A database may come from anyone: without the digest, a path in it could name any file of this machine.
    """
    from PIL import Image

    file = Path(path)
    try:
        if not path or not sha256 or not file.is_file() or file.stat().st_size > _MAX_BYTES:
            return None
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            return (
                image.convert("RGBA" if image.has_transparency_data else "RGB")
                if image.width * image.height <= _MAX_PIXELS
                else None
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _colour(wanted: bool, answered: bool) -> str:
    return 'color="#2E7D32"' if wanted and answered else 'color="#C62828" style=dashed' if wanted else 'color="#EF6C00"'


def _answered(view: ExampleView, kind: str) -> Graph | None:
    match view.prediction.output if view.prediction else None:
        case Texts([said, *_]) if kind == "to-mermaid":
            chart = answers.mermaid(answers.cut(said)).chart
            return Graph(chart.labels, chart.pairs)
        case Texts([said, *_]) if kind == "to-description":
            nodes, pairs, _ = answers.description(answers.cut(said))
            return Graph(nodes, pairs)
    return None


def _drawn(code: str) -> Graph:
    chart, _ = read_leniently(code)
    return Graph(chart.labels, chart.pairs)
