"""The history of a submission: its runs on a task over time, version after version, and what changed between them.

Address: `/history?submission=NAME&task=NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

from harness.comparison import changes
from harness.errors import nearest
from harness.plain import plain
from harness.store import read
from leaderboard import charts, downloads, text
from leaderboard.rows import DIGITS, NoResults, is_partial, opened

_DECIDES = ("settings", "protocol", "task_digest", "code_version")


def show() -> None:
    """Show the history that the address names. Raises `NoResults` if nothing has run."""
    text.title("History", "A submission's runs over time: what changed, and what that did to its score")
    with opened() as database:
        names = {plain(name): name for name in read.submissions(database)}
        if not names:
            raise NoResults("No submission has been evaluated yet.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            runs = read.runs(database, submission=names[_choose("Submission", "submission", list(names))])
            by_task: dict[str, list[Mapping[str, Any]]] = {}
            for run in sorted(runs, key=lambda run: run["created"]):
                by_task.setdefault(plain(run["task"]), []).append(run)
            most_first = sorted(by_task, key=lambda task: -len(by_task[task]))
            found = by_task[_choose("Task", "task", most_first)]
    versions = list(dict.fromkeys(run["submission_digest"] for run in found))
    text.note(f"{len(found):,} runs of {len(versions):,} versions; a version is what the submission file says.")
    done = [run for run in found if run["value"] is not None and not is_partial(run)]
    if done:
        _draw(done, versions)
    _show_table(found, versions)


def _choose(label: str, key: str, options: Sequence[str]) -> str:
    asked = st.query_params.get(key)
    if st.session_state.get(key, asked) not in options:
        st.session_state[key] = options[0]
    chosen = st.selectbox(label, options, index=None, required=True, key=key, bind="query-params", width=340)
    if asked is not None and asked not in options:
        near = nearest(asked, options)
        text.note(f"No runs of {asked!r}." + (f" Did you mean {near!r}?" if near else ""))
    return chosen or options[0]


def _draw(done: Sequence[Mapping[str, Any]], versions: Sequence[str]) -> None:
    """The score of each run over the whole task, with its interval, in the order of time."""
    metric = done[-1]["metric"]
    table = text.frame(
        [
            {
                "date": run["created"],
                "score": run["value"],
                "low": run["ci_low"],
                "high": run["ci_high"],
                "version": _version(run, versions),
                "run": run["run"],
            }
            for run in done
        ]
    )
    base = alt.Chart(table).encode(x=alt.X("date:T", title="Date (UTC)"))
    score = alt.Y("score:Q", title=metric, scale=alt.Scale(zero=False))
    colour = charts.first_colour()
    chart = alt.layer(
        base.mark_line(color=colour, opacity=0.4).encode(y=score),
        base.mark_rule(color=colour, strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(color=colour, filled=True, size=90, opacity=1).encode(
            y=score,
            shape=alt.Shape("version:N", legend=alt.Legend(title=None, orient="top"), sort=None),
            tooltip=["date:T", "version:N", alt.Tooltip("score:Q", format=f".{DIGITS}f"), "run:N"],
        ),
    ).properties(height=300)
    first, last = done[0], done[-1]
    said = f"{metric} over time: {first['value']:.{DIGITS}f} at first, {last['value']:.{DIGITS}f} at last"
    charts.show(charts.legible(chart), plain(said), "history")


def _show_table(found: Sequence[Mapping[str, Any]], versions: Sequence[str]) -> None:
    """Newest first, each with what it does not share with the run before it."""
    before = [None, *found[:-1]]
    rows = [_cells(run, last, versions) for run, last in zip(found, before, strict=True)][::-1]
    table = text.frame(rows)
    metric = found[-1]["metric"]
    decimals = st.column_config.NumberColumn(format=f"%.{DIGITS}f")
    selection = st.dataframe(
        table,
        hide_index=True,
        column_config={
            metric: decimals,
            "Date (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "CPU s": st.column_config.NumberColumn(format="%.2f", help="Prepare and predict together."),
            "Changed": st.column_config.TextColumn(width="large", help="Since the run before; empty for the same."),
        },
        on_select="rerun",
        selection_mode="single-row",
        key="history",
        placeholder="–",
        alt="Runs of the submission, newest first",
    )
    downloads.of_table(table, "history")
    for place in selection["selection"]["rows"]:
        st.switch_page("run_page.py", query_params={"run": rows[place]["Run"]})


def _cells(run: Mapping[str, Any], last: Mapping[str, Any] | None, versions: Sequence[str]) -> dict[str, Any]:
    known = None not in (run["prepare_cpu_seconds"], run["predict_cpu_seconds"])
    return {
        "Date (UTC)": run["created"],
        "Version": _version(run, versions),
        run["metric"]: run["value"],
        "95 % interval": None if run["value"] is None else f"{run['ci_low']:.{DIGITS}f} – {run['ci_high']:.{DIGITS}f}",
        "n": run["n"],
        "Seed": run["seed"],
        "CPU s": run["prepare_cpu_seconds"] + run["predict_cpu_seconds"] if known else None,
        "State": run["state"],
        "Changed": _changed(run, last) if last else "the first",
        "Run": run["run"],
    }


def _version(run: Mapping[str, Any], versions: Sequence[str]) -> str:
    digest = run["submission_digest"]
    return f"{versions.index(digest) + 1} ({digest[:6]})"


def _changed(run: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    one, other = ({name: row[name] for name in _DECIDES} for row in (last, run))
    return "; ".join(f"{c.what.removeprefix('settings.')}: {c.first} → {c.second}" for c in changes("run", one, other))


if __name__ == "__main__":
    show()
