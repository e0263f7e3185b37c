"""The examples of a run: how their scores are spread, a table to choose from, and one question with its answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from harness.contract import Classes, Failure, LogLikelihood, Ranking, Texts
from harness.errors import UnknownName
from harness.plain import plain
from harness.store import Database, read_examples
from leaderboard import charts, downloads, families, rows, text
from leaderboard.rows import DIGITS

if TYPE_CHECKING:
    import numpy.typing as npt

    from harness.contract import FloatArray
    from harness.store.read_examples import ExampleView

_ON_A_PAGE = 200
_TALLEST = 390  # pixels; a longer table scrolls
_TITLE_WIDTH = 520
_DEPTH = 1000  # documents of a ranking that are scored


def show(database: Database, run: str, family: str, metrics: Sequence[str]) -> None:
    """The run's scores by example, and the example that the address names (`example=ID`).

    `metrics`: the task's, the primary one first; statistics that are no metric follow them.
    """
    columns = read_examples.example_columns(database, run)
    if columns:
        text.section("Examples")
        names = [name for name in metrics if name in columns]
        names += [name for name in columns if name not in names]
        columns = {name: columns[name] for name in names}
        left, right = st.columns([2, 3], gap="medium")
        with left:
            charts.spread(columns[names[0]], names[0])
        with right:
            _choose(database, run, columns, _page(_chosen(database, run, columns)))
    asked_for = st.query_params.get("example")
    if asked_for is not None:
        _show_asked(database, run, family, asked_for)
    elif columns:
        text.note("Tick a row to see its question, the right answers and what the model said.")


def _chosen(database: Database, run: str, columns: Mapping[str, FloatArray]) -> npt.NDArray[np.intp]:
    """The places of the examples to be shown, in order; all of a few, which the table itself can sort and search."""
    statistic, values = next(iter(columns.items()))
    if len(values) <= _ON_A_PAGE:
        return np.arange(len(values))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Words in id or question", key="find", type="search", width=230)
        orders: dict[str, Callable[[], npt.NDArray[np.intp]]] = {
            "all, in order": lambda: np.arange(len(values)),
            f"lowest {statistic} first": lambda: np.argsort(values, kind="stable"),
            f"highest {statistic} first": lambda: np.argsort(-values, kind="stable"),
            f"{statistic} 0": lambda: np.flatnonzero(values == 0),
            f"{statistic} 1": lambda: np.flatnonzero(values == 1),
        }
        order = st.selectbox("Show", list(orders), format_func=plain, key="show", width=230)
    places = orders[order]()
    if words:
        places = places[np.isin(places, read_examples.examples_with(database, run, words))]
    return places


def _page(places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """A part of the places that a table can hold."""
    pages = max(1, math.ceil(len(places) / _ON_A_PAGE))
    if pages == 1:
        return places
    # A new choice of examples begins at its first page.
    page = st.number_input(f"Page of {pages:,}", 1, pages, key=f"page of {pages}", width=230)
    return places[(page - 1) * _ON_A_PAGE : page * _ON_A_PAGE]


def _choose(database: Database, run: str, columns: Mapping[str, FloatArray], places: npt.NDArray[np.intp]) -> None:
    asked = read_examples.example_questions(database, run, places.tolist())

    def opened() -> None:
        for place in st.session_state["examples"]["selection"]["rows"]:
            st.query_params["example"] = asked[place][0]

    st.dataframe(
        _table(asked, columns, places),
        hide_index=True,
        height=250,
        column_config={
            "Question": st.column_config.TextColumn(width="large"),
            **{name: st.column_config.NumberColumn(format=f"%.{DIGITS}f") for name in columns},
        },
        on_select=opened,
        selection_mode="single-row",
        key="examples",
        alt="Scores of every example" if len(places) == len(next(iter(columns.values()))) else "Scores of examples",
    )
    downloads.of_made_table(partial(_all, run, columns), "examples")


def _all(run: str, columns: Mapping[str, FloatArray]) -> Any:
    """Every example, whatever the page shows."""
    places = np.arange(len(next(iter(columns.values()))))
    with rows.opened() as database:
        return _table(read_examples.example_questions(database, run, places.tolist()), columns, places)


def _table(asked: Sequence[tuple[str, str]], columns: Mapping[str, FloatArray], places: npt.NDArray[np.intp]) -> Any:
    values = zip(*(column[places].tolist() for column in columns.values()), strict=True)
    return text.frame(
        [
            {"Example": id, "Question": question} | dict(zip(columns, statistics, strict=True))
            for (id, question), statistics in zip(asked, values, strict=True)
        ]
    )


def _show_asked(database: Database, run: str, family: str, example_id: str) -> None:
    try:
        view = read_examples.example(database, run, example_id)
    except UnknownName as error:
        text.section(f"No example {example_id!r} in this task")
        text.paragraph(error.hint if error.hint.startswith("Did you mean") else "The table above lists them all.")
        return
    text.section(f"Example {example_id}")
    st.text(plain(view.text, lines=True))
    if families.show_example(family, view):
        return
    if view.prediction is None:
        text.note("No prediction is stored for it yet.")
        _show_gold(view.gold)
        return
    match view.prediction.output:
        case Ranking() as ranking:
            _show_ranking(database, run, ranking, view)
        case Classes(label, by_class):
            text.facts({"Answer": label})
            best_first = sorted(by_class.items(), key=lambda item: -item[1])
            _show_table([{"Class": name, "Score": score} for name, score in best_first], "Scores of the classes")
            _show_gold(view.gold)
        case Texts(answers):
            for answer in answers:
                st.code(plain(answer, lines=True), language=None, wrap_lines=True)
            _show_gold(view.gold)
        case LogLikelihood(nats, byte_count):
            text.facts({"Log-likelihood (nats)": f"{nats:.{DIGITS}f}", "Bytes": f"{byte_count:,}"})
            _show_gold(view.gold)
        case Failure(kind, message):
            text.facts({"No answer": kind.replace("_", " ")})
            text.paragraph(message)
            _show_gold(view.gold)


def _show_ranking(database: Database, run: str, ranking: Ranking, view: ExampleView) -> None:
    """The ranked documents with their grades; then the relevant documents that the model did not find."""
    grades: dict[str, int] = view.gold
    relevant = {document for document, grade in grades.items() if grade > 0}
    scored = _as_scored(ranking, view.id)
    found = [document for document, _ in scored]
    missed = sorted(relevant.difference(found))
    titles = read_examples.titles(database, run, [*found, *missed])
    first = next((rank for rank, document in enumerate(found, start=1) if document in relevant), None)
    text.facts(
        {
            "Documents ranked": f"{len(found):,}",
            "Relevant": f"{len(relevant):,}",
            "Relevant and ranked": f"{len(relevant) - len(missed):,}",
            "First relevant at rank": first or "not in the list",
        }
    )
    rows = [
        {
            "Rank": rank,
            "Relevant": "✓" if document in relevant else "",
            "Grade": grades.get(document),
            "Document": document,
            "Title": titles.get(document, ""),
            "Score": score,
        }
        for rank, (document, score) in enumerate(scored, start=1)
    ]
    _show_table(rows, "Ranked documents, best first")
    if missed:
        text.section("Relevant, but not in the list")
        _show_table(
            [
                {
                    "Grade": grades[document],
                    "Document": document,
                    "Title": titles.get(document, ""),
                }
                for document in missed
            ],
            "Relevant documents that are not in the list",
        )
    own = " The query's own document was taken out." if view.id in ranking.ids else ""
    text.note(
        f"In the order that is scored: score as float32, then id, both descending; at most {_DEPTH:,} documents.{own} "
        "Titles are kept for documents that some run ranked among its first ten."
    )


def _as_scored(ranking: Ranking, query: str) -> list[tuple[str, float]]:
    """(document, score) in the order in which the retrieval metrics take them, see `harness.metrics.ranking`."""
    kept = {document: score for document, score in zip(ranking.ids, ranking.scores, strict=True) if document != query}
    as_float32 = dict(zip(kept, np.asarray(list(kept.values()), np.float64).astype(np.float32).tolist(), strict=True))
    # Python orders text by code point, which is the order of its bytes in UTF-8.
    order = sorted(kept, key=lambda document: (as_float32[document], document), reverse=True)
    return [(document, kept[document]) for document in order[:_DEPTH]]


def _show_table(rows: list[dict[str, Any]], alt: str) -> None:
    if not rows:
        return
    st.dataframe(
        text.frame(rows),
        hide_index=True,
        height="content" if len(rows) <= 10 else _TALLEST,
        column_config={
            "Rank": st.column_config.Column(width=65),
            "Relevant": st.column_config.TextColumn(width=75, alignment="center"),
            "Grade": st.column_config.NumberColumn(width=65, help="As somebody judged it; empty if nobody did."),
            "Score": st.column_config.NumberColumn(format=f"%.{DIGITS}f"),
            "Title": st.column_config.TextColumn(width=_TITLE_WIDTH),
        },
        placeholder="",
        alt=alt,
    )


def _show_gold(gold: Any) -> None:
    text.note("The right answer:")
    shown = gold if isinstance(gold, str) else json.dumps(gold, ensure_ascii=False, indent=2)
    st.code(plain(shown, lines=True), language=None, wrap_lines=True)
