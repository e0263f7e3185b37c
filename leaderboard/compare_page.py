"""Runs side by side: is the first really better, why do they differ, and on which examples?

Address: `/compare?task=NAME&runs=KEY&runs=KEY`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

from harness import comparison
from harness.comparison import Comparison
from harness.plain import plain
from harness.store import Database, read
from leaderboard import charts, downloads, kept, text
from leaderboard.rows import DIGITS, NoResults, entries, opened

_MOST_CHOICES = 500
_MOST_EXAMPLES = 200


def show() -> None:
    """Show the comparison that the address names. Raises `NoResults` if nothing has run."""
    st.page_link("board.py", label="← Board", query_params=_task_parameter())
    text.title("Compare runs", "Paired over the same examples: the first against each of the others")
    with opened() as database:
        tasks = [plain(task["name"]) for task in kept.tasks(database) if task["done"]]
        if not tasks:
            raise NoResults("No submission has been evaluated yet.")
        task = _choose_task(tasks)
        results = [row for row in read.runs(database, task) if row["value"] is not None]
        versions = read.task_versions(database, task)
        metrics = list(dict.fromkeys(name for version in versions for name in read.metrics(database, version)))
        primary = versions[0]["primary_metric"]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            runs = _choose_runs(results)
            metric = st.selectbox("Metric", metrics, index=metrics.index(primary), key="metric", width=160)
        if len(runs) < 2:
            text.note("Choose two runs or more; the first is held against the others.")
            return
        found = comparison.compare(database, runs, metric)
        labels = {row["run"]: plain(row["submission"]) for row in results}
        _show_differences(found, labels[runs[0]], metric)
        other = _choose_other(runs, labels)
        _show_changes(comparison.explain(database, runs[0], other), labels[runs[0]], labels[other])
        _show_examples(database, runs[0], other, metric, labels)


def _task_parameter() -> dict[str, str]:
    return {"task": st.query_params["task"]} if "task" in st.query_params else {}


def _choose_task(tasks: Sequence[str]) -> str:
    asked = st.session_state.get("task") or st.query_params.get("task")
    st.session_state["task"] = asked if asked in tasks else tasks[0]
    chosen = st.selectbox("Task", tasks, index=None, required=True, key="task", bind="query-params", width=340)
    return chosen or tasks[0]


def _choose_runs(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys of finished runs; the latest of each submission over the whole task stand first."""
    done = [{**row, "reproduced": None} for row in results]
    listed = [entry.run for entry in entries(done, all_runs=False)]
    listed += [entry.run for entry in entries(done, all_runs=True) if entry.run not in listed]
    by_run = {row["run"]: row for row in results}
    asked = [run for run in st.query_params.get_all("runs") if run in by_run]
    # Not bound to the address, which would then hold the labels: a link names runs by their keys.
    st.session_state.setdefault("runs", asked)
    st.session_state["runs"] = [run for run in st.session_state["runs"] if run in by_run]
    chosen: list[str] = st.multiselect(
        "Runs, the first against the others",
        list(dict.fromkeys([*asked, *listed[:_MOST_CHOICES]])),
        format_func=lambda run: plain(f"{by_run[run]['submission']} · {by_run[run]['value']:.{DIGITS}f} · {run}"),
        key="runs",
        width=620,
    )
    if chosen != st.query_params.get_all("runs"):
        st.query_params["runs"] = chosen
    return chosen


def _choose_other(runs: Sequence[str], labels: Mapping[str, str]) -> str:
    if len(runs) == 2:
        return runs[1]
    return str(st.selectbox("Look closer at", runs[1:], format_func=lambda run: f"{labels[run]} · {run}", width=340))


