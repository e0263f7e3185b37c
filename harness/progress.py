"""The progress of a run, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.plain import plain

if TYPE_CHECKING:
    from rich.progress import Progress


class RunProgress:
    """Context manager and `harness.loop.Reporter`; the bar shows rate and time left."""

    def __init__(self, submission: str, task: str) -> None:
        self._submission = plain(submission)
        self._title = f"{self._submission} on {plain(task)}"
        self._bar = _bar() if sys.stderr.isatty() else None
        self._ids: dict[str, Any] = {}

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def progress(self, phase: str, done: int, total: int, unit: str) -> None:
        """See `harness.loop.Reporter`; a total of 0 is not known yet."""
        what = f"{phase} {plain(unit)}".strip()
        if self._bar is None:
            if total and (done == 0 or done >= total):
                print(f"{self._title}: {what} {done} of {total}", file=sys.stderr, flush=True)
            return
        if phase not in self._ids:
            self._ids[phase] = self._bar.add_task("", total=None, completed=done)
        label = f"{self._submission}: {what}"
        self._bar.update(self._ids[phase], description=label, completed=done, total=total or None)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "", style="dim")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
