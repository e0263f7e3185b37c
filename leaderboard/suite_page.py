"""The page of a suite, such as BEIR: submissions as rows, data sets as columns, the average with its coverage.

Address: `/suite?suite=NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import streamlit as st

from harness import registry
from harness.contract import Suite
from harness.errors import nearest
from harness.plain import plain
from harness.store import Database, read, reports
from harness.suite import Drawn, MemberScore, SuiteRow, averages, entries
from leaderboard import downloads, families, kept, navigation, suite_others, text
from leaderboard.rows import DIGITS, NoResults, opened

_TABLE = "averages"
_PINNED = ("Coverage", "Rank", "Submission")


def show() -> None:
    """Show the averages over the suite that the address names, else over the first with results.

    Raises `NoResults` if no suite has any.
    """
    navigation.came_back("suite")
    text.title("Equal Footing", below="Averages over suites of tasks, each with what it covers")
    with opened() as database:
        suites = with_results(database)
        if not suites:
            raise NoResults("No task of a suite has been evaluated yet.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            suite = _choose_suite(suites)
            names = {metric.name: metric for metric in suite.metrics}
            metric = names[st.selectbox("Metric", list(names), key="metric", width=160)]
            with_others = st.toggle("Made elsewhere", True, key="others", help="Published and self-reported scores.")
        rows = averages(suite, metric, entries(database, suite, [metric], _drawn())[metric.name])
        tasks = set(suite.tasks())
        scores = [s for s in reports.reported(database) if s.task in tasks and s.metric == metric.name]
        settings = read.settings(database, {row.submission_digest for row in rows})
    text.paragraph(suite.description)
    if metric.description:
        text.note(f"{metric.name}: {metric.description}")
    if rows:
        others = suite_others.averaged(suite, metric, scores) if with_others else []
        _show_table(suite, rows, suite_others.reproduced(rows, settings, scores), others)
    else:
        text.note(f"No submission has {metric.name} on a whole member yet.")
    with opened() as database:
        families.show_suite(database, suite)
    _show_what_is_missing(suite, rows)


@cache
def known_suites() -> list[Suite]:
    """Every suite that is installed; looking for them takes a moment, and they do not change while the app runs."""
    return registry.suites()


def with_results(database: Database) -> list[Suite]:
    """The suites with a finished run on one of their tasks."""
    done = {task["name"] for task in kept.tasks(database) if task["done"]}
    return [suite for suite in known_suites() if done.intersection(suite.tasks())]


@st.cache_resource
def _drawn() -> Drawn:
    """Draws of runs that were averaged before: the slow part, and finished runs never change."""
    return {}


def _choose_suite(suites: Sequence[Suite]) -> Suite:
    shown = {plain(suite.name): suite for suite in suites}
    asked = st.query_params.get("suite")
    if "suite" not in st.session_state and asked not in shown:
        st.session_state["suite"] = next(iter(shown))
    chosen = st.selectbox("Suite", list(shown), index=None, required=True, key="suite", bind="query-params", width=340)
    navigation.remember("suite", chosen)
    if asked is not None and asked not in shown:
        near = nearest(asked, shown)
        text.note(f"No results for a suite {asked!r}." + (f" Did you mean {near!r}?" if near else ""))
    return shown.get(chosen or "", suites[0])


def _show_table(
    suite: Suite, rows: Sequence[SuiteRow], verdicts: Sequence[str | None], others: Sequence[SuiteRow]
) -> None:
    columns = _member_columns(suite, rows)
    table = text.frame(
        [
            *(_cells(row, columns) | {"Reproduced": verdict} for row, verdict in zip(rows, verdicts, strict=True)),
            *(_cells(row, columns) | {"Rank": None} for row in others),
        ]
    )
    runs = {
        plain(f"{row.submission} · {columns[score.member]} · {score.value:.{DIGITS}f} · {run}"): run
        for row in rows
        for score in row.scores
        for run in score.runs
    }
    chosen = st.selectbox("Open a run", list(runs), index=None, placeholder="Or click its score", width=340)
    shown = [*rows, *others]
    selection = st.dataframe(
        text.greyed(table, [row in others for row in shown], pinned=_PINNED),
        hide_index=True,
        height="content" if len(shown) <= 25 else 900,
        column_config=_config(rows[0].metric, columns),
        on_select=partial(_choose_inner, shown, columns),
        selection_mode="single-cell",
        key=_TABLE,
        placeholder="–",
        alt=f"Averages over {plain(suite.name)}, the widest coverage first",
    )
    downloads.of_table(table, "suite")
    text.note(
        "Ranks are among averages over the same data sets in the same versions; others cannot be compared. For the "
        "interval the examples of each data set are drawn again by themselves. A suite within the suite counts once."
    )
    if others:
        text.note(
            "In grey, without a rank: averages of scores that were made elsewhere. The board of a task has sources."
        )
    _open(chosen and runs[chosen], selection, shown, columns)


def _member_columns(suite: Suite, rows: Sequence[SuiteRow]) -> dict[str, str]:
    """Names of members that any submission covers, and what their columns are called."""
    covered = {score.member for row in rows for score in row.scores}
    names = [member.name if isinstance(member, Suite) else member for member in suite.members]
    family = f"{suite.name.partition('/')[0]}/"
    return {name: plain(name.removeprefix(family)) for name in names if name in covered}


def _cells(row: SuiteRow, columns: Mapping[str, str]) -> dict[str, Any]:
    values = {score.member: score.value for score in row.scores}
    interval = "" if row.ci_low is None else f"{row.ci_low:.{DIGITS}f} – {row.ci_high:.{DIGITS}f}"
    return {
        "Coverage": f"{row.covered} of {row.members}",
        "Rank": row.rank,
        "Submission": row.submission,
        "Model": row.kind,
        f"Mean {row.metric}": row.value,
        "95 % interval": interval,
        **{label: values.get(member) for member, label in columns.items()},
        "Marks": ["own code"] if row.runs_code else [],
        "Reproduced": None,
        "Verified": row.verification,
    }


def _config(metric: str, columns: Mapping[str, str]) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Coverage": st.column_config.TextColumn(
            width=80, pinned=True, help="Members with a score, of all. Never compare across."
        ),
        "Rank": number(
            width=55, format="%d", pinned=True, help="Among averages over the same data sets in the same versions."
        ),
        "Submission": st.column_config.TextColumn(width=150, pinned=True),
        "Model": st.column_config.TextColumn(width=75),
        f"Mean {metric}": number(format=f"%.{DIGITS}f", width=115, help="Each member counts the same."),
        "95 % interval": st.column_config.TextColumn(width=118),
        **{label: number(format=f"%.{DIGITS}f", width=max(70, 12 + 8 * len(label))) for label in columns.values()},
        "Marks": st.column_config.ListColumn(width=90, help="own code: the submission brings code."),
        "Reproduced": st.column_config.TextColumn(
            width=110, help="Data sets on which the published score of the same model was reproduced."
        ),
        "Verified": st.column_config.TextColumn(width=88, help="How far the scores are verified, as on the board."),
    }


def _open(run: str | None, selection: Any, rows: Sequence[SuiteRow], columns: Mapping[str, str]) -> None:
    """Go to the page of the chosen run, or of the one behind the clicked score."""
    if clicked := _clicked(selection, rows, columns):
        run = clicked.runs[0]
    if run:
        st.switch_page("run_page.py", query_params={"run": run})


def _choose_inner(rows: Sequence[SuiteRow], columns: Mapping[str, str]) -> None:
    """A click on the average of a suite within the suite shows that one; later, the address could not be changed."""
    clicked = _clicked(st.session_state[_TABLE], rows, columns)
    if clicked and clicked.member in {suite.name for suite in known_suites()}:
        st.session_state["suite"] = plain(clicked.member)


def _clicked(selection: Any, rows: Sequence[SuiteRow], columns: Mapping[str, str]) -> MemberScore | None:
    cells: Sequence[tuple[int, str]] = selection["selection"].get("cells", [])
    found = (
        score
        for place, column in cells
        for score in (rows[place].scores if place < len(rows) else [])
        if columns[score.member] == column
    )
    return next(found, None)


def _show_what_is_missing(suite: Suite, rows: Sequence[SuiteRow]) -> None:
    covered = {score.member for row in rows for score in row.scores}
    names = [member.name if isinstance(member, Suite) else member for member in suite.members]
    missing = [plain(name) for name in names if name not in covered]
    if missing:
        text.section("Without a result")
        text.paragraph(", ".join(missing))
        text.note("“harness suites” says where their data comes from. A suite counts when all its tasks have a result.")


if __name__ == "__main__":
    show()
