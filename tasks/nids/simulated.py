"""Generated traffic with a structure in time: attacks that a single flow does not give away.

Benign sessions and two kinds of episodes follow each other. A scan is a run of short, failed connections, a password
attack a run of short logins; benign hosts have both as well, but seldom two in a row. So a flow alone says little, and
what stands before it much. Times are seconds from the start; the seed is fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.contract import Column
from tasks.nids.splits import Parts, chronological
from tasks.nids.table import Flows

COLUMNS = (
    *(Column(name, "category") for name in ("protocol", "service", "state")),
    *(Column(name, "number") for name in ("duration", "in_bytes", "out_bytes", "in_packets", "out_packets", "ttl")),
)
FLOWS = 12_000
_SEED = 52_236
_SERVICES = ("http", "https", "dns", "ssh", "smtp", "ftp")
_USED = (0.3, 0.4, 0.18, 0.04, 0.05, 0.03)
_EPISODES = 0.02
"""Chance that an episode begins after a benign flow."""
_LENGTHS = (12, 40)
_INSIDE = 0.75
"""Share of an episode's flows that belong to it; the rest is benign traffic between them."""


def make() -> Parts:
    """The earlier 70 % of the flows to train on, the later ones to test on."""
    import pandas as pd

    random = np.random.Generator(np.random.PCG64(_SEED))
    rows: list[list[Any]] = []
    kinds: list[str] = []
    episode, left = "", 0
    while len(rows) < FLOWS:
        if not left and random.random() < _EPISODES:
            episode = "scan" if random.random() < 0.5 else "password"
            left = int(random.integers(*_LENGTHS))
        belongs = left > 0 and random.random() < _INSIDE
        left -= left > 0
        kind = episode if belongs else ""
        rows.append(_flow(kind or _seeming(random), random))
        kinds.append(kind)
    table = pd.DataFrame(rows, columns=[column.name for column in COLUMNS])
    numbers = {column.name: "float64" for column in COLUMNS if column.kind == "number"}
    flows = Flows(table.astype(numbers), kinds, {})
    return chronological(flows, np.arange(len(rows)))


def _seeming(random: np.random.Generator) -> str:
    """Benign flows look like a scan's or a password attack's now and then."""
    drawn = random.random()
    return "scan" if drawn < 0.25 else "password" if drawn < 0.45 else "session"


def _flow(looks_like: str, random: np.random.Generator) -> list[Any]:
    service = str(random.choice(_SERVICES, p=_USED))
    if looks_like == "scan":
        return ["tcp", service, "rejected", *_sizes(random, 0.01, 60, 44, 1, 1), _ttl(random)]
    if looks_like == "password":
        return ["tcp", "ssh", "closed", *_sizes(random, 1.5, 1_900, 1_500, 14, 12), _ttl(random)]
    protocol = "udp" if service == "dns" else "tcp"
    heavy = 12.0 if service in ("http", "https") else 1.0
    return [protocol, service, "closed", *_sizes(random, 0.8 * heavy, 900, 6_000 * heavy, 10, 14), _ttl(random)]


def _sizes(random: np.random.Generator, *typical: float) -> list[float]:
    spread = random.lognormal(0.0, 0.5, size=len(typical))
    return [round(float(value), 3) for value in np.array(typical) * spread]


def _ttl(random: np.random.Generator) -> int:
    return int(random.choice((64, 128))) - int(random.integers(0, 12))
