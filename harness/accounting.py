"""What a model's work is, counted and timed, once its predictions are made: in the worker, and charged to nobody."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from threadpoolctl import threadpool_limits

from harness.contract import Example
from harness.efficiency.work import FEWEST_REPEATS, Observed, Work
from harness.errors import HarnessError
from harness.meter import cpu_seconds
from harness.wire import Accounted

_REPEATS = 10
_SHORTEST_REPEAT_SECONDS = 0.01
"""Shorter ones go round several times: a clock's tick or a cold cache would be a large part of them."""
_BUDGET_SECONDS = 2.0
"""Wall time after which no further repeat is begun."""


def account(model: Any, examples: Sequence[Example], *, from_cache: bool) -> Accounted:
    """Ask the model for its phases and findings, and time it on the examples, as far as it offers any of them.

    A failure is a note and never the run's: all predictions are stored by then. A model whose predictions came from a
    cache is not timed, for it may have nothing loaded.
    """
    notes: list[str] = []
    work: Work | None = _tried(getattr(model, "phases", None), notes, "its work cannot be counted")
    again = None if from_cache else getattr(model, "again", None)
    found = _facts(_tried(getattr(model, "findings", None), notes, "it could not say what it found"), notes)
    observed = _tried(again and (lambda: observe(again, examples)), notes, "it could not be timed")
    if work is not None and not isinstance(work, Work):
        notes.append(f"phases returned a {type(work).__name__}, not a harness.efficiency.work.Work")
        work = None
    if work is None and not notes and (reason := getattr(model, "uncounted", "")):
        notes.append(f"its work is not counted: {reason}")
    if work is not None and work.uncounted:
        notes.append(f"of its preparing is not counted: {work.uncounted}")
    return Accounted(work, observed, "; ".join(notes), found)


def observe(again: Callable[[Sequence[Example]], Any], examples: Sequence[Example]) -> Observed:
    """Seconds an example over up to ten repeats, each example alone, after a repeat that is not counted.

    Of so many of the examples, from the first, as leave time for enough repeats: on a slow or a busy machine one.
    On a processor one thread computes: of several, those that wait for the others spend seconds on nothing, the more
    of them the busier the machine is.
    """
    elsewhere = _computes_elsewhere()
    with contextlib.nullcontext() if elsewhere else threadpool_limits(1):
        return _observed(again, examples, elsewhere)


def _observed(again: Callable[[Sequence[Example]], Any], examples: Sequence[Example], elsewhere: bool) -> Observed:
    clock = time.perf_counter if elsewhere else cpu_seconds
    seconds: list[float] = []
    _answer(again, examples)  # what is loaded or compiled at the first call is nobody's time
    begun, before = time.monotonic(), clock()
    _answer(again, examples)
    affordable = _BUDGET_SECONDS / FEWEST_REPEATS / max(time.monotonic() - begun, 1e-6)
    rounds = math.ceil(min(_SHORTEST_REPEAT_SECONDS / max(clock() - before, 1e-6), max(affordable, 1.0)))
    examples = examples[: max(1, math.floor(len(examples) * min(affordable, 1.0)))]
    end = time.monotonic() + _BUDGET_SECONDS
    while len(seconds) < _REPEATS and (not seconds or time.monotonic() < end):
        before = clock()
        for _ in range(rounds):
            _answer(again, examples)
        seconds.append((clock() - before) / (rounds * len(examples)))
    return Observed(tuple(seconds), len(examples), "device" if elsewhere else "process CPU")


def _facts(found: Any, notes: list[str]) -> dict[str, str | int | float]:
    """What the model found, if it is something to show: finite numbers and text by name."""
    if found is None:
        return {}
    try:
        facts = msgspec.convert(found, dict[str, str | int | float])
    except msgspec.ValidationError as error:
        notes.append(f"findings returned something else than numbers and text by name: {error}")
        return {}
    unfit = [name for name, value in facts.items() if isinstance(value, float) and not math.isfinite(value)]
    notes += [f"findings reported {name!r} as {facts.pop(name)}" for name in unfit]
    return facts


def _answer(again: Callable[[Sequence[Example]], Any], examples: Sequence[Example]) -> None:
    for example in examples:
        again([example])


def _computes_elsewhere() -> bool:
    """Whether the process has used a GPU: then its processor's seconds say little."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def _tried(call: Callable[[], Any] | None, notes: list[str], what: str) -> Any:
    if call is None:
        return None
    try:
        return call()
    except HarnessError as error:
        notes.append(f"{what}: {error.message}")
    except Exception as error:  # a third party's method may raise anything
        traceback.print_exc()
        notes.append(f"{what}: {type(error).__name__}: {error}")
    return None
