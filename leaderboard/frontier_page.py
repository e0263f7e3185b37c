"""The frontier: how good, how fast, how large, over a suite or a task, within limits that the reader sets.

Address: `/?over=NAME`, with `&hardware=`, `&stack=`, `&cost=`, `&ms=` and `&mb=`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any

import streamlit as st

from harness import comparison
from harness.contract import Line, Suite
from harness.efficiency.serving import Reference
from harness.errors import nearest
from harness.plain import plain
from harness.store import Database, read, reports
from harness.suite import SuiteRow, averages
from harness.suite import entries as suite_entries
from leaderboard import charts, costs, lines, navigation, suite_page, text
from leaderboard.ranked import priced, ranked
from leaderboard.reported import Reported, gathered
from leaderboard.rows import DIGITS, Entry, NoResults, opened, pareto

_NO_LIMIT = 0.0
_NO_DATE = datetime.min  # of an average, which is made whenever it is looked at


@dataclass(frozen=True)
class _View:
    """What is ranked: a row for each submission, with what it spends by basis and what it needs in memory."""

    metric: str
    found: Sequence[Entry]
    spent: Mapping[str, Mapping[str, float]]
    """Basis → run → milliseconds of one example (CPU seconds of the run for `cpu`)."""
    others: Sequence[Reported]
    held_against: Sequence[Line]
    runs: Mapping[str, Sequence[str]]
    """Run → the runs that its row stands for: several for a suite."""
    note: str


def show() -> None:
    """Show the frontier that the address asks for. Raises `NoResults` if nothing has run."""
    if (task := st.query_params.get("task")) and not navigation.remembers("over"):
        st.switch_page("board.py", query_params={"task": task})  # from a link of when the board was the landing page
    navigation.came_back("over")
    text.title("Equal Footing", below="How good is a model, what does it cost, and what does it need?")
    with opened() as database:
        names = _names(database)
        if not names:
            raise NoResults("No submission has been evaluated yet.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            over = _choose(names)
            on = costs.choose_reference()
        view = _view(database, over, on)
        if not view.found:
            text.note("No finished run over the whole of it yet.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            basis = costs.choose_basis(view.spent)
            most = _limit("At most, in the chart's unit", "ms")
            memory = _limit("At most, MB of memory", "mb")
        inside = _within(view, view.spent[basis], most, memory)
        text.note(view.note)
        _show_answer(database, view, inside, view.spent[basis], basis, on)
        charts.score_against_cost(
            inside, view.others, view.held_against, view.metric, view.spent[basis], costs.AXES[basis]
        )
        _show_table(view, inside, view.spent[basis], basis)


def _names(database: Database) -> dict[str, Suite | str]:
    """What can be looked at: suites with results first, then tasks."""
    suites: dict[str, Suite | str] = {plain(suite.name): suite for suite in suite_page.with_results(database)}
    return suites | {plain(task["name"]): str(task["name"]) for task in read.tasks(database) if task["done"]}


def _choose(names: Mapping[str, Suite | str]) -> Suite | str:
    asked = st.query_params.get("over")
    if "over" not in st.session_state and asked not in names:
        st.session_state["over"] = next(iter(names))
    chosen = st.selectbox("Over", list(names), index=None, required=True, key="over", bind="query-params", width=340)
    navigation.remember("over", chosen)
    if asked is not None and asked not in names:
        near = nearest(asked, names)
        text.note(f"No results over {asked!r}." + (f" Did you mean {near!r}?" if near else ""))
    return names[chosen or next(iter(names))]


def _limit(label: str, key: str) -> float:
    value: float = st.number_input(label, min_value=0.0, value=_NO_LIMIT, key=key, bind="query-params", width=210)
    return value


def _view(database: Database, over: Suite | str, on: Reference) -> _View:
    return _of_suite(database, over, on) if isinstance(over, Suite) else _of_task(database, over, on)


def _of_task(database: Database, task: str, on: Reference) -> _View:
    version = read.task_versions(database, task)[0]
    scores, metric = reports.reported(database, task), version["primary_metric"]
    whole = ranked(database, version, scores)
    found = [entry for entry in whole.entries if entry.rank is not None]
    prices = priced(database, whole, on)
    held_against = lines.gathered(version, found)
    note = f"{metric} on {task}, the latest run of each submission over the whole task."
    runs = {entry.run: [entry.run] for entry in found}
    return _View(metric, found, costs.by_basis(found, prices), gathered(scores), held_against, runs, note)


def _of_suite(database: Database, suite: Suite, on: Reference) -> _View:
    metric = suite.metrics[0]
    rows = averages(suite, metric, suite_entries(database, suite, [metric])[metric.name])
    widest = [row for row in rows if row.group == rows[0].group] if rows else []
    found = [_as_entry(row) for row in widest]
    behind = {row.scores[0].runs[0]: [run for score in row.scores for run in score.runs] for row in widest}
    summaries = {row["run"]: row for task in suite.tasks() for row in read.runs(database, task)}
    priced = costs.prices(database, [summaries[run] for runs in behind.values() for run in runs], on)
    spent: dict[str, dict[str, float]] = {}
    for basis in costs.BASES:
        spent[basis] = {}
        for first, runs in behind.items():
            each = [_spent(basis, run, summaries, priced) for run in runs]
            known = [value for value in each if value is not None]
            if len(known) == len(each):
                spent[basis][first] = sum(known) if basis == "cpu" else fmean(known)
    members = ", ".join(plain(score.member) for score in widest[0].scores) if widest else ""
    covered = f"{widest[0].covered} of {widest[0].members}" if widest else "none"
    note = f"Mean {metric.name} over {covered} members of {suite.name}: {members}. Milliseconds are their mean."
    found = [_with_memory(entry, [summaries[run]["peak_rss_bytes"] for run in behind[entry.run]]) for entry in found]
    return _View(metric.name, found, spent, [], [], behind, note)


def _spent(
    basis: str, run: str, summaries: Mapping[str, Mapping[str, Any]], priced: Mapping[str, Mapping[str, Any]]
) -> float | None:
    if basis != "cpu":
        return costs.milliseconds(priced[run][f"{basis}_seconds"])
    parts = (summaries[run]["prepare_cpu_seconds"], summaries[run]["predict_cpu_seconds"])
    return None if None in parts else sum(parts)


def _as_entry(row: SuiteRow) -> Entry:
    """The average as if it were a run: under the key of its first."""
    low = row.value if row.ci_low is None else row.ci_low
    high = row.value if row.ci_high is None else row.ci_high
    return Entry(
        run=row.scores[0].runs[0],
        label=plain(row.submission),
        rank=row.rank,
        value=row.value,
        low=low,
        high=high,
        higher_is_better=row.higher_is_better,
        prepare_cpu_seconds=None,
        predict_cpu_seconds=None,
        peak_rss_bytes=None,
        index_bytes=None,
        n=row.covered,
        seed=0,
        kind=plain(row.kind),
        settings="",
        marks=("own code",) if row.runs_code else (),
        created=_NO_DATE,
        is_partial=False,
        is_floor=False,
        verification="",
        reproduced=None,
    )


def _with_memory(entry: Entry, peaks: Sequence[int | None]) -> Entry:
    known = [peak for peak in peaks if peak is not None]
    return replace(entry, peak_rss_bytes=max(known)) if len(known) == len(peaks) else entry


def _within(view: _View, spent: Mapping[str, float], most: float, memory: float) -> list[Entry]:
    """The rows within the limits; one whose cost or memory is not known is not within a limit on it."""
    return [
        entry
        for entry in view.found
        if (not most or spent.get(entry.run, float("inf")) <= most)
        and (not memory or (entry.peak_rss_bytes or float("inf")) <= memory * 1e6)
    ]


def _show_answer(
    database: Database,
    view: _View,
    inside: Sequence[Entry],
    spent: Mapping[str, float],
    basis: str,
    on: Reference,
) -> None:
    """The best within the limits, whether it is really better than the next, and the way to both."""
    if not inside:
        text.section("Nothing is within these limits")
        return
    best = inside[0]
    unit = "CPU s" if basis == "cpu" else "ms an example"
    where = "on the machine of the run" if basis in ("cpu", "observed") else f"on {on}"
    text.figures(
        [
            ("Best within the limits", best.label, f"{view.metric} {best.value:.{DIGITS}f}"),
            ("95 % interval", f"{best.low:.{DIGITS}f} – {best.high:.{DIGITS}f}", "over examples"),
            (f"Cost, {basis}", f"{spent[best.run]:.4g} {unit}" if best.run in spent else "unknown", where),
            ("Memory", _megabytes(best.peak_rss_bytes), "highest resident, where it ran"),
        ]
    )
    with st.container(horizontal=True):
        st.page_link("run_page.py", label="How it was made →", query_params={"run": view.runs[best.run][0]})
        if len(inside) > 1:
            _show_next(database, view, best, inside[1])


def _show_next(database: Database, view: _View, best: Entry, following: Entry) -> None:
    """A paired test against the second, where both are single runs."""
    pair = [view.runs[best.run], view.runs[following.run]]
    if all(len(runs) == 1 for runs in pair):
        (found,) = comparison.compare(database, [runs[0] for runs in pair], view.metric)
        task = read.run(database, best.run).summary["task"]
        st.page_link(
            "compare_page.py", label="Compare →", query_params={"task": plain(task), "runs": [r[0] for r in pair]}
        )
        d = found.difference
        text.note(
            f"Against the next, {following.label}: {d.value:+.{DIGITS}f} [{d.low:+.{DIGITS}f}, {d.high:+.{DIGITS}f}], "
            f"p = {d.p:.4f}: {found.verdict}."
        )
    else:
        gap = best.value - following.value
        overlap = "their intervals overlap" if following.high >= best.low else "their intervals do not overlap"
        text.note(f"Against the next, {following.label}: {gap:+.{DIGITS}f}; {overlap}.")


def _show_table(view: _View, inside: Sequence[Entry], spent: Mapping[str, float], basis: str) -> None:
    front = pareto(inside, spent)
    unit = "CPU s" if basis == "cpu" else "ms"
    table = text.frame(
        [
            {
                "Rank": entry.rank,
                "Submission": entry.label,
                "Model": entry.kind,
                view.metric: entry.value,
                "95 % interval": f"{entry.low:.{DIGITS}f} – {entry.high:.{DIGITS}f}",
                f"{basis} ({unit})": spent.get(entry.run),
                "Memory (MB)": None if entry.peak_rss_bytes is None else entry.peak_rss_bytes / 1e6,
                "Pareto-best": "✓" if entry.run in front else "",
                "Marks": list(entry.marks),
            }
            for entry in inside
        ]
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            view.metric: number(format=f"%.{DIGITS}f"),
            f"{basis} ({unit})": number(format="%.4g"),
            "Memory (MB)": number(format="%.1f", help="Highest resident, less that of an empty worker."),
        },
        placeholder="–",
        alt=f"Submissions within the limits, best {view.metric} first",
    )
    text.download(table, "frontier.csv")


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.0f} MB"


if __name__ == "__main__":
    show()
