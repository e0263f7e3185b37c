"""Sweeps on a task's page: what each setting is worth, over all that else was set, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.metrics.effects import Measured, Setting, effects
from harness.store import Database, read_sweeps
from leaderboard import text
from leaderboard.rows import DIGITS


def show(database: Database, version: Mapping[str, Any], metric: str, *, higher_is_better: bool = True) -> None:
    """A table for each sweep that has run its whole grid with at least one seed."""
    for name, trials in sorted(read_sweeps.trials(database, version, metric).items()):
        if found := effects(trials, higher_is_better=higher_is_better):
            seeds = len({trial.seed for trial in trials})
            _show_sweep(name, found, metric, f"{len(trials)} runs, {seeds} {'seed' if seeds == 1 else 'seeds'}")


def rows(found: Sequence[Setting], metric: str) -> list[dict[str, Any]]:
    """A row for each value of each setting, the setting that matters most first."""
    return [
        {
            "Setting": setting.name,
            "Share of variance": setting.share.value,
            "of the share": _interval(setting.share),
            "Value": level.value,
            metric: level.score.value,
            "95 % interval": _interval(level.score),
            "Behind the best": level.behind.value if level is not setting.levels[0] else None,
            "of the difference": _interval(level.behind) if level is not setting.levels[0] else None,
        }
        for setting in found
        for level in setting.levels
    ]


def _interval(measured: Measured) -> str | None:
    if measured.low is None or measured.high is None:
        return None
    return f"{measured.low:.{DIGITS}f} – {measured.high:.{DIGITS}f}"


def _show_sweep(name: str, found: Sequence[Setting], metric: str, size: str) -> None:
    text.section(f"What each setting is worth: {name}")
    number = st.column_config.NumberColumn
    st.dataframe(
        text.frame(rows(found, metric)),
        hide_index=True,
        height="content",
        column_config={
            "Share of variance": number(format="%.3f"),
            **{column: number(format=f"%.{DIGITS}f") for column in (metric, "Behind the best")},
        },
        placeholder="–",
        alt=f"{metric} by each setting of a sweep",
    )
    text.note(
        f"{size}. A value's score is the mean over all combinations of the other settings. The share is of the "
        "variance between combinations. Intervals are Student's over seeds, differences seed by seed."
    )
