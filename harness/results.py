"""What `harness results` prints: scores with intervals, and the three columns of what an example takes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from harness import registry, tabulated
from harness.efficiency.run_prices import columns, preparing, reference
from harness.efficiency.serving import Reference
from harness.errors import StoreError
from harness.plain import plain
from harness.reference.reproduction import with_reproductions
from harness.reported import print_beside
from harness.store import Database, open_database, read, read_work, reports
from harness.store.claims import expire_lost_runs
from harness.terminal import print_json, print_table
from harness.units import bytes_text, short_seconds_text


def results(
    task: str | None,
    db: str,
    asked: Mapping[str, str | None],
    form: Literal["json", "csv", "parquet"] | None = None,
    output: Path | None = None,
) -> None:
    """Print every run, priced on the hardware, stack and host that are asked for; a format has a row for each metric.

    `output` is the file of CSV or Parquet; without one they go to standard output.
    """
    on = reference(**asked)
    database = open_database(db, create=False)
    with suppress(StoreError):  # a database that we may only read can be shown all the same
        expire_lost_runs(database)
    known = [row["name"] for row in read.tasks(database)] + reports.self_reported_tasks(database)
    if task is not None and task not in known and task not in {t.card.name for t in registry.tasks()}:
        raise registry.unknown_task(task, known)
    if form:
        every_metric = beside_published(database, priced(database, read.results(database, task), on))
        if form == "json":
            print_json(every_metric)
        else:
            tabulated.write(every_metric, form, output)
        return
    rows = beside_published(database, priced(database, read.runs(database, task), on))
    if not rows:
        of = f" of {task}" if task else ""
        print(f"No results{of} yet. `harness eval submissions/bm25.yaml` makes some.", file=sys.stderr)
    else:
        _print_runs(rows, on)
    print_beside(rows, reports.reported(database, task), task)


def _print_runs(rows: list[dict[str, Any]], on: Reference) -> None:
    labels = _task_labels(rows)
    rows.sort(key=lambda row: (labels[_task(row)], *_best_first(row)))
    names = ["task", "submission", "metric", "score", "95 % interval", "reproduced", "n"]
    names += ["bound", "calibrated", "observed", "memory", "state", "run"]
    cells = [[labels[_task(row)], *_cells(row)] for row in rows]
    print_table(names, cells, whole=("score", "95 % interval", "reproduced", "state", "run"))
    print(f"Seconds are of one example: idealized on {on}; observed on the machine of the run.")
    for row in rows:
        if row["reason"]:
            print(f"{row['run']} {row['state']}: {plain(row['reason'])} {plain(row['next_step'])}".rstrip())


def beside_published(database: Database, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `harness.store.read`, each with the published score of the same model, or None, as `reproduced`."""
    tasks = {row["task"] for row in rows}
    return with_reproductions(rows, (score for task in tasks for score in reports.reported(database, task)))


def priced(database: Database, rows: Sequence[dict[str, Any]], on: Reference) -> list[dict[str, Any]]:
    """Rows of `harness.store.read` with the three columns of their runs, and what came before the first example."""
    runs = {row["run"]: row for row in rows}
    works = read_work.works(database, list(runs))
    costs = {key: columns(row, works.get(key), on) | preparing(row, works.get(key), on) for key, row in runs.items()}
    return [row | costs[row["run"]] for row in rows]


def _task(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["task"], row["task_digest"]


def _task_labels(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Names of tasks, with the beginning of the digest where some share a name: changed data, or another folder."""
    tasks = {_task(row) for row in rows}
    taken = Counter(name for name, _ in tasks)
    return {(name, digest): name if taken[name] == 1 else f"{name} ({digest[:6]})" for name, digest in tasks}


def _best_first(row: dict[str, Any]) -> tuple[bool, float]:
    value = row["value"] or 0.0
    return row["value"] is None, -value if row["higher_is_better"] else value


def _cells(row: dict[str, Any]) -> list[Any]:
    done = row["value"] is not None
    partial = f"{row['n']} of {row['task_examples']}" if row["n"] < row["task_examples"] else row["n"]
    return [
        row["submission"] + (" [own code]" if row["runs_code"] else "") + _unless_recomputed(row),
        row["metric"],
        row["value"],
        f"{row['ci_low']:.4f}–{row['ci_high']:.4f}" if done else None,
        row["reproduced"] and row["reproduced"].short,
        partial if row["coverage"] in (None, 1.0) else f"{partial}, {row['coverage']:.0%} answered",
        short_seconds_text(row["bound_seconds"]),
        _with_error(row),
        short_seconds_text(row["observed_seconds"]),
        bytes_text(row["peak_rss_bytes"]),
        row["state"],
        row["run"],
    ]


def _unless_recomputed(row: dict[str, Any]) -> str:
    return "" if row["verification"] == "recomputed" else f" [{row['verification']}]"


def _with_error(row: dict[str, Any]) -> str | None:
    seconds, error = short_seconds_text(row["calibrated_seconds"]), row["calibrated_error_p90"]
    return seconds if seconds is None or error is None else f"{seconds} ± {error:.0%}"
