"""Ctrl-C: once lets the batch in hand be finished and stored, twice stops at once. Nothing stored is lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from harness.errors import HarnessError


class Interrupted(HarnessError):
    """The user asked to stop; exit status 130 as for any command that Ctrl-C ended."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped by Ctrl-C", hint="Run the same command: it resumes.")


class Interrupt:
    """Handles SIGINT and SIGTERM while it is entered; `asked` says whether one came."""

    def __init__(self) -> None:
        self.asked = False
        self._waiting = False

    def __enter__(self) -> Interrupt:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._before = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._in_main_thread:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self, *, at_once: bool) -> Iterator[None]:
        """While waiting for a worker: the first signal only sets `asked`, unless there is nothing to finish."""
        self._waiting = not at_once
        try:
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.asked or not self._waiting or number == signal.SIGTERM:
            raise Interrupted
        self.asked = True
        print("\nStopping after this batch; press Ctrl-C again to stop now.", file=sys.stderr, flush=True)
