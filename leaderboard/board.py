"""The board: the runs of one task, best first, what each took, and a chart of score against cost.

Address: `/board?task=NAME`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import streamlit as st

from harness.contract import Line
from harness.efficiency.serving import Reference
from harness.errors import nearest
from harness.plain import plain
from harness.store import Database, read, reports
from leaderboard import charts, costs, families, filters, kept, lines, navigation, runs_table, suite_page, text
from leaderboard.ranked import NO_RUNS, Ranked, priced, ranked
from leaderboard.reported import Reported, gathered, tolerance
from leaderboard.rows import DIGITS, Entry, NoResults, opened

_DRAWN_OPEN = 12
_MOST_DESCRIBED = 200


def show() -> None:
    """Show the board of the task that the address names, else of the task with the most runs.

    Raises `NoResults` if there are no results.
    """
    navigation.came_back("task")
    text.title("Equal Footing", below="How good is a model, how sure is that, and what does it cost?")
    with opened() as database:
        ran = [task["name"] for task in kept.tasks(database)]
        tasks = list(dict.fromkeys([*ran, *reports.self_reported_tasks(database)]))
        if not tasks:
            raise NoResults("No submission has been evaluated yet.")
        choices = st.container(horizontal=True, vertical_alignment="bottom")
        with choices:
            task = _choose_task(tasks)
            version = _choose_version(read.task_versions(database, task))
            on = costs.choose_reference()
            all_runs = st.toggle("All runs", key="all", help="Older runs, other seeds and partial runs as well.")
            with_others = st.toggle("Made elsewhere", True, key="others", help="Published and self-reported scores.")
            _link_to_suite(task, database)
        scores = reports.reported(database, task)
        metric = version["primary_metric"] if version else scores[0].metric
        runs = ranked(database, version, scores, all_runs=all_runs) if version else NO_RUNS
        prices = priced(database, runs, on)
        with choices:
            wanted = filters.choose(runs.entries)
    found = [entry for entry in runs.entries if wanted.keeps(entry)]
    others = [other for other in gathered(scores) if wanted.keeps_reported(other)] if with_others else []
    held_against = lines.gathered(version, runs.entries)
    if version:
        _show_card(version)
    if explained := runs.metrics.get(metric):
        text.note(f"{metric}: {explained}")
    if len(found) < len(runs.entries):
        text.note(f"{len(found):,} of {len(runs.entries):,} runs pass the filters.")
    if not runs.entries:
        text.section("No finished run over the whole task yet")
        text.note("“All runs” above shows partial ones; a table further down says what the others need.")
    if found or others:
        _show_table(runs, found, others, held_against, metric, all_runs, prices, on)
    if found:
        _show_settings(found)
        text.section(f"{metric} against cost")
        spent = costs.by_basis(found, prices)
        basis = costs.choose_basis(spent)
        charts.score_against_cost(found, others, held_against, metric, spent[basis], costs.AXES[basis])
        text.note(
            "Bars are 95 % intervals. Pareto-best: no other run is at least as good and as cheap, and better in one. "
            "Only the latest run of each submission over the whole task competes. Scores made elsewhere have no cost "
            "here: hollow, at the right edge."
        )
    if others:
        _show_sources(others)
    if version:
        with opened() as database:
            families.show_task(database, version, found)
        _show_audit(version["audit"])
    _show_unfinished(runs.rows.values())


def _link_to_suite(task: str, database: Database) -> None:
    """To the averages that this task is part of, where there are any."""
    for suite in suite_page.with_results(database):
        if task in suite.tasks():
            st.page_link("suite_page.py", label="Averages over data sets →", query_params={"suite": plain(suite.name)})
            return


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
    navigation.remember("task", chosen)
    if asked is not None and asked not in shown:
        near = nearest(asked, shown)
        text.note(f"No results for a task {asked!r}." + (f" Did you mean {near!r}?" if near else ""))
    return shown.get(chosen or "", names[0])


def _choose_version(versions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Scores over other data or under another protocol are not comparable, so one version is shown at a time.

    None for a task that did not run here.
    """
    if len(versions) < 2:
        return versions[0] if versions else None

    def label(index: int) -> str:
        version = versions[index]
        return plain(f"{version['protocol']}, data {version['digest'][:8]}, since {version['created']:%Y-%m-%d}")

    index: int = st.selectbox("Version of the task", range(len(versions)), format_func=label, width=340)
    return versions[index]


def _show_card(task: Mapping[str, Any]) -> None:
    text.marks([*(["generated data: made by a program, not collected"] if task["generated"] else []), *task["marks"]])
    text.paragraph(task["description"])
    counts = {text.readable(name): _fact(value) for name, value in task["facts"].items()}
    text.facts({"Protocol": task["protocol"]} | counts | {"Licence": task["licence"]})


