"""Ctrl-C: once lets the batch in hand be finished and stored, twice stops at once. Nothing stored is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

from harness.errors import HarnessError


class Interrupted(HarnessError):
    """The user asked to stop; exit status 130 as for any command that Ctrl-C ended."""

    exit_code = 130

    def __init__(self, number: int = signal.SIGINT) -> None:
        by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"stopped by {by}", hint="Run the same command: it resumes.")


class Interrupt:
    """Handles SIGINT and SIGTERM while it is entered; `asked` says whether one came."""

    def __init__(self) -> None:
        self.asked = False
        self._deferring = False

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
    def deferred(self) -> Iterator[None]:
        """While there is a batch to finish: the first Ctrl-C only sets `asked`."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        at_once = self.asked or not self._deferring or number == signal.SIGTERM
        self.asked = True
        if at_once:
            raise Interrupted(number)
        with suppress(OSError):  # not print: the signal may have come while the main thread was printing
            os.write(2, b"\nStopping after this batch; press Ctrl-C again to stop now.\n")
