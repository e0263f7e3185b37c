"""Who runs the workers: here, processes of this machine, each in a group of its own with limits and a log."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import IO, Protocol

import psutil

from harness.errors import RunFailed, SubmissionError
from harness.wire import Channel, Closed, Fault, Message

_POLL_SECONDS = 0.25
_GRACE_SECONDS = 2.0
_LOG_HEAD_BYTES = 32 << 10
_LOG_TAIL_LINES = 400
_LOG_LINE_BYTES = 2_000


@dataclass(frozen=True)
class Limits:
    """What a run may take; None is no limit."""

    seconds: float | None = None
    memory_bytes: int | None = None


class Worker(Protocol):
    """A model's process, as the loop sees it."""

    def send(self, message: Message) -> None: ...

    def receive(self, timeout_seconds: float) -> Message | None:
        """The next message, None when the time is up. Raises `RunFailed` if the worker died or broke a limit."""
        ...

    def stop(self) -> None:
        """End the process and everything it started."""
        ...

    @property
    def log(self) -> str:
        """The beginning and the end of what the worker printed."""
        ...


class Executor(Protocol):
    """Starts workers somewhere."""

    def start(self, limits: Limits) -> Worker: ...


class LocalExecutor:
    """Workers as processes of this machine."""

    def start(self, limits: Limits) -> Worker:
        return LocalWorker(limits)


class LocalWorker:
    """A `harness.worker` process; it dies with us, however we die, because it watches a pipe that only we hold."""

    def __init__(self, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._process = subprocess.Popen(
            # -P: a file in the current folder must not stand in for a module of the same name.
            [sys.executable, "-P", "-m", "harness.worker", str(theirs.fileno()), str(lifeline)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), lifeline),
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "PYTHONFAULTHANDLER": "1"},
        )
        theirs.close()
        os.close(lifeline)
        assert self._process.stdout is not None
        self._channel = Channel(ours)
        self._log = _Log(self._process.stdout)
        self._limits = limits
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._next_check = 0.0

    def send(self, message: Message) -> None:
        with contextlib.suppress(Closed):  # receive explains why it is gone
            self._channel.send(message)

    def receive(self, timeout_seconds: float) -> Message | None:
        deadline = time.monotonic() + timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            self._enforce_limits()
            ended = self._process.poll() is not None
            try:
                message = self._channel.receive(min(left, _POLL_SECONDS))
            except Closed:
                raise self._epitaph() from None
            if isinstance(message, Fault):
                kind = SubmissionError if message.is_input else RunFailed
                raise kind(message.message, hint=message.hint or "`harness log RUN` shows where it was raised.")
            if message is not None:
                return message
            if ended:  # yet the channel is open: a process that it started holds the other end
                raise self._epitaph()
        return None

    def stop(self) -> None:
        strays = _descendants(self._process.pid)  # some may have left the process group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.kill()
        self._process.wait()
        self._channel.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
        self._log.finish()

    @property
    def log(self) -> str:
        return self._log.text()

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _POLL_SECONDS
        if self._deadline is not None and now > self._deadline:
            raise RunFailed(
                f"the time limit of {self._limits.seconds:g} s is used up",
                hint="Run again with a larger --time-limit: finished batches are kept.",
            )
        memory = self._limits.memory_bytes
        if memory is not None and (resident := _resident_bytes(self._process.pid)) > memory:
            raise RunFailed(
                f"the model holds {resident / 1e6:.0f} MB, over the limit of {memory / 1e6:.0f} MB",
                hint="Run again with a larger --memory-limit: finished batches are kept.",
            )

    def _epitaph(self) -> RunFailed:
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return RunFailed(
                "the worker closed its connection to the harness but went on running",
                hint="A model must leave file descriptors alone that it did not open.",
            )
        if code == -signal.SIGKILL:
            return RunFailed(
                "the worker was killed (signal 9), most often because memory ran out",
                hint="Free memory, then run the same command: finished batches are kept. "
                "(Another batch_size in the file is another submission, and starts anew.)",
            )
        if code < 0:
            return RunFailed(
                f"the worker crashed: {signal.strsignal(-code)} (signal {-code})",
                hint="`harness log RUN` shows where; the same command resumes.",
            )
        return RunFailed(f"the worker ended by itself with exit status {code}", hint="The log may say why.")


def _resident_bytes(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in [psutil.Process(pid), *_descendants(pid)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def _descendants(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


class _Log:
    """Reads what a worker prints as it comes, and keeps its beginning and its end whatever the length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque(maxlen=_LOG_TAIL_LINES)
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def _drain(self, stream: IO[bytes]) -> None:
        while line := stream.readline(_LOG_LINE_BYTES):
            if len(self._head) < _LOG_HEAD_BYTES:
                self._head += line
            else:
                self._tail.append(line)
        stream.close()

    def finish(self) -> None:
        self._thread.join(timeout=2)

    def text(self) -> str:
        gap = b"\n[...]\n" if len(self._tail) == _LOG_TAIL_LINES else b""
        return (bytes(self._head) + gap + b"".join(list(self._tail))).decode("utf-8", "replace")
