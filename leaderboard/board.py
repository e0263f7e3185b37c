"""The board: the runs of one task, best first, what each took, and a chart of score against cost.

Address: `/?task=NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.efficiency.serving import Reference
from harness.errors import nearest
from harness.plain import plain
from harness.store import Database, read
from leaderboard import charts, costs, suite_page, text
from leaderboard.rows import DIGITS, Entry, NoResults, entries, opened

_DRAWN_OPEN = 12
_OTHER_PAGES_PARAMETERS = ("run", "example", "suite")


def show() -> None:
    """Show the board of the task that the address names, else of the task with the most runs.

    Raises `NoResults` if there are no results.
    """
    _clear_other_parameters()
    text.title("Equal Footing", below="How good is a model, how sure is that, and what does it cost?")
    with opened() as database:
        tasks = [task["name"] for task in read.tasks(database)]
        if not tasks:
            raise NoResults("No submission has been evaluated yet.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            task = _choose_task(tasks)
            version = _choose_version(read.task_versions(database, task))
            on = costs.choose_reference()
            all_runs = st.toggle("All runs", key="all", help="Older runs, other seeds and partial runs as well.")
            _link_to_suite(task, database)
        results = [row for row in read.results(database, task) if _is_of(row, version)]
        metric = version["primary_metric"]
        found = entries(results, metric, all_runs=all_runs)
        rows = {row["run"]: row for row in results}
        prices = costs.prices(database, [rows[entry.run] for entry in found], on)
    _show_card(version)
    explained = next((row["description"] for row in results if row["metric"] == metric and row["description"]), "")
    if explained:
        text.note(f"{metric}: {explained}")
    if found:
        _show_table(found, metric, all_runs, prices, on)
        _show_settings(found)
        text.section(f"{metric} against cost")
        spent = costs.by_basis(found, prices)
        basis = costs.choose_basis(spent)
        charts.score_against_cost(found, metric, spent[basis], costs.AXES[basis])
        text.note(
            "Bars are 95 % intervals. Pareto-best: no other run is at least as good and as cheap, and better in one. "
            "Only the latest run of each submission over the whole task competes."
        )
    else:
        text.section("No finished run over the whole task yet")
        text.note("“All runs” above shows partial ones; the table below says what the others need.")
    _show_unfinished(results)


def _link_to_suite(task: str, database: Database) -> None:
    """To the averages that this task is part of, where there are any."""
    for suite in suite_page.with_results(database):
        if task in suite.tasks():
            st.page_link("suite_page.py", label="Averages over data sets →", query_params={"suite": plain(suite.name)})
            return


def _clear_other_parameters() -> None:
    """The browser's Back leaves another page's parameters in the board's address, where they mean nothing."""
    for name in _OTHER_PAGES_PARAMETERS:
        if name in st.query_params:
            del st.query_params[name]


def _choose_task(names: Sequence[str]) -> str:
    shown = {plain(name): name for name in names}
    asked = st.query_params.get("task")
    if "task" not in st.session_state and asked not in shown:
        st.session_state["task"] = next(iter(shown))
    # A default would drop out of the address, and the link would lead elsewhere once another task has more runs.
    chosen = st.selectbox(
        "Task",
        list(shown),
        index=None,
        required=True,
        key="task",
        bind="query-params",
        label_visibility="collapsed",
        width=340,
    )
    if asked is not None and asked not in shown:
        near = nearest(asked, shown)
        text.note(f"No results for a task {asked!r}." + (f" Did you mean {near!r}?" if near else ""))
    return shown.get(chosen or "", names[0])


