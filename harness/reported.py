"""The commands for scores that were made elsewhere: published tables, and results files that users bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import registry
from harness.errors import InputError, UnknownName
from harness.reference import results_file
from harness.reference.published import ReportedScore, tables
from harness.store import open_database, reports
from harness.submission_fields import check_name
from harness.terminal import print_json, print_table


def load(db: str) -> None:
    """Store the published tables that ship."""
    database = open_database(db, create=True)
    done = reports.load(database, tables().values())
    rows = [[table.name, len(table.scores), done[table.name], table.digest[:12]] for table in tables().values()]
    print_table(["table", "scores", "state", "digest"], rows)


def listing(task: str | None, db: str, *, as_json: bool) -> None:
    """Print the scores of a task, or of a group of tasks; without one, how many there are of each task."""
    if _exists(db):
        scores = reports.reported(open_database(db, create=False))
    else:
        scores = [score for table in tables().values() for score in table.scores]
    if task is not None:
        scores = _of(task, scores)
    if as_json:
        print_json([asdict(score) for score in scores])
    elif task is None:
        _print_counts(scores)
    else:
        _print_scores(scores)


def import_results(file: Path, name: str, task: str | None, db: str, *, replace: bool, as_json: bool) -> None:
    """Store the scores of a results file as self-reported ones. Nothing is stored unless all of it is right."""
    found = results_file.read(file)
    scores = _self_reported(found, check_name(name), _task_of(file, found, task))
    reports.add(open_database(db, create=True), found.name, scores, replace=replace)
    if as_json:
        print_json([asdict(score) for score in scores])
        return
    print(f"{scores[0].model} on {scores[0].task}, self-reported ({scores[0].note}):")
    for score in scores:
        print(f"  {score.metric:<12} {shown_value(score)}")
    if found.passed_over:
        print(f"  passed over, for tasks here do not have them: {', '.join(found.passed_over)}")


def print_beside(rows: Iterable[Mapping[str, Any]], scores: Sequence[ReportedScore], task: str | None) -> None:
    """Below the runs of `read.runs`: scores that somebody sent, and with a task the published ones of it."""
    metrics = {row["task"]: row["metric"] for row in rows}
    for score in scores:
        metrics.setdefault(score.task, score.metric)  # a task that did not run here: its first
    shown = [
        score
        for score in scores
        if score.metric == metrics[score.task] and (task is not None or score.verification == "self-reported")
    ]
    if shown:
        print("\nmade elsewhere, not ranked:")
        _print_scores(sorted(shown, key=lambda score: (score.task, -score.value)))


def _print_scores(scores: Iterable[ReportedScore]) -> None:
    columns = ["task", "model", "metric", "score", "from", "note", "source"]
    rows = [[s.task, s.model, s.metric, shown_value(s), how(s), s.note or None, s.source] for s in scores]
    print_table(columns, rows, whole=("score", "from"))


def shown_value(score: ReportedScore) -> str:
    """The value with the decimals that its source gives, five at most."""
    return f"{score.value:.{min(score.digits, 5)}f}"


def how(score: ReportedScore) -> str:
    """In a word or two, where a reported score comes from: `published`, `published figure`, `self-reported` …"""
    if score.verification == "self-reported":
        return "self-reported"
    return {"published_figure": "published figure", "rescored": "published answers"}.get(score.kind, "published")


def _exists(db: str) -> bool:
    return "://" in db or Path(db).expanduser().exists()


def _of(task: str, scores: Sequence[ReportedScore]) -> list[ReportedScore]:
    """Those of a task, or of all tasks below a group such as `lra`. Raises `UnknownName`."""
    found = [score for score in scores if score.task == task or score.task.startswith(f"{task}/")]
    known = {score.task for score in scores} | {known.card.name for known in registry.tasks()}
    if not found and task not in known:
        raise UnknownName("task", task, known)
    return found


def _print_counts(scores: Sequence[ReportedScore]) -> None:
    of_task: dict[str, list[ReportedScore]] = {}
    for score in scores:
        of_task.setdefault(score.task, []).append(score)
    rows = [[task, len(found), len({s.model for s in found}), _kinds(found)] for task, found in of_task.items()]
    print_table(["task", "scores", "models", "from"], rows)
    print("\n`harness reference list --task T` shows them, with their sources.")


def _kinds(scores: Iterable[ReportedScore]) -> str:
    return ", ".join(dict.fromkeys(how(score) for score in scores))


def _task_of(file: Path, found: results_file.ResultsFile, asked: str | None) -> str:
    if asked is None and found.task is None:
        raise InputError(f"{file} does not say which task it is of", hint="Say it: --task beir/scifact, say.")
    task = registry.task(asked or found.task or "")
    name = task.card.name
    if found.task not in (None, name):
        raise InputError(f"{file} is of {found.task}, not of {name}", hint=f"Leave --task out, or say {found.task}.")
    if task.card.needs != {"ranking"}:
        raise InputError(f"{name} is no retrieval task, and BEIR and MTEB files hold the metrics of one")
    return name


def _self_reported(found: results_file.ResultsFile, name: str, task: str) -> list[ReportedScore]:
    return [
        ReportedScore(
            task=task,
            model=name,
            metric=metric,
            value=float(value),
            digits=results_file.digits(value),
            source=found.name,
            note=f"results file of {found.origin}",
            kind="",
            verification="self-reported",
            digest=found.digest,
        )
        for metric, value in found.scores.items()
    ]
