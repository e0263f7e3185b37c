"""A software stack of the user's own on measurements of the user's own: its constants, and how wrong they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.efficiency.calibration import fit
from harness.efficiency.measured import Line, ModelRow, Rows, SearchRow, read_lines
from harness.efficiency.pricing import ImpossibleClaim
from harness.efficiency.profile_files import read_profile
from harness.efficiency.stacks import Constants, HeldOut, StackForm, StackToFit, stack
from harness.efficiency.validation import bound, errors_by_group, measurements, summarised
from harness.errors import InputError


@dataclass(frozen=True)
class Validated:
    """What a stack file holds once it is finished."""

    name: str
    constants: Constants
    held_out: tuple[HeldOut, ...]
    fitted: bool
    """Whether the constants are of all the measurements, and not from the file."""


def validate(name: str, table: Path) -> Validated:
    """Fit the stack (by name, or a YAML file) if it has no constants, and test it on a table of measured times.

    Each fold fits constants of its own without what it leaves out. Raises `InputError` naming file and line for what is
    broken, `ImpossibleClaim` for a time below the bound.
    """
    is_file = name.endswith((".yaml", ".yml"))
    form: StackForm = read_profile(Path(name), StackToFit) if is_file else stack(name)
    lines = read_lines(table)
    _check_bounds(lines, form)
    rows = tuple(line.row for line in lines)
    groups = _groups(rows)
    given: Constants | None = getattr(form, "constants", None)
    if not groups and given is None:
        raise InputError(
            f"{table} has one model, length or corpus: nothing can be left out to test on",
            hint="Measure a second one, or give constants in the stack's file.",
        )
    data, everything = measurements(rows, form), np.ones(len(rows), bool)
    held_out = [
        summarised(fold, rows, errors_by_group(data, np.array(found), everything, everything))
        for fold, found in groups.items()
    ]
    if given is not None:
        held_out.insert(0, summarised("constants as given", rows, data.relative_errors(given)))
    return Validated(form.name, given or fit(data), tuple(held_out), fitted=given is None)


def as_yaml(found: Validated) -> str:
    """The lines that a stack's file gets from its validation."""
    constants = [f"  {name}: {value:.4g}" for name, value in _known(found.constants).items()]
    folds = [
        f'  - {{fold: "{f.fold}", n: {f.n}, median_error: {f.median_error}, p90_error: {f.p90_error},\n'
        f"     hardware: [{_listed(f.hardware)}], dtypes: [{_listed(f.dtypes)}]}}"
        for f in found.held_out
    ]
    return "\n".join(["constants:", *constants, "held_out:", *folds])


def as_json(found: Validated) -> dict[str, Any]:
    """The same as plain values, under the keys of a stack's file."""
    return {
        "name": found.name,
        "constants": _known(found.constants),
        "held_out": [fold.model_dump(mode="json") for fold in found.held_out],
    }


def _groups(rows: Rows) -> dict[str, list[str]]:
    """What can be left out: name of the fold, and the group of each row [rows]."""
    groups = {
        "leave one model out": [row.model for row in rows if isinstance(row, ModelRow)],
        "leave one length out": [str(row.prompt_tokens) for row in rows if isinstance(row, ModelRow)],
        "leave one corpus out": [row.corpus for row in rows if isinstance(row, SearchRow)],
    }
    return {name: found for name, found in groups.items() if len(set(found)) > 1}


def _check_bounds(lines: tuple[Line, ...], form: StackForm) -> None:
    for line in lines:
        least = bound(line.row, form)
        if line.row.seconds < least:
            raise ImpossibleClaim(
                f"{line.where}: {line.row.seconds:.3g} s is less than the {least:.3g} s that are possible on "
                f"{line.row.hardware}",
                hint="Check seconds (not milliseconds), batch, tokens, dtype and the hardware profile.",
            )


def _known(constants: Constants) -> dict[str, float]:
    return constants.model_dump(exclude_none=True)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
