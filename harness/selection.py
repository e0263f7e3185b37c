"""Which tasks a submission runs: those named, else all that it can do and whose data is here."""

from __future__ import annotations

from collections.abc import Sequence

from harness import registry
from harness.contract import Places, Task
from harness.errors import InputError
from harness.submission import Submission


def tasks_for(submission: Submission, names: Sequence[str], places: Places) -> list[Task]:
    """Raises `InputError` if a named task needs what the model does not offer, or if there is nothing to run."""
    offers = submission.model().offers
    if not names:
        found = [t for t in registry.tasks() if t.card.needs <= offers and t.status(places).ready]
        if not found:
            raise InputError(
                f"there is no task for {submission.name!r} (it offers {', '.join(sorted(offers))})",
                hint="`harness tasks` shows what each task needs and where its data is.",
            )
        return found
    chosen = [registry.task(name) for name in dict.fromkeys(names)]
    for task in chosen:
        if missing := task.card.needs - offers:
            raise InputError(
                f"{task.card.name} needs {', '.join(sorted(missing))}, which {submission.name!r} does not offer",
                hint=f"It offers {', '.join(sorted(offers))}. `harness tasks` shows what each task needs.",
            )
    return chosen
