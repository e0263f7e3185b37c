"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.plain import plain

if TYPE_CHECKING:
    from rich.progress import Progress


_SHOWN_MEGABYTES = 200  # a second or so


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


class LoadProgress:
    """How far the data of a task is read or unpacked; small data is there before there is anything to show."""

    def __init__(self, task: str) -> None:
        self._task = plain(task)
        self._bar: Progress | None = None
        self._ids: dict[str, Any] = {}

    def __enter__(self) -> LoadProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def progress(self, done: int, total: int, unit: str) -> None:
        """See `harness.contract.Progress`, in megabytes."""
        if total < _SHOWN_MEGABYTES:
            return
        if unit not in self._ids:
            self._begin(total, unit)
        if self._bar:
            self._bar.update(self._ids[unit], completed=done)

    def _begin(self, total: int, unit: str) -> None:
        if not sys.stderr.isatty():
            print(f"{self._task}: loading {total:,} {plain(unit)}", file=sys.stderr, flush=True)
            self._ids[unit] = None
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
        self._ids[unit] = self._bar.add_task(f"{self._task}: {plain(unit)}", total=total)


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
