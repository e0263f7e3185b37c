"""Where the tasks and the published scores come from: citations, and the tables that ship.

Address: `/references?family=NAME`.
"""

from __future__ import annotations

import streamlit as st

from harness import registry
from harness.plain import plain
from harness.reference.published import KINDS, tables
from leaderboard import downloads, text


def show() -> None:
    """Show the tasks of a family with their citations, and the published scores with their sources."""
    text.title("Seeds and references", "The papers behind the tasks, and the published scores that stand beside ours")
    cards = [task.card for task in registry.tasks()]
    families = sorted({card.family for card in cards} | set(tables()))
    asked = st.query_params.get("family")
    if "family" not in st.session_state and asked not in families:
        st.session_state["family"] = families[0]
    family = st.selectbox("Family", families, index=None, required=True, key="family", bind="query-params", width=340)
    cited: dict[tuple[str, str, str], list[str]] = {}
    for card in cards:
        if card.family == family:
            cited.setdefault((card.citation, card.url, card.licence), []).append(card.name)
    if cited:
        text.section("Tasks")
        rows = [
            {"Tasks": len(names), "Such as": names[0], "Citation": citation, "Address": url, "Licence": licence}
            for (citation, url, licence), names in cited.items()
        ]
        st.dataframe(text.frame(rows), hide_index=True, alt=f"Citations of {plain(family)}")
    if table := tables().get(family or ""):
        _show_published(table.name)


def _show_published(name: str) -> None:
    text.section("Published scores")
    scores = tables()[name].scores
    rows = [
        {
            "Task": score.task,
            "Model": score.model,
            "Metric": score.metric,
            "Value": score.value,
            "How": KINDS.get(score.kind, score.kind),
            "Note": score.note,
            "Source": score.source,
        }
        for score in scores
    ]
    table = text.frame(rows)
    st.dataframe(table, hide_index=True, height=560, alt=f"Published scores of {plain(name)}")
    downloads.of_table(table, name)


if __name__ == "__main__":
    show()
