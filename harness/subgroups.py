"""The command about subgroups: how unevenly a run's score is spread over the groups of its examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.errors import InputError, UnknownName
from harness.metrics.subgroups import FEW, Discrepancy, discrepancy
from harness.store import Database, open_database, read_examples
from harness.terminal import print_json, print_table

if TYPE_CHECKING:
    from harness.contract import FloatArray

_USUAL = ("right", "exact_match", "accuracy", "link_f1", "correct")
"""Columns that say how right an example is, the first that a run has."""


def show(run: str, db: str, *, as_json: bool, by: str = "", column: str = "") -> None:
    """Print the discrepancy over each group of the examples, or over the one called `by`."""
    found = discrepancies(open_database(db, create=False), run, by, column)
    if as_json:
        print_json([{"group": name, **asdict(one)} for name, one in found.items()])
        return
    for name, one in found.items():
        print(f"{name}: MacroStd {one.macro_std:.4f}, by chance {one.noise:.4f}, p = {one.p_value:.3f}")
        rows = [
            [
                group.name + (" *" if group.is_small else ""),
                f"{group.score:.4f}",
                f"{group.low:.4f}–{group.high:.4f}",
                group.n,
            ]
            for group in one.groups
        ]
        print_table([name, "score", "95 % Wilson", "n"], rows)
    if any(group.is_small for one in found.values() for group in one.groups):
        print(f"* fewer than {FEW} examples")


def discrepancies(database: Database, run: str, by: str = "", column: str = "") -> dict[str, Discrepancy]:
    """By name of the group. Raises `InputError` if the run has no such column, or its examples are in no groups."""
    ids, columns = read_examples.example_scores(database, run)
    if not ids:
        raise InputError(f"run {run} is not done, so it has no scores", hint="The command that made it resumes it.")
    gold = read_examples.example_gold(database, run)
    values = _values(columns, column)
    groups = [one.get("groups", {}) if isinstance(one, Mapping) else {} for one in gold]
    labels = [str(one["label"]) if isinstance(one, Mapping) and "label" in one else "" for one in gold]
    names = [by] if by else sorted({name for one in groups for name in one})
    found = {name: _over(values, [one.get(name, "") for one in groups], labels) for name in names}
    kept = {name: one for name, one in found.items() if one is not None}
    if not kept:
        known = sorted({name for one in groups for name in one})
        raise InputError(
            f"the examples of run {run} are in no groups" + (f" called {by!r}" if by else ""),
            hint=f"They have {', '.join(known)}." if known else "The scorer's gold says in which groups an example is.",
        )
    return kept


def _over(values: FloatArray, names: Sequence[Any], labels: Sequence[str]) -> Discrepancy | None:
    """Of the examples that are in a group; None if they are all in one."""
    inside = [place for place, name in enumerate(names) if name != ""]
    if len({names[place] for place in inside}) < 2:
        return None
    return discrepancy(
        [float(values[place]) for place in inside],
        [str(names[place]) for place in inside],
        [labels[place] for place in inside],
    )


def _values(columns: Mapping[str, FloatArray], wanted: str) -> FloatArray:
    if wanted and wanted not in columns:
        raise UnknownName("column", wanted, columns)
    name = wanted or next((usual for usual in _USUAL if usual in columns), "")
    if not name:
        raise InputError("which column is to be compared?", hint=f"Give --column, one of {', '.join(sorted(columns))}.")
    return columns[name]