def _fact(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_table(
    runs: Ranked,
    found: Sequence[Entry],
    others: Sequence[Reported],
    held_against: Sequence[Line],
    metric: str,
    all_runs: bool,
    prices: Mapping[str, Mapping[str, Any]],
    on: Reference,
) -> None:
    if len(found) > 1:
        address = {"task": st.query_params.get("task", ""), "runs": [entry.run for entry in found[:2]]}
        st.page_link("compare_page.py", label="Compare runs →", query_params=address)
    elsewhere = {name for other in others for name in other.metrics}
    known = {*runs.metrics} | elsewhere
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # Where the others have no score by the task's metric, theirs are shown from the start.
        theirs = sorted(elsewhere) if metric not in elsewhere else []
        extra, columns = _choose_columns(sorted(known - {metric}), theirs)
        labels = {entry.run: f"{entry.label} · {entry.value:.{DIGITS}f} · {entry.run}" for entry in found}
        chosen = _choose_run("Open a run", labels)
    with opened() as database:
        task = next(iter(runs.rows.values()))["task"] if runs.rows else ""
        more = {name: read.values(database, task, name) for name in extra}
    rows = runs_table.lines(found, others, held_against, metric, more, prices)
    shown = runs_table.ALL_RUNS_ONLY.union(columns) if all_runs else columns
    ticked = runs_table.show(rows, metric, extra, shown, on)
    if found:
        text.note(f"Milliseconds are of one example on {on}; observed ones of the machine of the run.")
    if floor := lines.best_floor(held_against):
        text.note(f"Gain: over the best floor, {plain(floor.name)} ({floor.value:.{DIGITS}f}).")
    for reason, unpriced in _missing(found, prices).items():
        text.note(f"Not priced: {', '.join(unpriced)} ({reason}).")
    if bound_alone := _bound_alone(found, prices):
        text.note(f"Bound alone: {', '.join(bound_alone)} (no stack was fitted to a program that it runs on the host).")
    if any(entry.low == entry.high for entry in found):
        text.note("An interval without width: there is no spread among these examples.")
    for line in dict.fromkeys(f"{e.label} against {tolerance(e.reproduced)}" for e in found if e.reproduced):
        text.note(f"Reproduced: {line}")
    if ticked and not ticked.run:
        text.note(f"{ticked.cells['Submission']} was made elsewhere: {ticked.citation}")
    if run := chosen or (ticked and ticked.run):
        _open(run)


def _choose_columns(metrics: Sequence[str], at_first: Sequence[str]) -> tuple[list[str], list[str]]:
    """Further metrics, and further columns of what is known of a run, in one box; the address keeps them."""
    options = [*metrics, *runs_table.ON_REQUEST]
    begun = st.session_state.get("columns", st.query_params.get_all("columns") or at_first)
    st.session_state["columns"] = [name for name in begun if name in options]
    chosen = st.multiselect("More columns", options, format_func=plain, key="columns", bind="query-params", width=340)
    return [name for name in chosen if name in metrics], [name for name in chosen if name not in metrics]


def _missing(found: Sequence[Entry], prices: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Submissions without idealized seconds, by the reason."""
    reasons: dict[str, list[str]] = {}
    for entry in found:
        if reason := prices[entry.run]["unpriced"]:
            labels = reasons.setdefault(reason, [])
            if entry.label not in labels:
                labels.append(entry.label)
    return reasons


def _bound_alone(found: Sequence[Entry], prices: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Submissions with a bound, and no calibrated seconds although a stack was chosen."""
    priced = {entry.label: prices[entry.run] for entry in found}
    return [
        label
        for label, price in priced.items()
        if price["stack"] and price["calibrated_seconds"] is None and price["bound_seconds"] is not None
    ]


def _choose_run(label: str, runs: Mapping[str, str]) -> str | None:
    return st.selectbox(
        label, list(runs), index=None, format_func=runs.__getitem__, placeholder="Or tick its row", width=340
    )


def _open(run: str) -> None:
    st.switch_page("run_page.py", query_params={"run": run})


def _show_settings(found: Sequence[Entry]) -> None:
    described = {entry.label: f"{entry.kind}: {entry.settings or 'no settings'}" for entry in found}
    first = dict(islice(described.items(), _MOST_DESCRIBED))
    with st.expander("Models and their settings", expanded=len(described) <= _DRAWN_OPEN):
        text.facts(first)
        if len(first) < len(described):
            text.note(f"The first {len(first):,} of {len(described):,}; the download has all.")


def _show_sources(others: Sequence[Reported]) -> None:
    with st.expander("Where the scores made elsewhere come from"):
        sources = [{"Model": other.label, "Verified": other.verification, "Source": other.citation} for other in others]
        st.dataframe(text.frame(sources), hide_index=True, alt="Sources of the scores made elsewhere")


def _show_audit(audit: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """What is odd about the data, table by table."""
    if audit:
        text.section("What is odd about the data")
    for title, rows in audit.items():
        with st.expander(text.label(title), expanded=len(rows) <= _DRAWN_OPEN):
            st.dataframe(text.frame(rows), hide_index=True, placeholder="", alt=plain(title))


def _show_unfinished(rows: Iterable[Mapping[str, Any]]) -> None:
    unfinished = [row for row in rows if row["state"] != "done"]
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
    ticked = selection["selection"]["rows"]
    if run := chosen or (ticked and list(labels)[ticked[0]]):
        _open(run)


if __name__ == "__main__":
    show()
