"""Floors and rungs of a task: the lines that every score should be held against, and the gain over the best floor.

Floors come from the data (`harness.contract.Line`) and from submissions that call themselves a floor; rungs from the
data only, and they never enter a gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.contract import Line
from harness.plain import plain
from leaderboard.rows import DIGITS, Entry


def gathered(version: Mapping[str, Any] | None, found: Sequence[Entry]) -> list[Line]:
    """The lines of a version of a task, and of the ranked runs that are floors; floors first, the best on top."""
    stored = [Line(**line) for line in (version["lines"] if version else [])]
    runs = [
        Line(entry.label, entry.value, "floor", "a submission")
        for entry in found
        if entry.is_floor and entry.rank is not None
    ]
    sign = 1 if not found or found[0].higher_is_better else -1
    return sorted([*stored, *runs], key=lambda line: (line.kind != "floor", -sign * line.value))


def best_floor(lines: Sequence[Line]) -> Line | None:
    """The floor that gains are counted from; None without any."""
    return next((line for line in lines if line.kind == "floor"), None)


def gain(entry: Entry, lines: Sequence[Line]) -> float | None:
    """How much better a run over the whole task is than the best floor; None without one."""
    floor = best_floor(lines)
    if floor is None or entry.is_partial:
        return None
    return entry.value - floor.value if entry.higher_is_better else floor.value - entry.value


def facts(lines: Sequence[Line]) -> dict[str, str]:
    """The lines with their values, as words."""
    return {f"{plain(line.name)} ({line.kind})": f"{line.value:.{DIGITS}f}" for line in lines}
