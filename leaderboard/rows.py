"""What the board says of a task, worked out from stored runs: latest runs, ranks with ties, marks, Pareto front."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.plain import plain
from harness.reference.reproduction import Reproduction
from harness.store import Database, open_database

DIGITS = 4
"""Decimals of a score that are shown; scores that look equal share a rank."""

_PATIENCE = 2.0
"""Seconds that a reader waits for a file which another process holds, before the page says so."""


class NoResults(StoreError):
    """There is nothing to show yet, which is no fault."""


@dataclass(frozen=True)
class Entry:
    """A finished run in the table of its task."""

    run: str
    label: str
    """The submission's name as plain text, with a digest where two submissions share the name."""
    rank: int | None
    """None for a run over a part of the task, which is not comparable, and for one that a later run replaces."""
    value: float
    low: float
    high: float
    higher_is_better: bool
    prepare_cpu_seconds: float | None
    predict_cpu_seconds: float | None
    peak_rss_bytes: int | None
    index_bytes: int | None
    parameters: int | None
    """Numbers that the model has learnt; None for one that is no network, or does not say."""
    n: int
    seed: int
    kind: str
    settings: str
    """What the model was set to."""
    licence: str
    """Of the model, as its submission says; may be empty."""
    marks: tuple[str, ...]
    created: datetime
    is_partial: bool
    is_floor: bool
    """True if the submission says that it solves nothing."""
    verification: str
    """How far the score is verified: `recomputed` or `rescored`."""
    reproduced: Reproduction | None
    """The score beside the published one of the same model, where there is one."""

    @property
    def cpu_seconds(self) -> float | None:
        """Prepare and predict together; None if either is unknown."""
        if self.prepare_cpu_seconds is None or self.predict_cpu_seconds is None:
            return None
        return self.prepare_cpu_seconds + self.predict_cpu_seconds


@contextmanager
def opened() -> Iterator[Database]:
    """The database that HARNESS_DB names, opened anew, so that new results and a replaced file are seen at once.

    Raises `NoResults` if there is none, `StoreError` if it cannot be read.
    """
    where = os.environ.get("HARNESS_DB", "results.db")
    if "://" not in where and not Path(where).exists():
        raise NoResults(f"There is no database {where}.")
    database = open_database(where, create=False, busy_seconds=_PATIENCE)
    try:
        yield database
    finally:
        database.close()


def entries(runs: Sequence[Mapping[str, Any]], *, all_runs: bool) -> list[Entry]:
    """The finished runs, best first, from rows of `harness.store.read.runs` (newest first) of one task version, with
    their reproductions.

    Of each submission the latest run over the whole task is ranked, unless it is a file that lacks answers. With
    `all_runs` its other runs are there too, unranked: those over the whole task among the ranked ones, those over a
    part last.
    """
    done = [row for row in runs if row["state"] == "done" and row["value"] is not None]
    latest = _latest(done)
    chosen = done if all_runs else latest
    chosen = sorted(chosen, key=_goodness, reverse=True)
    chosen = [row for row in chosen if not is_partial(row)] + [row for row in chosen if is_partial(row)]
    labels = _labels(chosen)
    ranks = _ranks([row for row in latest if not is_partial(row)])
    return [
        Entry(
            run=row["run"],
            label=labels[row["submission_digest"]],
            rank=ranks.get(row["run"]),
            value=row["value"],
            low=row["ci_low"],
            high=row["ci_high"],
            higher_is_better=row["higher_is_better"],
            prepare_cpu_seconds=row["prepare_cpu_seconds"],
            predict_cpu_seconds=row["predict_cpu_seconds"],
            peak_rss_bytes=row["peak_rss_bytes"],
            index_bytes=row["index_bytes"],
            parameters=None if row["parameters"] is None else int(row["parameters"]),
            n=row["n"],
            seed=row["seed"],
            kind=plain(row["kind"]),
            settings=settings(row),
            licence=plain(row["licence"]),
            marks=marks(row) if row["run"] in ranks or is_partial(row) else (*marks(row), "older run"),
            created=row["created"],
            is_partial=is_partial(row),
            is_floor=bool(row["floor"]),
            verification=row["verification"],
            reproduced=row["reproduced"],
        )
        for row in chosen
    ]


