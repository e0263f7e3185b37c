"""All tasks of intrusion detection side by side: scores, floors, cost, and what is odd about each set of flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from harness.efficiency import run_prices
from harness.efficiency.serving import price
from harness.errors import InputError
from harness.plain import plain
from harness.store import Database, read, read_sweeps, read_work
from harness.store.read_latest import LatestScore, latest_scores
from leaderboard import text
from leaderboard.rows import DIGITS

if TYPE_CHECKING:
    from harness.store.read_work import RunWork

PREFIX = "nids/"
COST = "a million flows (s)"
METRICS = (
    "balanced_accuracy",
    "accuracy",
    "f1",
    "detection_rate",
    "false_alarm_rate",
    "detection@far1%",
    "auc",
    "unseen_detection",
)
_FLOORED = "balanced_accuracy"
"""The metric that a task's floors are of."""


def show(database: Database) -> None:
    """Submissions by tasks, those that mislead last and badged; then a row of the audit for each task."""
    versions = newest(database)
    if not versions:
        return
    text.section("Every set of flows")
    metric = st.selectbox("Shown", [*METRICS, COST], format_func=text.readable, key="nids-shown", width=260) or _FLOORED
    rows = table(database, versions, metric)
    columns = {name: _heading(version) for name, version in versions.items()}
    number = st.column_config.NumberColumn
    format_ = "%.3g" if metric == COST else f"%.{DIGITS}f"
    st.dataframe(
        text.frame([{columns.get(key, key): value for key, value in row.items()} for row in rows]),
        hide_index=True,
        height="content" if len(rows) <= 25 else 900,
        column_config={heading: number(format=format_) for heading in columns.values()},
        placeholder="–",
        alt=f"{text.readable(metric)} of each submission on each set of flows",
    )
    text.note(
        "The latest run of each submission; sweeps stand on the pages of their tasks. What is in brackets keeps "
        "a column from being compared with the others: a random split puts neighbours of one attack on both sides."
    )
    text.section("What is odd about each")
    st.dataframe(
        text.frame([{"Set": columns[name]} | summary(version) for name, version in versions.items()]),
        hide_index=True,
        height="content",
        placeholder="–",
        alt="Size, duplicates, overlap and leaks of each set of flows",
    )


def newest(database: Database) -> dict[str, Mapping[str, Any]]:
    """The newest version of each task with a finished run: the plain ones first, then those with a badge."""
    names = sorted(task["name"] for task in read.tasks(database) if task["done"] and task["name"].startswith(PREFIX))
    versions = {name: read.task_versions(database, name)[0] for name in names}
    return dict(sorted(versions.items(), key=lambda item: bool(item[1]["marks"])))


def table(database: Database, versions: Mapping[str, Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    """A row for each floor of the data and for each submission, with a value by task."""
    wanted = _FLOORED if metric == COST else metric
    swept = read_sweeps.submissions(database)
    scores = [
        score
        for score in latest_scores(database, list(versions), [wanted])
        if score.submission_digest not in swept
        and (score.protocol, score.task_digest) == (versions[score.task]["protocol"], versions[score.task]["digest"])
    ]
    found = _priced(database, scores) if metric == COST else {score.run: score.value for score in scores}
    by_submission: dict[str, dict[str, Any]] = {}
    for score in scores:
        row = by_submission.setdefault(score.submission_digest, {"Submission": plain(score.submission)})
        row[score.task] = found.get(score.run)
    floors = _floors(versions) if metric == _FLOORED else []
    return [*floors, *sorted(by_submission.values(), key=lambda row: (-len(row), row["Submission"]))]


def seconds_per_million(work: RunWork | None) -> float | None:
    """Idealized seconds for a million flows on the hardware that the reader chose; None where there is no price."""
    if work is None or not work.served:
        return None
    state = st.session_state
    on = run_prices.reference(hardware=state.get("hardware"), stack=state.get("stack"))
    try:
        priced = price(work.stages, work.served, on)
    except InputError:
        return None
    seconds = priced.bound_seconds if priced.calibrated_seconds is None else priced.calibrated_seconds
    return 1e6 * seconds


def summary(version: Mapping[str, Any]) -> dict[str, Any]:
    """One row of what the audit of a task found."""
    facts, audit = version["facts"], version["audit"]
    counts = {row["what"]: row["flows"] for row in audit.get("Duplicates and conflicts", ())}
    columns = sorted(audit.get("What one column gives away", ()), key=lambda row: -row["auc"])
    return {
        "Train": facts.get("train", 0) + facts.get("validation", 0),
        "Test": facts.get("test"),
        "Attacks in test": facts.get("attack_share_of_test"),
        "Of unseen types": facts.get("flows_of_unseen_types"),
        "Train duplicates": counts.get("train: flows with the features of an earlier one"),
        "Test flows in training": counts.get("test flows whose features are in training"),
        "Benign and attack alike": counts.get("train: equal features, benign and attack"),
        "Best column": columns[0]["column"] if columns else None,
        "Its AUC": columns[0]["auc"] if columns else None,
    }


def _priced(database: Database, scores: Sequence[LatestScore]) -> dict[str, float | None]:
    works = read_work.works(database, [score.run for score in scores])
    return {score.run: seconds_per_million(works.get(score.run)) for score in scores}


def _floors(versions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines of all tasks by what they are: a majority, and one cut, on whichever column it is."""
    rows: dict[str, dict[str, Any]] = {}
    for task, version in versions.items():
        for line in version["lines"]:
            name = f"{plain(line['name'].partition(' on ')[0])} (floor)"
            rows.setdefault(name, {"Submission": name})[task] = line["value"]
    return list(rows.values())


def _heading(version: Mapping[str, Any]) -> str:
    marks = [*version["marks"], *(["generated"] if version["generated"] else [])]
    return plain(version["name"].removeprefix(PREFIX) + (f" ({', '.join(marks)})" if marks else ""))
