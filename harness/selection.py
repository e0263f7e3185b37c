"""Which tasks a submission runs: those named, else all that it can do and whose data is here."""

from __future__ import annotations

from collections.abc import Sequence

from harness import registry
from harness.contract import Places, Task
from harness.errors import InputError
from harness.submission import Submission


def pairs(
    submissions: Sequence[Submission], names: Sequence[str], places: Places
) -> list[tuple[Task, list[Submission]]]:
    """What to run, task by task, so that each task is loaded once. Raises as `tasks_for`."""
    plan: dict[str, tuple[Task, list[Submission]]] = {}
    for submission in submissions:
        for task in tasks_for(submission, names, places):
            plan.setdefault(task.card.name, (task, []))[1].append(submission)
    return list(plan.values())


def tasks_for(submission: Submission, names: Sequence[str], places: Places) -> list[Task]:
    """Raises `InputError` if a named task needs what the model does not offer, or if there is nothing to run."""
    offers = submission.model().offers
    if not names:
        return _all_that_fit(submission, offers, places)
    chosen = [task for name in dict.fromkeys(names) for task in _named(name)]
    for task in chosen:
        if missing := task.card.needs - offers:
            raise InputError(
                f"{task.card.name} needs {', '.join(sorted(missing))}, which {submission.name!r} does not offer",
                hint=f"It offers {', '.join(sorted(offers))}. `harness tasks` shows what each task needs.",
            )
    return chosen


def _all_that_fit(submission: Submission, offers: frozenset[str], places: Places) -> list[Task]:
    if not submission.observes_cost:
        raise InputError(
            f"the answers of {submission.name!r} belong to one task", hint="Say which: --task beir/scifact, say."
        )
    found = [t for t in registry.tasks() if t.card.needs <= offers and t.status(places).ready]
    if not found:
        raise InputError(
            f"there is no task for {submission.name!r} (it offers {', '.join(sorted(offers))})",
            hint="`harness tasks` shows what each task needs and where its data is.",
        )
    return found


def _named(name: str) -> list[Task]:
    """One task, or all of a group: `beir/cqadupstack` is its twelve forums."""
    group = [task for task in registry.tasks() if task.card.name.startswith(f"{name}/")]
    return group or [registry.task(name)]
