"""What an example takes: the reader's choice of reference hardware, stack and basis, and the runs priced on it.

Prices are worked out from stored counts, so a choice shows at once. Bases are never ranked against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.efficiency import run_prices
from harness.efficiency.hardware import hardware_profiles
from harness.efficiency.serving import Reference
from harness.plain import plain
from harness.store import Database, read_work
from leaderboard import kept
from leaderboard.rows import Entry

BASES = {
    "calibrated": "Calibrated: what the stack would take",
    "bound": "Bound: no implementation is faster",
    "observed": "Observed: where the run was made",
    "cpu": "CPU seconds of the whole run",
}
AXES = {
    "calibrated": "Calibrated milliseconds an example (log scale)",
    "bound": "Bound, milliseconds an example (log scale)",
    "observed": "Observed milliseconds an example (log scale)",
    "cpu": "CPU seconds, prepare and predict (log scale)",
}
_WIDTH = 250  # pixels


def choose_reference() -> Reference:
    """Two boxes, kept in the address as `hardware` and `stack` unless they are as usual."""
    profiles = hardware_profiles()
    hardware = _box("Reference hardware", "hardware", list(profiles), run_prices.HARDWARE)
    fitting = [*run_prices.fitting_stacks(profiles[hardware]), run_prices.NO_STACK]
    stack = _box("Software stack", "stack", fitting, fitting[0])
    return run_prices.reference(hardware=hardware, stack=stack)


def choose_basis(spent: Mapping[str, Mapping[str, float]]) -> str:
    """A box, kept in the address as `cost`; what some run has comes before what none has."""
    first = next((basis for basis in BASES if spent[basis]), "cpu")
    return _box("Cost in the chart", "cost", list(BASES), first, BASES)


def by_basis(entries: Sequence[Entry], priced: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Basis → run → what it spent, in the unit of the basis's axis, for the runs that have it."""
    spent: dict[str, dict[str, float | None]] = {
        basis: {entry.run: milliseconds(priced[entry.run][f"{basis}_seconds"]) for entry in entries}
        for basis in BASES
        if basis != "cpu"
    }
    spent["cpu"] = {entry.run: entry.cpu_seconds for entry in entries}
    return {basis: {run: x for run, x in found.items() if x is not None} for basis, found in spent.items()}


def prices(database: Database, rows: Sequence[Mapping[str, Any]], on: Reference) -> dict[str, dict[str, Any]]:
    """The three columns of each run (rows of `harness.store.read`), by run."""
    key = kept.revision(database), "works", tuple(row["run"] for row in rows)
    works = kept.once(key, lambda: read_work.works(database, [row["run"] for row in rows]))  # for other hardware
    columns = run_prices.columns_of([(row, works.get(row["run"])) for row in rows], on)
    return {row["run"]: found for row, found in zip(rows, columns, strict=True)}


def cells(price: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the board's table."""
    return {
        "Calibrated (ms)": milliseconds(price["calibrated_seconds"]),
        "± (%)": None if price["calibrated_error_p90"] is None else 100 * price["calibrated_error_p90"],
        "Bound (ms)": milliseconds(price["bound_seconds"]),
        "Observed (ms)": milliseconds(price["observed_seconds"]),
    }


def columns(on: Reference) -> dict[str, Any]:
    """How these columns are shown."""
    number = st.column_config.NumberColumn
    where = plain(f"One example on {on}, on average.")
    return {
        "Calibrated (ms)": number(width=92, format="%.4g", help=f"What the software stack would take. {where}"),
        "± (%)": number(width=44, format="%.0f", help="p90 of the stack's error on what it was not fitted to."),
        "Bound (ms)": number(width=78, format="%.3g", help=f"No ideal implementation is faster. {where}"),
        "Observed (ms)": number(
            width=90,
            format="%.4g",
            help="One example where the run was made: the fastest of at least five steady repeats. Not comparable "
            "between machines; empty where repeats were few or spread.",
        ),
    }


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


def _box(label: str, key: str, options: Sequence[str], default: str, shown: Mapping[str, str] | None = None) -> str:
    chosen: str | None = st.selectbox(
        label,
        options,
        index=options.index(default),
        key=key,
        bind="query-params",
        format_func=lambda name: shown[name] if shown else name,
        width=_WIDTH,
    )
    return chosen or default
