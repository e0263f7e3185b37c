"""The frontier: how good, how fast, how large, over a suite or a task, within limits that the reader sets.

Address: `/?over=NAME`, with `&hardware=`, `&stack=`, `&cost=`, `&ms=` and `&mb=`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import streamlit as st

from harness import comparison
from harness.contract import Suite
from harness.efficiency.serving import Reference
from harness.errors import nearest
from harness.plain import plain
from harness.store import Database, read
from leaderboard import charts, costs, downloads, filters, kept, navigation, suite_page, text
from leaderboard.frontier import View, view
from leaderboard.rows import DIGITS, Entry, NoResults, opened, pareto

_NO_LIMIT = 0.0
_FAMILY = re.compile("[/:]")


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
            over = _choose(_of_family(names))
            on = costs.choose_reference()
        shown = view(database, over, on)
        if not shown.found:
            text.note("No finished run over the whole of it yet.")
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            basis = costs.choose_basis(shown.spent)
            most = _limit(f"At most, {_unit(basis)}", "ms")
            memory = _limit("At most, MB of memory", "mb")
            wanted = filters.choose(shown.found)
        spent = shown.spent[basis]
        inside = [entry for entry in _within(shown, spent, most, memory) if wanted.keeps(entry)]
        others = [other for other in shown.others if wanted.keeps_reported(other)]
        text.note(shown.note + _left_out(shown, inside))
        _show_answer(database, shown, inside, spent, basis, on)
        charts.score_against_cost(inside, others, shown.held_against, shown.metric, spent, costs.AXES[basis])
        if inside:
            _show_table(shown, inside, spent, basis)


def _names(database: Database) -> dict[str, Suite | str]:
    """What can be looked at: suites with results first, then tasks."""
    suites: dict[str, Suite | str] = {plain(suite.name): suite for suite in suite_page.with_results(database)}
    return suites | {plain(task["name"]): str(task["name"]) for task in kept.tasks(database) if task["done"]}


def _of_family(names: Mapping[str, Suite | str]) -> Mapping[str, Suite | str]:
    """Those of the family that is chosen, where there are several families."""
    families = list(dict.fromkeys(_FAMILY.split(name)[0] for name in names))
    if len(families) < 2:
        return names
    chosen = st.pills("Family", families, key="family", bind="query-params")
    return {name: names[name] for name in names if chosen in (None, _FAMILY.split(name)[0])}


def _left_out(shown: View, inside: Sequence[Entry]) -> str:
    count = len(shown.found) - len(inside)
    return f" {count:,} of {len(shown.found):,} are outside the limits and filters." if count else ""


def _choose(names: Mapping[str, Suite | str]) -> Suite | str:
    asked = st.query_params.get("over")
    if st.session_state.get("over", asked) not in names:
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


def _within(view: View, spent: Mapping[str, float], most: float, memory: float) -> list[Entry]:
    """The rows within the limits; one whose cost or memory is not known is not within a limit on it."""
    return [
        entry
        for entry in view.found
        if (not most or spent.get(entry.run, float("inf")) <= most)
        and (not memory or (entry.peak_rss_bytes or float("inf")) <= memory * 1e6)
    ]


def _show_answer(
    database: Database,
    view: View,
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
    where = "on the machine of the run" if basis in ("cpu", "observed") else f"on {on}"
    text.figures(
        [
            ("Best within the limits", best.label, f"{view.metric} {best.value:.{DIGITS}f}"),
            ("95 % interval", f"{best.low:.{DIGITS}f} – {best.high:.{DIGITS}f}", "over examples"),
            (f"Cost, {basis}", f"{spent[best.run]:.4g} {_unit(basis)}" if best.run in spent else "unknown", where),
            ("Memory", _megabytes(best.peak_rss_bytes), "highest resident, where it ran"),
        ]
    )
    with st.container(horizontal=True):
        st.page_link("run_page.py", label="How it was made →", query_params={"run": view.runs[best.run][0]})
        if len(inside) > 1:
            _show_next(database, view, best, inside[1])


def _show_next(database: Database, view: View, best: Entry, following: Entry) -> None:
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


def _show_table(view: View, inside: Sequence[Entry], spent: Mapping[str, float], basis: str) -> None:
    front = pareto(inside, spent)
    cost = f"{basis} ({'CPU s' if basis == 'cpu' else 'ms'})"
    table = text.frame(
        [
            {
                "Rank": entry.rank,
                "Submission": entry.label,
                "Model": entry.kind,
                view.metric: entry.value,
                "95 % interval": f"{entry.low:.{DIGITS}f} – {entry.high:.{DIGITS}f}",
                cost: spent.get(entry.run),
                "Memory (MB)": None if entry.peak_rss_bytes is None else entry.peak_rss_bytes / 1e6,
                "Params (M)": None if entry.parameters is None else entry.parameters / 1e6,
                "Pareto-best": "✓" if entry.run in front else "",
                "Verified": entry.verification,
                "Marks": list(entry.marks),
                "Licence": entry.licence,
            }
            for entry in inside
        ]
    )
    number = st.column_config.NumberColumn
    selection = st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Rank": number(help="Among all, whatever the limits and filters leave out.", width=60),
            view.metric: number(format=f"%.{DIGITS}f"),
            cost: number(format="%.4g"),
            "Memory (MB)": number(format="%.1f", help="Highest resident, less that of an empty worker."),
            "Params (M)": number(format="%.4g", help="Numbers that were learnt, in millions; none for BM25."),
        },
        on_select="rerun",
        selection_mode="single-row",
        key="frontier",
        placeholder="–",
        alt=f"Submissions within the limits, best {view.metric} first",
    )
    downloads.of_table(table, "frontier")
    for place in selection["selection"]["rows"]:
        st.switch_page("run_page.py", query_params={"run": view.runs[inside[place].run][0]})


def _unit(basis: str) -> str:
    return "CPU s of the run" if basis == "cpu" else "ms an example"


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.0f} MB"


if __name__ == "__main__":
    show()