def is_partial(row: Mapping[str, Any]) -> bool:
    """True if the run was asked fewer examples than the task has, or a file of answers lacks some."""
    lacks_answers = row["verification"] == "rescored" and row["coverage"] is not None and row["coverage"] < 1
    return _is_limited(row) or lacks_answers


def _is_limited(row: Mapping[str, Any]) -> bool:
    return bool(row["n"] < row["task_examples"])


def settings(row: Mapping[str, Any]) -> str:
    """Such as `k1 0.9, b 0.4`, or `bm25 (k1 0.9), then fuse`; settings that are left open are left out."""
    found = row["settings"]
    return plain(", then ".join(map(_stage, found["stages"])) if "stages" in found else _chosen(found))


def _stage(settings: Mapping[str, Any]) -> str:
    chosen = _chosen(settings)
    return f"{settings['kind']} ({chosen})" if chosen else str(settings["kind"])


def _chosen(settings: Mapping[str, Any]) -> str:
    chosen = {key: value for key, value in _flat(settings).items() if key != "kind" and value not in (None, "")}
    return ", ".join(f"{key} {value}" for key, value in chosen.items())


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Sections within as dotted keys, as `sweep:` has them."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = _flat(value) if isinstance(value, Mapping) else {"": value}
        found |= {f"{key}.{name}".rstrip("."): one for name, one in inner.items()}
    return found


def marks(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader must know before comparing the row."""
    found = []
    if row["runs_code"]:
        found.append("own code")
    if row["floor"]:
        found.append("floor")
    if row["size_matched"]:
        found.append("size-matched" if row["size_matched"] == "yes" else "not size-matched")
    if row["trials"] > 1:
        found.append(f"one of {row['trials']:,} trials")
    if row["prepare_cached"] or row["predict_cached"]:
        found.append("cached")
    if _is_limited(row):
        found.append(f"partial: {row['n']:,} of {row['task_examples']:,}")
    if row["coverage"] is not None and row["coverage"] < 1:
        found.append(f"{row['coverage']:.1%} answered")
    return tuple(found)


def pareto(found: Sequence[Entry], spent: Mapping[str, float]) -> set[str]:
    """Ranked runs that no other one beats: none is at least as good and as cheap, and better in one.

    `spent` is the cost by run; a run without one does not compete.
    """
    points = {
        entry.run: ((entry.value if entry.higher_is_better else -entry.value), -spent[entry.run])
        for entry in found
        if entry.rank is not None and entry.run in spent
    }
    front: set[str] = set()
    last = (-inf, 0.0)
    # From the cheapest on, and among equal costs the best first: each has only to be better than those before it.
    for run, point in sorted(points.items(), key=lambda item: item[1][::-1], reverse=True):
        if point[0] > last[0] or point == last:
            front.add(run)
            last = point
    return front


def _latest(done: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    latest: dict[str, Mapping[str, Any]] = {}
    for row in done:
        if not _is_limited(row):
            latest.setdefault(row["submission_digest"], row)
    return list(latest.values())


def _ranks(latest: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    scores = {row["run"]: round(_goodness(row), DIGITS) for row in latest}
    ranks: dict[float, int] = {}
    for place, score in enumerate(sorted(scores.values(), reverse=True), start=1):
        ranks.setdefault(score, place)
    return {run: ranks[score] for run, score in scores.items()}


def _goodness(row: Mapping[str, Any]) -> float:
    return float(row["value"] if row["higher_is_better"] else -row["value"])


def _labels(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    names = {row["submission_digest"]: plain(row["submission"]) for row in rows}
    taken = Counter(names.values())
    return {digest: name if taken[name] == 1 else f"{name} ({digest[:6]})" for digest, name in names.items()}
