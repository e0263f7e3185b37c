"""Which tasks a submission runs: those named, of suites those whose data is here, else all that it can do and is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import registry
from harness.contract import Places, Suite, Task
from harness.errors import InputError
from harness.submission import Submission


@dataclass(frozen=True)
class Asked:
    """What a command line asks for."""

    tasks: Sequence[Task]
    """Empty for all that fit."""
    notes: Sequence[str]
    """A sentence for each suite of which something is left out."""


def asked(names: Sequence[str], places: Places) -> Asked:
    """The tasks behind names of tasks and suites, each once. Raises `UnknownName`, and `InputError` for a suite
    without any data."""
    tasks: dict[tuple[str, str], Task] = {}
    notes = []
    for name in names:
        suite = None if ":" in name else registry.find_suite(name)
        found, note = _here(suite, places) if suite else ([registry.task(name)], "")
        tasks |= {_identity(task, places): task for task in found}
        notes += [note] if note else []
    return Asked(list(tasks.values()), notes)


def _here(suite: Suite, places: Places) -> tuple[list[Task], str]:
    """The tasks whose data is here, and a sentence on the others."""
    tasks = [registry.task(name) for name in suite.tasks()]
    missing = {task.card.name: task.status(places).state for task in tasks if not task.status(places).ready}
    if not missing:
        return tasks, ""
    first = next((name for name, state in missing.items() if state == "downloadable"), "")
    hint = f"`harness suites {suite.name}` says how to get them" + (
        f"; `--task {first}` fetches one." if first else "."
    )
    if len(missing) == len(tasks):
        raise InputError(f"none of the {len(tasks)} data sets of {suite.name} is here", hint=hint)
    names = ", ".join(_shortened(suite, set(missing)))
    note = f"{suite.name}: {len(missing)} of {len(tasks)} data sets are not here and left out: {names}. {hint}"
    return [task for task in tasks if task.card.name not in missing], note


def _shortened(suite: Suite, missing: set[str]) -> Iterator[str]:
    """The names of missing tasks; a member suite of which all are missing goes by its own."""
    for member in suite.members:
        if isinstance(member, Suite) and not missing.issuperset(member.tasks()):
            yield from _shortened(member, missing)
        elif isinstance(member, Suite) or member in missing:
            yield member.name if isinstance(member, Suite) else member


def pairs(submissions: Sequence[Submission], asked: Asked, places: Places) -> list[tuple[Task, list[Submission]]]:
    """What to run, task by task, so that each task is loaded once. Raises as `tasks_for`."""
    plan: dict[tuple[str, str], tuple[Task, list[Submission]]] = {}
    for submission in submissions:
        for task in tasks_for(submission, asked, places):
            plan.setdefault(_identity(task, places), (task, []))[1].append(submission)
    return list(plan.values())


def _identity(task: Task, places: Places) -> tuple[str, str]:
    """Folders of one name (`beir:a/books`, `beir:b/books`) are tasks of one name, but two tasks."""
    return task.card.name, task.status(places).where


def tasks_for(submission: Submission, asked: Asked, places: Places) -> Sequence[Task]:
    """Raises `InputError` if a named task needs what the model does not offer, or if there is nothing to run."""
    offers = submission.model().offers
    if not asked.tasks:
        return _all_that_fit(submission, offers, places)
    for task in asked.tasks:
        if missing := task.card.needs - offers:
            raise InputError(
                f"{task.card.name} needs {', '.join(sorted(missing))}, which {submission.name!r} does not offer",
                hint=f"It offers {', '.join(sorted(offers))}. `harness tasks` shows what each task needs.",
            )
    return asked.tasks


def _all_that_fit(submission: Submission, offers: frozenset[str], places: Places) -> list[Task]:
    if not submission.observes_cost:
        raise InputError(
            f"{submission.name!r} is answered elsewhere, so its tasks have to be named",
            hint="Say which: --task beir/scifact, say.",
        )
    ready = [t for t in registry.tasks() if t.card.needs <= offers and t.status(places).ready]
    found = [t for t in ready if not t.card.on_request]
    if ready and not found:
        raise InputError(
            f"the {len(ready)} tasks that {submission.name!r} can do run only where they are named",
            hint=f"Name a task or a suite, such as --task {ready[0].card.name}; `harness tasks` lists them.",
        )
    if not found:
        raise InputError(
            f"there is no task for {submission.name!r} (it offers {', '.join(sorted(offers))})",
            hint="`harness tasks` shows what each task needs and where its data is.",
        )
    return found