def _choose_version(versions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Scores over other data or under another protocol are not comparable, so one version is shown at a time."""
    if len(versions) == 1:
        return versions[0]

    def label(index: int) -> str:
        version = versions[index]
        return plain(f"{version['protocol']}, data {version['digest'][:8]}, since {version['created']:%Y-%m-%d}")

    index: int = st.selectbox("Version of the task", range(len(versions)), format_func=label, width=340)
    return versions[index]


def _is_of(row: Mapping[str, Any], version: Mapping[str, Any]) -> bool:
    return (row["task_digest"], row["protocol"]) == (version["digest"], version["protocol"])


def _show_card(task: Mapping[str, Any]) -> None:
    if task["generated"]:
        text.marks(["generated data: made by a program, not collected"])
    text.paragraph(task["description"])
    counts = {text.readable(name): _fact(value) for name, value in task["facts"].items()}
    text.facts({"Protocol": task["protocol"]} | counts | {"Licence": task["licence"]})


def _fact(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_table(
    found: Sequence[Entry], metric: str, all_runs: bool, prices: Mapping[str, Mapping[str, Any]], on: Reference
) -> None:
    others = sorted({name for entry in found for name in entry.metrics if name != metric})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        extra = st.multiselect("More metrics", others, format_func=plain, key="metrics", width=340)
        labels = {entry.run: f"{entry.label} · {entry.value:.{DIGITS}f} · {entry.run}" for entry in found}
        chosen = _choose_run("Open a run", labels)
    table = text.frame([_cells(entry, metric, extra, costs.cells(prices[entry.run])) for entry in found])
    shown = [name for name in table.columns if name not in (_NOT_DRAWN if all_runs else _NOT_DRAWN | _ALL_RUNS_ONLY)]
    selection = st.dataframe(
        table,
        hide_index=True,
        height="content" if len(found) <= 25 else 900,
        column_config=_columns(metric, extra, all_runs) | costs.columns(on),
        column_order=shown,
        on_select="rerun",
        selection_mode="single-row",
        key="runs",
        placeholder="–",
        alt=f"Runs of the task, best {metric} first",
    )
    text.download(table, "board.csv")
    text.note(f"Milliseconds are of one example on {on}; observed ones of the machine of the run.")
    for reason, unpriced in _missing(found, prices).items():
        text.note(f"Not priced: {', '.join(unpriced)} ({reason}).")
    if any(entry.low == entry.high for entry in found):
        text.note("An interval without width: there is no spread among these examples.")
    _open(chosen, selection, [entry.run for entry in found])


def _missing(found: Sequence[Entry], prices: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Submissions without idealized seconds, by the reason."""
    reasons: dict[str, list[str]] = {}
    for entry in found:
        if reason := prices[entry.run]["unpriced"]:
            labels = reasons.setdefault(reason, [])
            if entry.label not in labels:
                labels.append(entry.label)
    return reasons


def _choose_run(label: str, runs: Mapping[str, str]) -> str | None:
    return st.selectbox(
        label, list(runs), index=None, format_func=runs.__getitem__, placeholder="Or tick its row", width=340
    )


def _open(chosen: str | None, selection: Any, runs: Sequence[str]) -> None:
    rows = selection["selection"]["rows"]
    if rows or chosen:
        st.switch_page("run_page.py", query_params={"run": runs[rows[0]] if rows else str(chosen)})


def _show_settings(found: Sequence[Entry]) -> None:
    described = {entry.label: f"{entry.kind}: {entry.settings or 'no settings'}" for entry in found}
    with st.expander("Models and their settings", expanded=len(described) <= _DRAWN_OPEN):
        text.facts(described)


_ALL_RUNS_ONLY = {"n", "Seed", "Run"}
# Too wide for the table: settings stand below it, seconds on the run's page, and both are in the download.
_NOT_DRAWN = {"Settings", "Prepare (CPU s)", "Predict (CPU s)"}


def _cells(entry: Entry, metric: str, extra: Sequence[str], spent: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Rank": entry.rank,
        "Submission": entry.label,
        "Model": entry.kind,
        metric: entry.value,
        "95 % interval": f"{entry.low:.{DIGITS}f} – {entry.high:.{DIGITS}f}",
        **{name: entry.metrics.get(name) for name in extra},
        **spent,
        "Prepare (CPU s)": entry.prepare_cpu_seconds,
        "Predict (CPU s)": entry.predict_cpu_seconds,
        "Memory (MB)": _megabytes(entry.peak_rss_bytes),
        "Index (MB)": _megabytes(entry.index_bytes),
        "n": entry.n,
        "Marks": list(entry.marks),
        "Seed": entry.seed,
        "Run": entry.run,
        "Date (UTC)": entry.created,
        "Settings": entry.settings,
    }


def _columns(metric: str, extra: Sequence[str], all_runs: bool) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Rank": number(width=55, help="Equal scores share a rank; older and partial runs have none."),
        "Submission": st.column_config.TextColumn(width=150),
        "Model": st.column_config.TextColumn(width=75, help="The kind of model; its settings stand below."),
        **{name: number(format=f"%.{DIGITS}f", width=80) for name in (metric, *extra)},
        "95 % interval": st.column_config.TextColumn(width=112),
        "Prepare (CPU s)": number(width=108, format="%.2f", help="Indexing or training, over all cores."),
        "Predict (CPU s)": number(width=104, format="%.2f", help="All examples, over all cores."),
        "Memory (MB)": number(
            width=95, format="%.1f", help="Highest resident, less that of an empty worker. 1 MB is 10⁶ bytes."
        ),
        "Index (MB)": number(width=78, format="%.1f", help="In memory and on disk."),
        "n": number(width=55, help="Examples asked."),
        "Marks": st.column_config.ListColumn(
            width=90,
            help="own code: the submission brings code. cached: part of the work was found in a cache and is charged "
            "at its first cost. partial: not all examples were asked. older run: a later one replaces it.",
        ),
        "Seed": number(width=55),
        "Run": st.column_config.TextColumn(width=115),
        "Date (UTC)": st.column_config.DatetimeColumn(
            format="YYYY-MM-DD HH:mm" if all_runs else "YYYY-MM-DD", width=135 if all_runs else 90
        ),
    }


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / 1e6


def _show_unfinished(results: Sequence[Mapping[str, Any]]) -> None:
    unfinished = [row for row in results if row["state"] != "done"]
    if not unfinished:
        return
    text.section("Not finished")
    labels = {row["run"]: plain(f"{row['submission']} · {row['state']} · {row['run']}") for row in unfinished}
    chosen = _choose_run("Open an unfinished run", labels)
    table = text.frame(
        [
            {
                "Submission": row["submission"],
                "State": row["state"],
                "Reason": row["reason"],
                "Next step": row["next_step"] or ("Wait for it." if row["state"] == "running" else ""),
                "Run": row["run"],
                "Since (UTC)": row["created"],
            }
            for row in unfinished
        ]
    )
    date = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm")
    selection = st.dataframe(
        table,
        hide_index=True,
        column_config={"Since (UTC)": date},
        on_select="rerun",
        selection_mode="single-row",
        key="unfinished",
        alt="Runs that are not finished",
    )
    _open(chosen, selection, list(labels))


if __name__ == "__main__":
    show()
