"""Mechanisms that were trained in the same backbone: scores over seeds and tasks with intervals, and their badges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from harness.metrics.bootstrap import draws, percentiles
from harness.metrics.classification import ACCURACY
from harness.plain import plain
from harness.store import Database, read, read_latest
from leaderboard import downloads, lines, text
from leaderboard.rows import DIGITS, entries, is_partial

if TYPE_CHECKING:
    from harness.contract import FloatArray, Line

_KIND = "sequence"
_USUAL = {"norm": "layer_norm", "feed_forward": "dense", "causal": False, "share_layers": False}
_BADGES = {
    "padding_invariant": "Padding",
    "batch_invariant": "Batch",
    "causal": "Causal",
    "size_matched": "Size",
}
_GROWTH = {"growth_of_flops": "FLOPs", "growth_of_bytes": "Bytes"}


@dataclass(frozen=True)
class Mechanism:
    """What stands in the slots, and its runs on one task, which differ in their seed alone."""

    name: str
    runs: Mapping[int, str]
    """The newest run of each seed."""
    values: tuple[float, ...]
    low: float
    high: float
    trials: int
    """Submissions of the sweep that it comes from."""

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def run(self) -> str:
        """One of its runs: what is counted or found by trying is the same for all."""
        return next(iter(self.runs.values()))


@dataclass(frozen=True)
class OnTask:
    """The mechanisms on one version of a task, best first, and its best floor."""

    mechanisms: Sequence[Mechanism]
    floor: Line | None


def of_task(database: Database, version: Mapping[str, Any]) -> OnTask:
    """Each mechanism's newest submission with all its seeds; `version` is of `harness.store.read.task_versions`."""
    same = (version["digest"], version["protocol"])
    rows = [row for row in read.runs(database, version["name"]) if (row["task_digest"], row["protocol"]) == same]
    newest: dict[str, str] = {}
    by_seed: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if row["kind"] != _KIND or row["state"] != "done" or is_partial(row):
            continue
        name = mechanism(row["settings"])
        if newest.setdefault(name, row["submission_digest"]) == row["submission_digest"]:
            by_seed.setdefault(name, {}).setdefault(row["seed"], row)
    drawn = _draws(database, [row["run"] for seeds in by_seed.values() for row in seeds.values()])
    by_seed = {name: {n: row for n, row in seeds.items() if row["run"] in drawn} for name, seeds in by_seed.items()}
    found = [
        Mechanism(
            name,
            {seed: row["run"] for seed, row in sorted(seeds.items())},
            tuple(row["value"] for _, row in sorted(seeds.items())),
            *interval(np.array([drawn[row["run"]] for row in seeds.values()])),
            next(iter(seeds.values()))["trials"],
        )
        for name, seeds in by_seed.items()
        if seeds
    ]
    floor = lines.best_floor(
        lines.gathered(version, entries([row | {"reproduced": None} for row in rows], all_runs=False))
    )
    return OnTask(sorted(found, key=lambda one: one.mean, reverse=True), floor)


def mechanism(settings: Mapping[str, Any]) -> str:
    """What stands in the slots: the mixer, and whatever else is not the usual."""
    others = [
        name if value is True else str(value)
        for name in _USUAL
        if (value := settings.get(name, _USUAL[name])) != _USUAL[name]
    ]
    return ", ".join([str(settings.get("mixer", "softmax")), *others]).replace("_", " ")


def interval(drawn: FloatArray) -> tuple[float, float]:
    """95 % of the mean over seeds where seeds and examples are drawn again; `drawn` is [seeds, resamples]."""
    picked = np.random.Generator(np.random.PCG64(0)).integers(len(drawn), size=drawn.shape)
    return percentiles(np.take_along_axis(drawn, picked, axis=0).mean(axis=0))


def _draws(database: Database, runs: Sequence[str]) -> dict[str, FloatArray]:
    """The accuracy of each run on resamples that all share; of those that are stored with it for every example."""
    columns = {run: of_run for run, of_run in read_latest.statistics(database, runs).items() if "right" in of_run}
    found: Sequence[Mapping[str, FloatArray]] = []
    if columns:
        n = len(next(iter(columns.values()))["right"])
        found = draws([ACCURACY], list(columns.values()), n, to_the_last_bit=False)
    return {run: values[ACCURACY.name] for run, values in zip(columns, found, strict=True)}


def show_mechanisms(database: Database, tasks: Mapping[str, OnTask]) -> None:
    """A table: a row for each mechanism and one for the floors, columns for each task, then the badges."""
    names = list(dict.fromkeys(one.name for found in tasks.values() for one in found.mechanisms))
    if not names:
        return
    facts = read.facts(database, [one.run for found in tasks.values() for one in found.mechanisms])
    by_name = {
        name: {task: one for task, found in tasks.items() for one in found.mechanisms if one.name == name}
        for name in names
    }
    shown = {task: plain(task.removeprefix("lra/")) for task, found in tasks.items() if found.mechanisms}
    records = [_record(name, by_name[name], shown) | _badges(facts, by_name[name]) for name in names]
    records.append(_floors(tasks, shown))
    text.section("Mechanisms")
    table = text.frame(records)
    number = st.column_config.NumberColumn
    st.dataframe(
        text.greyed(table, [record["Mechanism"] == _FLOOR for record in records]),
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            **{label: number(format=f"%.{DIGITS}f", help="Mean over seeds.") for label in shown.values()},
            **{f"{label}, seeds": number(format="%d") for label in shown.values()},
            **{label: number(format="%.2f") for label in _GROWTH.values()},
        },
        alt="Mechanisms by task, with badges",
    )
    downloads.of_table(table, "mechanisms")
    trials = max(one.trials for found in tasks.values() for one in found.mechanisms)
    text.note(
        "Means over seeds, of each mechanism's newest submission. Intervals (95 %): examples and seeds drawn again. "
        + (f"One sweep tried up to {trials} submissions. " if trials > 1 else "")
        + "Badges are found by trying: padding or batch-mates change no answer; no later symbol is seen; size is "
        "within 10 % of the base. FLOPs, bytes: exponents of the length in the mixer's own work, 4,096 to 16,384."
    )


_FLOOR = "best floor"


def _record(name: str, found: Mapping[str, Mechanism], shown: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {"Mechanism": name}
    for task, label in shown.items():
        one = found.get(task)
        record[label] = one and one.mean
        record[f"{label}, 95 %"] = one and f"{one.low:.3f} – {one.high:.3f}"
        record[f"{label}, seeds"] = one and len(one.values)
    return record


def _badges(facts: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mechanism]) -> dict[str, Any]:
    known = facts.get(next(iter(found.values())).run, {})
    return {label: known.get(name) for name, label in (_BADGES | _GROWTH).items()}


def _floors(tasks: Mapping[str, OnTask], shown: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {"Mechanism": _FLOOR}
    for task, label in shown.items():
        floor = tasks[task].floor
        record[label] = floor and floor.value
        record[f"{label}, 95 %"] = floor and plain(floor.name)
    return record
