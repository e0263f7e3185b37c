"""Messages between the loop and a worker: length-prefixed msgpack frames over a socket.

msgpack into typed structs, not pickle: what a stranger's model sends back can be wrong, but cannot run code here.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TypeAlias

import msgspec

from harness.contract import Cost, Example, Inputs, Prediction, Prepared
from harness.efficiency.work import Observed, Work
from harness.errors import RunFailed

_HEAD_BYTES = 8
_MAX_FRAME_BYTES = 2 << 30


class Setup(msgspec.Struct, frozen=True, tag="setup"):
    """Parent → worker, first: the model to build and the inputs it will meet."""

    kind: str
    config: str
    """The `model:` section as JSON, paths as written."""
    folder: str
    """Folder of the submission file; paths are relative to it."""
    inputs: Inputs
    example_ids: list[str]
    scratch: str
    cache: str
    seed: int


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Parent → worker."""


class Predict(msgspec.Struct, frozen=True, tag="predict"):
    """Parent → worker: the next batch."""

    examples: list[Example]


class Advanced(msgspec.Struct, frozen=True, tag="advanced"):
    """Worker → parent while it prepares."""

    done: int
    total: int
    unit: str


class PrepareDone(msgspec.Struct, frozen=True, tag="prepared"):
    """Worker → parent: ready to predict."""

    prepared: Prepared
    cost: Cost


class Predicted(msgspec.Struct, frozen=True, tag="predicted"):
    """Worker → parent: the answers to one batch."""

    predictions: list[Prediction]
    cost: Cost


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """Worker → parent: the model raised; its traceback is in the log."""

    message: str
    hint: str = ""
    is_input: bool = False
    """True if what the user gave is wrong, not the model."""


class Account(msgspec.Struct, frozen=True, tag="account"):
    """Parent → worker, last: describe your work, and answer these examples again to be timed."""

    examples: list[Example]


class Accounted(msgspec.Struct, frozen=True, tag="accounted"):
    """Worker → parent: the model's work, counted and timed as far as it can be."""

    work: Work | None = None
    observed: Observed | None = None
    note: str = ""
    """Why something is missing."""
    findings: dict[str, str | int | float] = {}
    """Facts that the model found out while it answered."""


Message: TypeAlias = Setup | Prepare | Predict | Account | Advanced | PrepareDone | Predicted | Accounted | Fault


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the conversation. `receive` never blocks longer than asked, even on half a frame."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
        self._decoder = msgspec.msgpack.Decoder(Message)

    def send(self, message: Message) -> None:
        """Raises `Closed` if the other side is gone, `TypeError` for a value that cannot be sent."""
        body = self._encoder.encode(message)
        try:
            self._socket.sendall(len(body).to_bytes(_HEAD_BYTES, "big"))
            self._socket.sendall(body)
        except (BrokenPipeError, ConnectionError) as error:
            raise Closed from error

    def receive(self, timeout_seconds: float | None = None) -> Message | None:
        """The next message, or None when the time is up. Raises `Closed`, or `RunFailed` for a broken frame."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while (message := self._next_frame()) is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                return None
            try:
                chunk = self._socket.recv(1 << 20)
            except ConnectionError as error:
                raise Closed from error
            if not chunk:
                raise Closed
            self._buffer += chunk
        return message

    def _next_frame(self) -> Message | None:
        if len(self._buffer) < _HEAD_BYTES:
            return None
        length = int.from_bytes(self._buffer[:_HEAD_BYTES], "big")
        if length > _MAX_FRAME_BYTES:
            raise RunFailed(f"the worker sent a message of {length} bytes", hint="Use a smaller batch_size.")
        end = _HEAD_BYTES + length
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            body = bytes(view[_HEAD_BYTES:end])
        del self._buffer[:end]
        try:
            message: Message = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RunFailed(
                f"the model's answer has the wrong shape: {error}",
                hint="docs/models.md shows what predict must return.",
            ) from error
        return message

    def close(self) -> None:
        self._socket.close()


def _plain(value: object) -> object:
    """NumPy scalars and arrays and torch tensors as Python numbers and lists: models return them everywhere."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"predict returned a {type(value).__name__}, which is neither text nor a number")