def _show_differences(found: Sequence[Comparison], first: str, metric: str) -> None:
    text.section(f"{metric} of {first}, less that of")
    table = text.frame([_cells(one) for one in found])
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Difference": number(format=f"%+.{DIGITS}f"),
            "p": number(format="%.4f", help="Exchange test, two-sided."),
            "p, corrected": number(format="%.4f", help="After Holm, for the number of comparisons here."),
            "Effect": number(format="%+.2f", help="Cohen's d of the pairs: mean difference over its spread."),
            "Detectable": number(
                format=f"%.{DIGITS}f", help="The smallest true difference that would be found four times in five."
            ),
        },
        placeholder="–",
        alt=f"{first} against the others by {metric}",
    )
    downloads.of_table(table, "comparison")
    drawn = text.frame(
        [
            {"name": one.submission, "value": d.value, "low": d.low, "high": d.high, "zero": 0.0}
            for one in found
            for d in [one.difference]
        ]
    )
    base = alt.Chart(drawn).encode(y=alt.Y("name:N", title=None, sort=None))
    axis = alt.X("value:Q", title=f"Difference in {metric}, with its 95 % interval")
    colour = charts.first_colour()
    chart = alt.layer(
        base.mark_rule(color=text.GREYS[text.theme()], strokeDash=[4, 3]).encode(x="zero:Q"),
        base.mark_rule(color=colour, strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(color=colour, filled=True, size=90, opacity=1).encode(x=axis),
    ).properties(height=60 + 32 * len(found))
    said = "; ".join(f"{one.submission} {one.difference.value:+.{DIGITS}f}, {one.verdict}" for one in found)
    charts.show(charts.legible(chart), plain(f"Differences of {first}: {said}"), "differences")


def _cells(one: Comparison) -> dict[str, Any]:
    d = one.difference
    return {
        "Against": one.submission,
        "Difference": d.value,
        "95 % interval": f"{d.low:+.{DIGITS}f} – {d.high:+.{DIGITS}f}",
        "p": d.p,
        "p, corrected": one.corrected_p,
        "Verdict": one.verdict,
        "Effect": d.effect,
        "Win / tie / loss": f"{d.wins} / {d.ties} / {d.losses}" if d.wins + d.ties + d.losses else None,
        "Detectable": d.detectable,
        "n": d.n,
        "Run": one.run,
    }


def _show_changes(changes: Sequence[comparison.Changed], first: str, other: str) -> None:
    text.section("Why they may differ")
    if not changes:
        text.note("They share everything that is known of them: submission, data, protocol, seed, code, machine.")
        return
    one, two = (first, other) if first != other else (f"{first} (first)", f"{other} (other)")
    rows = [
        {"Part": c.part, "What": text.readable(c.what), one: _shown(c.first), two: _shown(c.second)} for c in changes
    ]
    st.dataframe(text.frame(rows), hide_index=True, placeholder="–", alt="What the runs do not share")


def _shown(value: Any) -> str | None:
    return None if value is None else str(value)


def _show_examples(database: Database, first: str, other: str, metric: str, labels: Mapping[str, str]) -> None:
    asked, examples = comparison.changed_examples(database, first, other, metric)
    text.section("Examples")
    text.note(f"{len(examples):,} of {asked:,} score differently; the largest differences come first.")
    if not examples:
        return
    rows = [
        {"Example": e.id, labels[first]: e.first, f"{labels[other]} ": e.second, "Difference": e.first - e.second}
        for e in examples[:_MOST_EXAMPLES]
    ]
    selection = st.dataframe(
        text.frame(rows),
        hide_index=True,
        height=320,
        column_config={name: st.column_config.NumberColumn(format=f"%.{DIGITS}f") for name in [*rows[0]][1:]},
        on_select="rerun",
        selection_mode="single-row",
        key="changed",
        alt="Examples that score differently",
    )
    for place in selection["selection"]["rows"]:
        id = examples[place].id
        for run in (first, other):
            to = {"run": run, "example": plain(id)}
            st.page_link("run_page.py", label=text.label(f"{id} in {labels[run]} →"), query_params=to)


if __name__ == "__main__":
    show()
