"""Loading a task's data for a person who waits: progress while it is large, and what is odd about it."""

from __future__ import annotations

import sys
from dataclasses import replace

from harness.contract import Places, Task, Workload
from harness.plain import plain
from harness.progress import LoadProgress


def load(task: Task, places: Places) -> Workload:
    """Raises `DataError` as `Task.load` does."""
    with LoadProgress(task.card.name) as shown:
        workload = task.load(replace(places, progress=shown.progress))
    for note in workload.notes:
        print(f"note: {plain(note)}", file=sys.stderr)
    return workload
