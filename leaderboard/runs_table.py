"""The table of a task: its runs, and among them, greyed and without a rank, scores that were made elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from harness.contract import Line
from harness.efficiency.serving import Reference
from leaderboard import costs, downloads, text
from leaderboard.lines import gain
from leaderboard.reported import Reported
from leaderboard.rows import DIGITS, Entry

ALL_RUNS_ONLY = frozenset({"n", "Seed", "Run", "Date (UTC)"})
ON_REQUEST = ("n", "Seed", "Run", "Date (UTC)", "Prepare (CPU s)", "Predict (CPU s)", "Licence", "Settings", "Source")
"""Columns that are shown where they are asked for; the download has all."""


@dataclass(frozen=True)
class Row:
    """A row of the table: of a run, or of scores that were made elsewhere."""

    cells: Mapping[str, Any]
    run: str | None = None
    """The run that it opens."""
    citation: str = ""
    """Where scores that were made elsewhere come from."""


def lines(
    found: Sequence[Entry],
    others: Sequence[Reported],
    held_against: Sequence[Line],
    metric: str,
    extra: Mapping[str, Mapping[str, float]],
    prices: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    """The lines, best first; of equal ones those of runs first, and runs over a part of the task last.

    `extra` are further metrics: name → run → value.
    """
    sign = 1 if not found or found[0].higher_is_better else -1
    of_runs = [
        Row(
            _cells(entry, gain(entry, held_against), metric, extra, costs.cells(prices[entry.run])),
            entry.run,
        )
        for entry in found
    ]
    whole = [line for line, entry in zip(of_runs, found, strict=True) if not entry.is_partial]
    columns = dict.fromkeys(of_runs[0].cells) if of_runs else {}
    made_elsewhere = [Row(columns | _reported_cells(other, metric, extra), citation=other.citation) for other in others]

    def goodness(line: Row) -> float:
        value = line.cells[metric]
        return float("-inf") if value is None else sign * round(value, DIGITS)

    partial = [line for line, entry in zip(of_runs, found, strict=True) if entry.is_partial]
    return [*sorted([*whole, *made_elsewhere], key=goodness, reverse=True), *partial]


def show(
    shown: Sequence[Row], metric: str, extra: Sequence[str], requested: Collection[str], on: Reference
) -> Row | None:
    """Draw the table, with the columns of `ON_REQUEST` that are requested, and buttons that save all of it.

    Returns the line that is ticked.
    """
    table = text.frame([line.cells for line in shown])
    hidden = set(ON_REQUEST).difference(requested)
    selection = st.dataframe(
        text.greyed(table, [line.run is None for line in shown]),
        hide_index=True,
        height="content" if len(shown) <= 25 else 900,
        column_config=_columns(metric, extra) | costs.columns(on),
        column_order=[name for name in table.columns if name not in hidden],
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        placeholder="–",
        alt=f"Runs of the task, best {metric} first",
    )
    downloads.of_table(table, "board")
    rows = selection["selection"]["rows"]
    return shown[rows[0]] if rows else None


def _cells(
    entry: Entry,
    gained: float | None,
    metric: str,
    extra: Mapping[str, Mapping[str, float]],
    spent: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "Rank": entry.rank,
        "Submission": entry.label,
        "Model": entry.kind,
        metric: entry.value,
        "95 % interval": f"{entry.low:.{DIGITS}f} – {entry.high:.{DIGITS}f}",
        **({} if gained is None else {"Gain": gained}),
        "Reproduced": entry.reproduced and entry.reproduced.short,
        **{name: values.get(entry.run) for name, values in extra.items()},
        **spent,
        "Prepare (CPU s)": entry.prepare_cpu_seconds,
        "Predict (CPU s)": entry.predict_cpu_seconds,
        "Memory (MB)": _megabytes(entry.peak_rss_bytes),
        "Index (MB)": _megabytes(entry.index_bytes),
        "Params (M)": None if entry.parameters is None else entry.parameters / 1e6,
        "n": entry.n,
        "Verified": entry.verification,
        "Marks": list(entry.marks),
        "Seed": entry.seed,
        "Run": entry.run,
        "Date (UTC)": entry.created,
        "Licence": entry.licence,
        "Settings": entry.settings,
        "Source": "",
    }


def _reported_cells(other: Reported, metric: str, extra: Iterable[str]) -> dict[str, Any]:
    return {
        "Submission": other.label,
        **{name: other.metrics.get(name) for name in (metric, *extra)},
        "Verified": other.verification,
        "Marks": [],
        "Source": other.citation,
    }


def _columns(metric: str, extra: Sequence[str]) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Rank": number(
            width=50,
            format="%d",
            help="Equal scores share a rank; older and partial runs, and scores made elsewhere, have none.",
        ),
        "Submission": st.column_config.TextColumn(width=140),
        "Model": st.column_config.TextColumn(width=80, help="The kind of model; its settings stand below."),
        **{name: number(format=f"%.{DIGITS}f", width=76) for name in (metric, *extra)},
        "95 % interval": st.column_config.TextColumn(width=102),
        "Gain": number(format=f"%+.{DIGITS}f", width=76, help="Over the best floor, which solves nothing."),
        "Reproduced": st.column_config.TextColumn(
            width=92, help="Ours minus the published score of the same model; what is OK and close stands below."
        ),
        "Prepare (CPU s)": number(width=108, format="%.2f", help="Indexing or training, over all cores."),
        "Predict (CPU s)": number(width=104, format="%.2f", help="All examples, over all cores."),
        "Memory (MB)": number(
            width=88, format="%.1f", help="Highest resident, less that of an empty worker. 1 MB is 10⁶ bytes."
        ),
        "Index (MB)": number(width=74, format="%.1f", help="In memory and on disk."),
        "Params (M)": number(width=80, format="%.4g", help="Numbers that were learnt, in millions."),
        "n": number(width=55, format="%d", help="Examples asked."),
        "Verified": st.column_config.TextColumn(
            width=88,
            help="recomputed: the model ran here. rescored: its answers or embeddings were scored here. self-reported: "
            "somebody sent the score. published: its source, below, says so.",
        ),
        "Marks": st.column_config.ListColumn(
            width=70,
            help="own code: the submission brings code. cached: part of the work was found in a cache and is charged "
            "at its first cost. floor: solves nothing, by its own word. partial: not all examples were asked. "
            "one of N trials: of so many that a sweep tried. older run: a later one replaces it. "
            "size-matched: as many parameters as the base of its kind, within 10 %.",
        ),
        "Seed": number(width=55, format="%d"),
        "Run": st.column_config.TextColumn(width=115),
        "Date (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", width=135),
    }


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / 1e6
