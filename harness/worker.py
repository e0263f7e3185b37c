"""The process that hosts one model: it gets inputs without labels and returns predictions and their cost.

Started as `python -m harness.worker SOCKET_FD LIFELINE_FD`. Its standard output is the run's log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from harness import meter
from harness.accounting import account
from harness.contract import Cost, Example, Model, Prediction, Prepared, Resources
from harness.errors import HarnessError, InputError, InvalidPrediction, RunFailed
from harness.wire import (
    Account,
    Advanced,
    Channel,
    Closed,
    Fault,
    Message,
    Predict,
    Predicted,
    Prepare,
    PrepareDone,
    Setup,
)

_SECONDS_BETWEEN_UPDATES = 0.1


def main() -> None:
    """Serve one run until the parent closes the channel."""
    channel_fd, lifeline_fd = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_die_with_parent, args=(lifeline_fd,), daemon=True).start()
    channel = Channel(socket.socket(fileno=channel_fd))
    meter.mark_empty_worker()
    try:
        _serve(channel)
    except Closed:
        pass
    except Exception as error:
        if not _is_for_people(error):
            with contextlib.suppress(OSError):  # the model may have closed standard error
                traceback.print_exc()
        with contextlib.suppress(Closed, OSError):  # or the channel; then the exit status has to do
            channel.send(_explain(error))
        sys.exit(1)


def _serve(channel: Channel) -> None:
    setup = channel.receive()
    if not isinstance(setup, Setup):
        raise RuntimeError(f"expected setup, got {type(setup).__name__}")
    model = build_model(setup)
    resources = Resources(
        inputs=setup.inputs,
        example_ids=setup.example_ids,
        scratch=Path(setup.scratch),
        cache=Path(setup.cache),
        seed=setup.seed,
        progress=_Updates(channel),
        charge=(tab := _Tab()),
    )
    try:
        while True:
            channel.send(_answer(model, resources, tab, channel.receive()))
    except (InputError, RunFailed) as error:
        if not getattr(model, "runs_code", False):
            raise
        raise RunFailed(error.message, hint=error.hint) from error  # a fault in code is shown with its traceback


def _is_for_people(error: Exception) -> bool:
    """Whether its sentence says all: a fault of the input, or of something outside such as an endpoint that is down."""
    return isinstance(error, InputError) or (isinstance(error, RunFailed) and error.__cause__ is None)


def build_model(setup: Setup) -> Model:
    """The model of a setup: kind by name, configuration validated again, paths beside the submission file."""
    from harness.registry import model_kind

    kind = model_kind(setup.kind)
    config = kind.Config.model_validate_json(setup.config, context={"folder": setup.folder})
    return kind(config, setup.seed)


def _answer(model: Model, resources: Resources, tab: _Tab, message: Message | None) -> Message:
    match message:
        case Prepare():
            with meter.Stopwatch() as watch:
                prepared = model.prepare(resources) or Prepared()
            return PrepareDone(prepared, tab.settle(watch.cost))
        case Predict(examples):
            with meter.Stopwatch() as watch:
                predictions = _checked(model.predict(examples), examples)
            tab.predicted = tab.settle(watch.cost)
            return Predicted(predictions, tab.predicted)
        case Account(examples):
            return account(model, examples, from_cache=tab.predicted is None or tab.predicted.cached)
    raise RuntimeError(f"unexpected message {type(message).__name__}")


def _checked(predictions: Sequence[Prediction], examples: Sequence[Example]) -> list[Prediction]:
    """Predictions in the order of their examples. Raises `InvalidPrediction` for strangers and repeats."""
    by_id: dict[str, Prediction] = {}
    for prediction in predictions:
        if not isinstance(prediction, Prediction):
            raise InvalidPrediction(
                f"predict returned a {type(prediction).__name__}",
                hint="Return a list of harness.contract.Prediction.",
            )
        if prediction.id in by_id:
            raise InvalidPrediction(f"predict answered example {prediction.id!r} twice")
        by_id[prediction.id] = prediction
    ordered = [by_id.pop(example.id) for example in examples if example.id in by_id]
    if by_id:
        raise InvalidPrediction(f"predict answered {next(iter(by_id))!r}, which was not asked")
    return ordered


def _explain(error: Exception) -> Fault:
    if isinstance(error, HarnessError):
        return Fault(_sendable(error.message), _sendable(error.hint), isinstance(error, InputError))
    return Fault(_sendable(f"{type(error).__name__}: {error}"))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no bytes


class _Tab:
    """What the model reused since the last answer, to be added to what it did."""

    def __init__(self) -> None:
        self._reused: list[Cost] = []
        self.predicted: Cost | None = None
        """Of the last batch."""

    def __call__(self, cost: Cost) -> None:
        self._reused.append(cost)

    def settle(self, own: Cost) -> Cost:
        costs, self._reused = [own, *self._reused], []
        return Cost(
            cpu_seconds=sum(cost.cpu_seconds for cost in costs),
            wall_seconds=sum(cost.wall_seconds for cost in costs),
            peak_rss_bytes=max(cost.peak_rss_bytes for cost in costs),
            cached=len(costs) > 1,
        )


class _Updates:
    """Progress to the parent, at most ten times a second."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._last = channel, 0.0

    def __call__(self, done: int, total: int, unit: str) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= _SECONDS_BETWEEN_UPDATES:
            self._last = now
            self._channel.send(Advanced(done, total, unit))


def _die_with_parent(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # returns only when the parent is gone, however it went
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
