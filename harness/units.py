"""Numbers of bytes and seconds in the units that people read."""

from __future__ import annotations


def bytes_text(count: int | None) -> str | None:
    """A number of bytes for people, in powers of ten."""
    if count is None:
        return None
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def seconds_text(seconds: float | None) -> str | None:
    """A duration for people."""
    if seconds is None:
        return None
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def short_seconds_text(seconds: float | None) -> str | None:
    """A time of one example for people: seconds, milliseconds or microseconds, to three digits."""
    if seconds is None:
        return None
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
