"""The page of one run: its scores, what it took, its examples, and how the number was made.

Address: `/run?run=KEY`, with `&example=ID` for one example.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st
import yaml

from harness.errors import UnknownName
from harness.plain import plain
from harness.reference.published import ReportedScore
from harness.reference.reproduction import with_reproductions
from harness.store import read, reports
from leaderboard import curves, examples, run_costs, text
from leaderboard.reported import tolerance
from leaderboard.rows import DIGITS, marks, opened

if TYPE_CHECKING:
    from harness.store.read import Attempt, RunDetail


def show() -> None:
    """Show the run that the address names; without one, or for an unknown one, say where to find it."""
    key = st.query_params.get("run", "")
    with opened() as database:
        try:
            detail = read.run(database, key)
        except UnknownName:
            _say_unknown(key)
            return
        summary = detail.summary
        name, task = plain(summary["submission"]), plain(summary["task"])
        with st.container(horizontal=True):
            st.page_link("board.py", label="← Board", query_params={"task": task})
            st.page_link("history_page.py", label="History", query_params={"submission": name, "task": task})
        _show_head(detail)
        if detail.scores:
            _show_numbers(detail, reports.reported(database, summary["task"]))
            run_costs.show(database, detail)
        curves.show(read.curves(database, key))
        examples.show(database, key, summary["family"], [score["metric"] for score in detail.scores])
    _show_origin(detail)
    _show_attempts(detail)


_STATES = {
    "running": "This run is not finished yet",
    "failed": "This run failed",
    "interrupted": "This run was interrupted",
    "expired": "This run ended without a word",
}


def _say_unknown(key: str) -> None:
    st.page_link("board.py", label="← Board")
    text.title(f"There is no run {key!r} in this database" if key else "No run chosen")
    text.paragraph("The link may be of another database. The board lists the runs of this one.")


def _show_head(detail: RunDetail) -> None:
    summary = detail.summary
    st.set_page_config(page_title=plain(f"{summary['submission']} on {summary['task']} · Equal Footing"))
    date = f"{summary['created']:%Y-%m-%d %H:%M} UTC"
    text.title(summary["submission"], f"{summary['task']} · {summary['protocol']} · {date} · run {summary['run']}")
    text.marks([summary["verification"], *marks(summary), *(["generated data"] if summary["generated"] else [])])
    text.paragraph(detail.description)
    if summary["state"] != "done":
        text.section(_STATES[summary["state"]])
        text.paragraph(summary["reason"])
        text.paragraph(summary["next_step"])


def _show_numbers(detail: RunDetail, published: Sequence[ReportedScore]) -> None:
    summary = detail.summary
    text.figures(
        [
            (
                summary["metric"],
                f"{summary['value']:.{DIGITS}f}",
                _interval(summary),
            ),
            *(_cost_figures(summary) if _cost_is_known(summary) else []),
            ("Examples", f"{summary['n']:,}", f"of {summary['task_examples']:,}, {summary['coverage']:.1%} answered"),
        ]
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _show_costs(summary)
    with right:
        text.section("Scores")
        scores = with_reproductions([summary | score for score in detail.scores], published)
        found = [score["reproduced"] for score in scores if score["reproduced"]]
        beside = _PUBLISHED if found else ()
        decimals = st.column_config.NumberColumn(format=f"%.{DIGITS}f")
        st.dataframe(
            text.frame([_score(score) for score in scores]),
            hide_index=True,
            column_config=dict.fromkeys(("Value", "Low", "High", "Published"), decimals),
            column_order=["Metric", "Value", "Low", "High", *beside, "n"],
            placeholder="–",
            alt="Scores with 95 % intervals",
        )
        if found:
            text.note(f"Reproduced: ours less that of {tolerance(found[0])} Source: {found[0].source}.")
        flat = ["Where they are equal there is no spread among these examples."]
        equal = any(score["ci_low"] == score["ci_high"] for score in detail.scores)
        text.note(" ".join(["Low and high bound the 95 % bootstrap interval over examples.", *(flat if equal else [])]))


_PUBLISHED = ("Published", "Reproduced")


def _score(score: Mapping[str, Any]) -> dict[str, Any]:
    found = score["reproduced"]
    return {
        "Metric": score["metric"],
        "Value": score["value"],
        "Low": score["ci_low"],
        "High": score["ci_high"],
        "Published": found.value if found else None,
        "Reproduced": found.short if found else None,
        "n": score["n"],
    }


def _interval(summary: Mapping[str, Any]) -> str:
    low, high = summary["ci_low"], summary["ci_high"]
    shown = f"95 % interval {low:.{DIGITS}f} – {high:.{DIGITS}f}"
    return f"{shown}: no spread among these examples" if low == high else shown


def _cost_is_known(summary: Mapping[str, Any]) -> bool:
    return summary["predict_cpu_seconds"] is not None


def _cost_figures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        ("Prepare", _seconds(summary["prepare_cpu_seconds"]), "CPU seconds"),
        ("Predict", _seconds(summary["predict_cpu_seconds"]), "CPU seconds"),
        ("Peak memory", _megabytes(summary["peak_rss_bytes"]), "less an empty worker's"),
        ("Index", _megabytes(summary["index_bytes"]), "in memory and on disk"),
    ]


def _show_costs(summary: Mapping[str, Any]) -> None:
    text.section("What the whole run took")
    if not _cost_is_known(summary):
        text.paragraph("The answers were made elsewhere: no cost is known.")
        return
    st.dataframe(text.frame(_costs(summary)), hide_index=True, column_config=_COST_COLUMNS, alt="Costs by phase")
    text.note("Observed on the machine of this run. What came from a cache is charged at its first cost.")


_COST_COLUMNS = {
    "CPU s": st.column_config.NumberColumn(format="%.2f", help="User and system time, over all cores."),
    "Wall s": st.column_config.NumberColumn(format="%.2f"),
}


_CACHED = "partly from a cache, charged at first cost"


def _costs(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "Phase": phase,
            "CPU s": summary[f"{phase}_cpu_seconds"],
            "Wall s": summary[f"{phase}_wall_seconds"],
            "Work": _CACHED if summary[f"{phase}_cached"] else "done in this run",
        }
        for phase in ("prepare", "predict")
    ]


def _show_origin(detail: RunDetail) -> None:
    text.section("How this number was made")
    left, right = st.columns(2, gap="medium")
    with left:
        text.note("1. Save the submission; paths in it are relative to the file:")
        st.code(_as_yaml(detail.config), language="yaml")
        text.note("2. Run it:")
        st.code(_command(detail.summary), language=None, wrap_lines=True)
    with right:
        with st.expander("Environment and versions", expanded=True):
            st.dataframe(_pairs(_provenance(detail)), hide_index=True, height=300, alt="Environment and versions")
        if detail.prepared:
            with st.expander("What the model reported of its index or training"):
                st.dataframe(_pairs(detail.prepared), hide_index=True, alt="Facts that the model reported")


def _as_yaml(config: Mapping[str, Any]) -> str:
    said = {name: value for name, value in config.items() if value != ""}
    shown: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=60)
    # ASCII escapes keep the file exact where it holds characters that must not be shown as they are.
    return shown if plain(shown, lines=True) == shown else yaml.safe_dump(said, sort_keys=False, width=60)


def _command(summary: Mapping[str, Any]) -> str:
    file = re.sub(r"[^A-Za-z0-9._-]+", "-", summary["submission"]).strip("-.") or "submission"
    family, colon, folder = summary["task"].partition(":")
    task = f"{family}:path/to/{folder}" if colon else summary["task"]
    words = ["harness", "eval", f"{file}.yaml", "--task", plain(task), "--seed", str(summary["seed"])]
    words += ["--limit", str(summary["example_limit"])] if summary["example_limit"] else []
    words += ["--allow-code"] if summary["runs_code"] else []
    return shlex.join(words)


def _provenance(detail: RunDetail) -> dict[str, Any]:
    summary = detail.summary
    packages = detail.environment.get("packages", {})
    return {
        "Code version": summary["code_version"],
        "Seed": summary["seed"],
        "Submission digest": summary["submission_digest"],
        "Task digest": summary["task_digest"],
        "Protocol": summary["protocol"],
        **{text.readable(name): value for name, value in detail.environment.items() if name != "packages"},
        **packages,
    }


def _pairs(values: Mapping[str, Any]) -> Any:
    return text.frame([{"What": name, "Value": str(value)} for name, value in values.items()])


def _show_attempts(detail: RunDetail) -> None:
    attempts = detail.attempts
    if not attempts:
        return
    made_elsewhere = detail.summary["state"] == "done" and not _cost_is_known(detail.summary)
    text.section("Attempts")
    ended = [attempt for attempt in attempts if attempt.state != "killed"]
    killed = [attempt for attempt in attempts if attempt.state == "killed"]
    for shown, label in ((ended, "Worker processes of this run"), (killed, "Killed")):
        if shown:
            text.note(label)
            rows = [_attempt(a) | ({} if made_elsewhere else _charged(a)) for a in shown]
            st.dataframe(text.frame(rows), hide_index=True, column_config=_ATTEMPT_COLUMNS, alt=label)
    if not made_elsewhere:
        text.note(
            "Charged: the CPU seconds behind what the attempt left. Reused work is in it at its first cost, "
            "so it may be more than the attempt itself took."
        )
    for attempt in attempts:
        if attempt.log:
            with st.expander(f"Log of attempt {attempt.number}"):
                st.code(plain(attempt.log, lines=True), language=None, height=320)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "Attempt": attempt.number,
        "State": attempt.state,
        "Reason": attempt.reason,
        "Started (UTC)": attempt.started,
        "Ended (UTC)": attempt.ended,
    }


def _charged(attempt: Attempt) -> dict[str, Any]:
    return {
        "Prepare, charged (CPU s)": attempt.prepare_cpu_seconds,
        "Predictions kept, charged (CPU s)": attempt.predict_cpu_seconds,
    }


_ATTEMPT_COLUMNS = {
    "Started (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
    "Ended (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
    "Prepare, charged (CPU s)": st.column_config.NumberColumn(format="%.2f"),
    "Predictions kept, charged (CPU s)": st.column_config.NumberColumn(format="%.2f"),
}


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:,.2f}"


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.1f} MB"


if __name__ == "__main__":
    show()
