"""What a piece of work took: processor seconds, wall seconds and peak resident memory of this process."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from harness.contract import Cost

_STATUS = Path("/proc/self/status")
_empty_worker_bytes = 0


class Stopwatch:
    """Context manager; after it, `cost` holds what the block took."""

    cost = Cost()

    def __enter__(self) -> Stopwatch:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cost = Cost(
            cpu_seconds=cpu_seconds() - self._cpu,
            wall_seconds=time.perf_counter() - self._wall,
            peak_rss_bytes=peak_rss_bytes(),
        )


def cpu_seconds() -> float:
    """User and system seconds of this process, its threads, and its children that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def peak_rss_bytes() -> int:
    """Highest resident memory so far, less that of an empty worker."""
    return max(0, high_water_bytes() - _empty_worker_bytes)


def mark_empty_worker() -> None:
    """Take the memory in use now as that of an empty worker; called before any model code is loaded."""
    global _empty_worker_bytes  # resident memory belongs to the process, so its zero point does too
    _empty_worker_bytes = high_water_bytes()


def high_water_bytes() -> int:
    """Highest resident memory of this process so far."""
    # Linux hands the parent's ru_maxrss down to a child that it starts; VmHWM is the process's own.
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
