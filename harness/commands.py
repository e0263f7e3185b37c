"""What the commands do, between the command line and the engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness import submission
from harness.contract import Places, Task
from harness.errors import DataError, HarnessError, InputError
from harness.plain import plain
from harness.terminal import print_json, print_outcome, print_table
from harness.units import bytes_text, seconds_text


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
    from harness.efficiency.run_prices import reference
    from harness.executor import Limits, LocalExecutor
    from harness.loading import load
    from harness.loop import Outcome, Settings, concerns, evaluate
    from harness.progress import RunProgress
    from harness.results import beside_published, priced
    from harness.selection import asked, pairs
    from harness.store import open_database, read
    from harness.store.claims import expire_lost_runs

    places = Places.default(data)
    submissions = [entry for file in files for entry in _load(file, allow_code)]
    chosen = asked(task_names, places)
    plan = pairs(submissions, chosen, places)
    _tell(chosen.notes)
    database = open_database(db, create=True)
    expire_lost_runs(database)
    settings = Settings(seed=seed, limit=limit or 0, rerun=rerun, limits=Limits(time_limit, memory_limit))
    outcomes: list[Outcome] = []

    def rows(outcome: Outcome) -> list[dict[str, Any]]:
        found = priced(database, read.results_of(database, outcome.run), reference()) if outcome.run else []
        return beside_published(database, found)

    for task, entries in plan:
        try:
            workload = load(task, places)
        except DataError as error:
            outcomes += (failures := [Outcome.failed(entry, task, error) for entry in entries])
            for outcome in failures:
                _show(outcome, [], as_json)
            continue
        for entry in entries:
            _tell([f"{entry.name} on {task.card.name}: {concern}" for concern in concerns(entry, workload)])
        for entry, run_seed in [(one, number) for one in entries for number in one.seeds or (seed,)]:
            with RunProgress(entry.name, task.card.name) as reporter:
                outcome = evaluate(
                    entry,
                    task,
                    workload,
                    database=database,
                    executor=LocalExecutor(),
                    places=places,
                    settings=replace(settings, seed=run_seed),
                    reporter=reporter,
                )
            outcomes.append(outcome)
            _show(outcome, [] if as_json else rows(outcome), as_json)
            if outcome.state == "interrupted":
                break
        if outcomes[-1].state == "interrupted":
            break
    if as_json:
        print_json([_outcome_json(outcome, rows(outcome)) for outcome in outcomes])
    codes = {outcome.exit_code for outcome in outcomes}
    return next((code for code in (130, 1, 2) if code in codes), 0)


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {plain(note)}", file=sys.stderr)


def _show(outcome: Any, rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if not as_json:
        print_outcome(outcome, rows)


def _load(file: Path, allow_code: bool) -> list[submission.Submission]:
    entries = submission.load_all(file)
    if entries[0].runs_code and not allow_code:
        raise InputError(
            f"{file} brings its own code, which would run as you, with all that you may do",
            hint="Read the code; if you trust it, add --allow-code. Its row carries a badge.",
        )
    return entries


def _outcome_json(outcome: Any, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shown = asdict(outcome)
    del shown["log"], shown["exit_code"]
    return shown | {"results": rows}


def _told(entry: submission.Submission, task: Task, places: Places) -> str:
    """What a model whose answers are made elsewhere says of the task; without a pilot, nothing else loads it."""
    from harness.loading import load
    from harness.loop import concerns

    return "; ".join(concerns(entry, load(task, places))) if hasattr(entry.model(), "concerns") else ""


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
    """Validate a submission and print an estimate for each task; returns 1 if a pilot failed.

    All of a sweep's are validated; the estimate is of its first.
    """
    from harness.pilot import Estimate, estimate
    from harness.selection import asked, tasks_for

    places = Places.default(data)
    entry, *others = submission.load_all(file)
    chosen = asked(task_names, places)
    _tell(chosen.notes)
    runs = (1 + len(others)) * max(1, len(entry.seeds))
    summary = {
        "submission": entry.name,
        "runs": runs,
        "kind": entry.kind,
        "digest": entry.digest,
        "runs_code": entry.runs_code,
        "config": entry.settings,
    }
    pilots: list[Estimate] = []
    for task in tasks_for(entry, chosen, places):
        if not (status := task.status(places)).ready:
            pilots.append(Estimate.without_pilot(task, places, status.hint, failed=status.state == "manual"))
            continue
        if not entry.observes_cost:
            pilots.append(
                Estimate.without_pilot(task, places, _told(entry, task, places) or "its answers are made elsewhere")
            )
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
        if runs > 1:
            print(f"It is one of {1 + len(others)}, {runs} runs for each task; the estimate is for this one.")
        print_table(
            ["would run", "examples", "data", "time", "CPU", "memory of the model", "of the harness", "note"],
            [
                [
                    p.task,
                    p.examples,
                    p.where,
                    f"~ {seconds_text(p.wall_seconds)}" if p.wall_seconds is not None else None,
                    f"~ {seconds_text(p.cpu_seconds)}" if p.cpu_seconds is not None else None,
                    f"~ {bytes_text(p.peak_rss_bytes)}" if p.peak_rss_bytes is not None else None,
                    bytes_text(p.harness_rss_bytes),
                    p.note,
                ]
                for p in pilots
            ],
        )
    return int(any(pilot.failed for pilot in pilots))
