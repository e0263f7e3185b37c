"""Processor seconds of one call, measured so that they can be trusted: the least of many repeats, and their spread."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _library in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_library] = "1"  # before any of them is loaded: seconds of one core are what is measured

REPEATS = 20
_WARM_UPS = 2
_LEAST_SECONDS = 0.02
"""Of one repeat; a shorter call is made several times in it."""
_QUIET = 1.25
"""Spread above which a time says more about the machine's other work: measured again, up to three times."""


@dataclass(frozen=True)
class Timing:
    """Process CPU seconds of one call."""

    seconds: float
    """The least over the repeats: what the call takes when nothing disturbs it."""
    spread: float
    """The largest over the least."""
    repeats: int = REPEATS


def timed(call: Callable[[], object]) -> Timing:
    """Warm up, then repeat."""
    once = max(min(_seconds(call, 1) for _ in range(_WARM_UPS)), 1e-7)
    calls = max(1, round(_LEAST_SECONDS / once))
    for _ in range(3):
        times = [_seconds(call, calls) for _ in range(REPEATS)]
        found = Timing(min(times), max(times) / min(times))
        if found.spread <= _QUIET:
            break
    return found


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a CSV file, with a header if it is new."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _seconds(call: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls
