"""What the commands do, between the command line and the engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import registry, submission
from harness.contract import Places
from harness.errors import DataError, HarnessError, InputError, StoreError
from harness.plain import plain
from harness.terminal import bytes_text, print_json, print_outcome, print_table, seconds_text


def evaluate(
    files: Sequence[Path],
    task_names: Sequence[str],
    *,
    data: Path | None,
    db: str,
    limit: int | None,
    seed: int,
    rerun: bool,
    time_limit: float | None,
    memory_limit: int | None,
    allow_code: bool,
    as_json: bool,
) -> int:
    """Run every pair of submission and task; returns the exit status. All files are checked before the first run."""
    from harness.executor import Limits, LocalExecutor
    from harness.loop import Outcome, Settings, evaluate
    from harness.selection import pairs
    from harness.store import open_database, read
    from harness.store.claims import expire_lost_runs
    from harness.terminal import RunProgress

    places = Places.default(data)
    plan = pairs([_load(file, allow_code) for file in files], task_names, places)
    database = open_database(db, create=True)
    expire_lost_runs(database)
    settings = Settings(seed=seed, limit=limit or 0, rerun=rerun, limits=Limits(time_limit, memory_limit))
    outcomes: list[Outcome] = []
    for task, entries in plan:
        try:
            workload = task.load(places)
        except DataError as error:
            outcomes += (failures := [Outcome.failed(entry, task, error) for entry in entries])
            for outcome in failures:
                _show(outcome, [], as_json)
            continue
        for entry in entries:
            with RunProgress(entry.name, task.card.name) as reporter:
                outcome = evaluate(
                    entry,
                    task,
                    workload,
                    database=database,
                    executor=LocalExecutor(),
                    places=places,
                    settings=settings,
                    reporter=reporter,
                )
            outcomes.append(outcome)
            _show(outcome, read.results_of(database, outcome.run) if outcome.run else [], as_json)
            if outcome.state == "interrupted":
                break
        if outcomes[-1].state == "interrupted":
            break
    if as_json:
        print_json([_outcome_json(outcome, read.results_of(database, outcome.run)) for outcome in outcomes])
    codes = {outcome.exit_code for outcome in outcomes}
    return next((code for code in (130, 1, 2) if code in codes), 0)


def _show(outcome: Any, rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if not as_json:
        print_outcome(outcome, rows)


def _load(file: Path, allow_code: bool) -> submission.Submission:
    entry = submission.load(file)
    if entry.runs_code and not allow_code:
        raise InputError(
            f"{file} brings its own code, which would run as you, with all that you may do",
            hint="Read the code; if you trust it, add --allow-code. Its row carries a badge.",
        )
    return entry


def _outcome_json(outcome: Any, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shown = asdict(outcome)
    del shown["log"], shown["exit_code"]
    return shown | {"results": rows}


def results(task: str | None, db: str, *, as_json: bool) -> None:
    """Print every score with its interval and costs."""
    from harness.store import open_database, read
    from harness.store.claims import expire_lost_runs

    database = open_database(db, create=False)
    with suppress(StoreError):  # a database that we may only read can be shown all the same
        expire_lost_runs(database)
    known = [row["name"] for row in read.tasks(database)]
    if task is not None and task not in known and task not in {t.card.name for t in registry.tasks()}:
        raise registry.unknown_task(task, known)
    if as_json:
        print_json(read.results(database, task))
        return
    rows = read.runs(database, task)
    if not rows:
        of = f" of {task}" if task else ""
        print(f"No results{of} yet. `harness eval submissions/bm25.yaml` makes some.", file=sys.stderr)
        return
    rows.sort(key=_best_first)
    columns = ["task", "submission", "metric", "score", "95 % interval", "n", "CPU", "memory", "state", "run"]
    print_table(columns, [_result_cells(row) for row in rows], whole=("score", "95 % interval", "state", "run"))
    for row in rows:
        if row["reason"]:
            print(f"{row['run']} {row['state']}: {plain(row['reason'])} {plain(row['next_step'])}".rstrip())


def _best_first(row: dict[str, Any]) -> tuple[str, bool, float]:
    value = row["value"] or 0.0
    return row["task"], row["value"] is None, -value if row["higher_is_better"] else value


def _result_cells(row: dict[str, Any]) -> list[Any]:
    done = row["value"] is not None
    seconds = [row["prepare_cpu_seconds"], row["predict_cpu_seconds"]]
    cpu = None if None in seconds else sum(seconds)
    partial = f"{row['n']} of {row['task_examples']}" if row["n"] < row["task_examples"] else row["n"]
    return [
        row["task"],
        row["submission"] + (" [own code]" if row["runs_code"] else ""),
        row["metric"],
        row["value"],
        f"{row['ci_low']:.4f}–{row['ci_high']:.4f}" if done else None,
        partial if row["coverage"] in (None, 1.0) else f"{partial}, {row['coverage']:.0%} answered",
        seconds_text(cpu),
        bytes_text(row["peak_rss_bytes"]),
        row["state"],
        row["run"],
    ]


def log(key: str, db: str) -> None:
    """Print what the workers of a run wrote."""
    from harness.store import open_database, read

    for attempt in read.run(open_database(db, create=False), key).attempts:
        ended = f", {attempt.reason}" if attempt.reason else ""
        print(f"--- attempt {attempt.number}: {attempt.state}{plain(ended)}")
        print(plain(attempt.log, lines=True))


def forget(keys: Sequence[str], db: str) -> None:
    """Remove runs that are not done."""
    from harness.store import open_database
    from harness.store.claims import forget as forget_run

    database = open_database(db, create=False)
    for key in keys:
        forget_run(database, key)
        print(f"run {plain(key)} is forgotten")


def check(file: Path, task_names: Sequence[str], data: Path | None, *, allow_code: bool, as_json: bool) -> int:
    """Validate a submission and print an estimate for each task; returns 1 if a pilot failed."""
    from harness.pilot import Estimate, estimate
    from harness.selection import tasks_for

    places = Places.default(data)
    entry = submission.load(file)
    chosen = tasks_for(entry, task_names, places)
    summary = {
        "submission": entry.name,
        "kind": entry.kind,
        "digest": entry.digest,
        "runs_code": entry.runs_code,
        "config": entry.normalised["model"],
    }
    pilots: list[Estimate] = []
    for task in chosen:
        if not entry.observes_cost:
            pilots.append(Estimate.without_pilot(task, places, "its answers are read from a file: seconds"))
            continue
        if entry.runs_code and not allow_code:
            pilots.append(Estimate.without_pilot(task, places, "brings code: add --allow-code for a pilot"))
            continue
        try:
            pilots.append(estimate(entry, task, places))
        except HarnessError as error:
            pilots.append(Estimate.without_pilot(task, places, error.message, failed=True))
    if as_json:
        print_json(summary | {"tasks": [asdict(pilot) for pilot in pilots]})
    else:
        print(f"{file} is valid: {summary['submission']} ({entry.kind}), digest {entry.digest[:12]}")
        print_table(
            ["would run", "examples", "data", "time", "CPU", "peak memory", "note"],
            [
                [
                    p.task,
                    p.examples,
                    p.where,
                    f"~ {seconds_text(p.wall_seconds)}" if p.wall_seconds is not None else None,
                    f"~ {seconds_text(p.cpu_seconds)}" if p.cpu_seconds is not None else None,
                    f"~ {bytes_text(p.peak_rss_bytes)}" if p.peak_rss_bytes is not None else None,
                    p.note,
                ]
                for p in pilots
            ],
        )
    return int(any(pilot.failed for pilot in pilots))
