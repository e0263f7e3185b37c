"""Code search: which protocol the scores are of, what ties and copies make of them, and how much leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.plain import plain
from harness.store import Database, read
from leaderboard import text
from leaderboard.rows import DIGITS, Entry

_COMPARES = {
    "challenge": "the challenge's table (Husain et al. 2019, Table 4) and its leaderboard, and with nothing else",
    "csn99-pooled": "other runs on this pool only: the challenge searches a hundred times as many functions",
    "proxy-1000": "MRR among the 1,000 of a batch: CodeSearchNet's own models, CodeBERT's first paper",
    "filtered": "GraphCodeBERT, UniXcoder, CoCoSoDa and after, language by language; beware of their mean of six",
    "advtest": "CodeXGLUE's AdvTest: other functions than CodeSearchNet's test, with masked names",
    "cosqa": "MRR over 6,267 codes; not with MTEB's or CoIR's CosQA, which has each code up to many times",
    "mbpp": "the MBPP column of ReCo",
    "conala": "the CoNaLa column of ReCo",
    "apps": "the APPS column of ReCo",
    "mteb": "MTEB's CodeSearchNetRetrieval",
    "mteb-cc": "MTEB's CodeSearchNetCCRetrieval",
    "mteb-coir": "MTEB's COIRCodeSearchNetRetrieval",
    "mteb-cosqa": "MTEB's and CoIR's CosQA",
}
_PARTS = {"_optimistic": "Ties for it", "_pessimistic": "Ties against it", "_distinct": "Copies count once"}
_GRADED = ("nDCG_all", "nDCG_within", "Judged@10")
_NAMES = "query has every word of its function's name"
_NAMED_FROM = 0.25
"""From this share of such queries on, names are worth a warning."""
_WIDE = 0.005
"""From this distance of the bounds on, ties are worth a warning."""


def compares_with(task: str) -> str:
    """The sentence that says what a score of a task may be set beside."""
    _, _, rest = task.partition("/")
    protocol, _, variant = rest.partition("/")
    own = "runs on this task only: it is no published protocol"
    if variant in ("no-docs", "masked", "with-docs") or variant.endswith(("/no-docs", "/masked")):
        own = "runs on this variant only; the task without its last part is the published protocol"
        return f"Compare with {own}."
    return f"Compare with {_COMPARES.get(protocol, own)}."


def tie_rows(found: Sequence[Entry], metric: str, values: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Of each run the official score, its bounds under ties, and what it is where copies count once.

    `values` are those of the metrics: name → run → value.
    """
    rows = []
    for entry in found:
        parts = {label: values[f"{metric}{part}"].get(entry.run) for part, label in _PARTS.items()}
        if None not in parts.values():
            rows.append({"Submission": entry.label, metric: values[metric].get(entry.run), **parts})
    return rows


def graded_rows(found: Sequence[Entry], values: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Of each run the challenge's NDCG in both readings, and how much of its first ten anybody judged."""
    return [
        {"Submission": entry.label, **{name: values[name][entry.run] for name in _GRADED}}
        for entry in found
        if all(entry.run in values[name] for name in _GRADED)
    ]


def warnings(rows: Sequence[Mapping[str, Any]], version: Mapping[str, Any], metric: str) -> list[str]:
    """What a reader has to know before believing the table; `version` has the facts and the audit of the task."""
    said = []
    share = version["facts"].get("leaking_queries")
    if isinstance(share, float) and share >= 0.1:
        said.append(f"{share:.0%} of the queries stand word for word in their own code: term matching finds them.")
    for row in version["audit"].get("Leaks", ()):
        if row["check"] == _NAMES and row["share"] >= _NAMED_FROM:
            said.append(
                f"{row['share']:.0%} of the queries say every word of the name of a function that answers them: "
                "splitting names is worth much here, and the variant masked takes them away."
            )
    wide = [row for row in rows if row["Ties for it"] - row["Ties against it"] > _WIDE]
    if wide:
        most = max(wide, key=lambda row: row["Ties for it"] - row["Ties against it"])
        said.append(
            f"The order of ties alone moves {plain(most['Submission'])} between {most['Ties against it']:.3f} and "
            f"{most['Ties for it']:.3f} in {metric}; published scores often leave it to chance."
        )
    return said


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """What the score compares with, warnings, and the table of ties and copies."""
    text.note(compares_with(plain(version["name"])))
    names = read.metrics(database, version)
    distinct = [name for name in names if name.startswith("RR") and name.endswith("_distinct")]
    metric = distinct[0].removesuffix("_distinct") if distinct else ""
    rows = tie_rows(found, metric, _values(database, version, [f"{metric}{part}" for part in ("", *_PARTS)]))
    for sentence in warnings(rows, version, metric):
        st.warning(text.label(sentence))
    if rows:
        text.section("Ties and copies")
        about = f"{metric} of each run with the best and worst order of ties, and with copies counted once"
        _show(rows, (metric, *_PARTS.values()), about)
        text.note(
            "Scores are the mean over all orders of equal scores unless the protocol says otherwise. A code that was "
            "not found counts 0; “ties for it” places it first among what was not found."
        )
    if set(_GRADED) <= set(names):
        _show_graded(graded_rows(found, _values(database, version, _GRADED)), version)


def _show_graded(rows: Sequence[Mapping[str, Any]], version: Mapping[str, Any]) -> None:
    text.section("Within and all")
    _show(rows, _GRADED, "NDCG of each run with and without the functions that nobody judged")
    for line in version["lines"]:
        text.note(f"{plain(line['name'])}, {line['value']:.3f} in nDCG_all: {plain(line['description'])}")
    text.note(
        "“Within” passes over what nobody judged, so it is high where little else is ranked: a random order of the "
        "judged functions alone has .67 to .89. Compare “all”, and look at how much of the first ten was judged."
    )


def _show(rows: Sequence[Mapping[str, Any]], numbers: Sequence[str], about: str) -> None:
    columns = {name: st.column_config.NumberColumn(plain(name), format=f"%.{DIGITS}f") for name in numbers}
    st.dataframe(text.frame(rows), hide_index=True, column_config=columns, alt=about)


def _values(database: Database, version: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, float]]:
    return {name: dict(read.values(database, version["name"], name)) for name in names}
