"""Submit: check a submission as it is typed, and have answers that were made elsewhere scored.

Address: `/submit`. No code of a submission runs from this page, and no file that it names is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

import streamlit as st

from harness import registry
from harness.contract import Places, Task
from harness.draft import Draft, draft
from harness.errors import HarnessError
from harness.plain import plain
from harness.store import read
from leaderboard import scoring, text
from leaderboard.rows import NoResults, opened

_START = """\
name: my BM25
model:
  kind: bm25
  k1: 1.2
"""
_MOST_MEGABYTES = 200
_ANSWERS = frozenset({"ranking", "classes", "texts"})


def show() -> None:
    """Show the two ways in: a model as YAML, or its answers as a file."""
    text.title("Submit", "A model as a short YAML file, or the answers of one as a file")
    left, right = st.columns(2, gap="large")
    with left:
        _show_yaml()
    with right:
        _show_answers()


def _show_yaml() -> None:
    text.section("A model")
    upload = st.file_uploader("A YAML file", type=["yaml", "yml"], max_upload_size=1, key="file")
    typed = upload.getvalue().decode("utf-8", "replace") if upload else _START
    written = st.text_area("Submission", typed, height=260, key=f"yaml-{hash(typed)}", max_chars=256 * 1024)
    text.note("Checked whenever the box is left, or with Ctrl+Enter. Its settings: “harness models KIND”.")
    try:
        found = draft(written or "")
    except HarnessError as error:
        text.section("Not valid yet")
        st.code(plain(f"{error.message}\n{error.hint}".strip(), lines=True), language=None, wrap_lines=True)
        return
    text.paragraph(f"Valid: {found.name}, {', then '.join(found.kinds)}.")
    _show_next(found)
    with suppress(NoResults), opened() as database:
        _show_what_others_took(read.runs(database), found)


def _show_next(found: Draft) -> None:
    file = re.sub(r"[^A-Za-z0-9._-]+", "-", found.name).strip("-.") or "submission"
    allow = " --allow-code" if found.runs_code else ""
    text.note(f"Save it as {file}.yaml. The first line says what it would take, the second evaluates it:")
    st.code(f"harness check {file}.yaml\nharness eval {file}.yaml{allow}", language=None)
    if found.runs_code:
        text.note("It brings code of its own, which runs as you, with all that you may do. Read it first.")


def _show_what_others_took(runs: Sequence[Mapping[str, Any]], found: Draft) -> None:
    kind = found.kinds[0] if len(found.kinds) == 1 else "pipeline"
    taken = [row for row in runs if _took(row, kind)]
    if not taken:
        text.note(f"No run of kind {kind} is stored to judge its cost by; “harness check” makes a small pilot.")
        return
    text.section(f"What runs of kind {kind} took here")
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for row in taken:
        by_task.setdefault(row["task"], []).append(row)
    rows = [
        {
            "Task": task,
            "Runs": len(of_task),
            "Prepare (CPU s)": median(row["prepare_cpu_seconds"] for row in of_task),
            "Predict (CPU s)": median(row["predict_cpu_seconds"] for row in of_task),
            "Memory (MB)": median(row["peak_rss_bytes"] for row in of_task) / 1e6,
        }
        for task, of_task in sorted(by_task.items())
    ]
    st.dataframe(text.frame(rows), hide_index=True, alt=f"Medians of runs of kind {plain(kind)}")


def _took(row: Mapping[str, Any], kind: str) -> bool:
    whole = row["state"] == "done" and row["n"] == row["task_examples"]
    return bool(whole and row["kind"] == kind and row["predict_cpu_seconds"] is not None and row["prepare_cpu_seconds"])


def _show_answers() -> None:
    text.section("Answers that were made elsewhere")
    text.note("A TREC run file or JSON lines, plain or gzipped. They are scored here, in a process of their own.")
    tasks = _tasks_for_answers()
    with st.form("answers", border=False):
        task = st.selectbox("Task", tasks, index=None, placeholder="Whose answers they are")
        name = st.text_input("Name on the board", max_chars=100)
        upload = st.file_uploader("File", max_upload_size=_MOST_MEGABYTES, key="answers-file")
        asked = st.form_submit_button("Score it", type="primary")
    if not asked:
        return
    if not (task and name.strip() and upload):
        text.paragraph("Choose the task, a name and the file first.")
        return
    with st.spinner("Scoring …"):
        done = scoring.score(upload.getvalue(), name.strip(), task)
    text.paragraph(done.said)
    if done.run:
        st.page_link("run_page.py", label="To the run →", query_params={"run": done.run})


def _tasks_for_answers() -> Sequence[str]:
    places = Places.default()
    return [task.card.name for task in registry.tasks() if _can_be_answered(task, places)]


def _can_be_answered(task: Task, places: Places) -> bool:
    return bool(task.card.needs & _ANSWERS) and task.status(places).ready


if __name__ == "__main__":
    show()
