"""Names to task families and model kinds, found through the entry points of installed distributions.

A third party registers the same way as we do, under `equal_footing.tasks` (an object that is a `Family`) or
`equal_footing.models` (a class that is a `ModelKind`). Only what is asked for is imported.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

from harness.config import ModelKind
from harness.contract import Family, Suite, Task
from harness.errors import InputError, UnknownName

_TASKS, _MODELS = "equal_footing.tasks", "equal_footing.models"
_EXPECTED = {_TASKS: ("name", "tasks", "open"), _MODELS: ("kind", "version", "runs_code", "Config")}


def families() -> dict[str, Family]:
    """Every task family that loads, by name; `problems` tells of the others."""
    return _load_all(_TASKS)[0]


def tasks() -> list[Task]:
    """Every task of every family that loads."""
    return [task for family in families().values() for task in family.tasks()]


def task(name: str) -> Task:
    """A task by name (`beir/scifact`), or a user's own data by family and path (`beir:path/to/folder`).

    Raises `UnknownName`, `InputError` if the family cannot be loaded, and what `Family.open` raises.
    """
    family_name, separator, rest = _parts(name)
    registered = _registered(_TASKS)
    if family_name in registered:
        family: Family = _load(_TASKS, family_name, registered[family_name])
        if separator == ":" and not rest:
            raise InputError(f"{name!r} names no path", hint=f"Such as {family_name}:path/to/folder.")
        if separator == ":":
            return family.open(Path.home() / rest[2:] if rest.startswith("~/") else Path(rest))
        for candidate in family.tasks():
            if candidate.card.name == name:
                return candidate
    if separator == ":":
        raise UnknownName("task", name, [f"{known}:{rest}" for known in registered])
    raise unknown_task(name)


def suites() -> list[Suite]:
    """Every suite of every family that loads."""
    return [suite for family in families().values() for suite in _suites(family)]


def suite(name: str) -> Suite:
    """A suite by name, such as `beir/18`. Raises `UnknownName`, and `InputError` if its family cannot be loaded."""
    if (found := find_suite(name)) is None:
        raise UnknownName("suite", name, [known.name for known in suites()])
    return found


def find_suite(name: str) -> Suite | None:
    """The suite of this name, None if there is none. Raises `InputError` if its family cannot be loaded."""
    family_name = _parts(name)[0]
    registered = _registered(_TASKS)
    if family_name not in registered:
        return None
    family: Family = _load(_TASKS, family_name, registered[family_name])
    return next((suite for suite in _suites(family) if suite.name == name), None)


def _suites(family: Family) -> Iterable[Suite]:
    found: Iterable[Suite] = family.suites() if hasattr(family, "suites") else ()
    return found


def unknown_task(name: str, also: Iterable[str] = ()) -> UnknownName:
    """The error for a task that does not exist: the nearest of all tasks, and of other names that would do."""
    known = [*(known.card.name for known in tasks()), *(suite.name for suite in suites()), *also]
    return UnknownName("task", name, known)


def model_kinds() -> dict[str, ModelKind]:
    """Every model kind that loads, by name; `problems` tells of the others."""
    return _load_all(_MODELS)[0]


def model_kind(name: str) -> ModelKind:
    """The class behind `kind: name`. Raises `UnknownName`, and `InputError` if it cannot be loaded."""
    registered = _registered(_MODELS)
    if name not in registered:
        raise UnknownName("model", name, registered)
    kind: ModelKind = _load(_MODELS, name, registered[name])
    return kind


def model_kind_names() -> list[str]:
    """The names that a `kind:` can have, without loading any."""
    return sorted(_registered(_MODELS))


def problems() -> list[str]:
    """A sentence for each registered family or kind that cannot be used."""
    return [problem for group in (_TASKS, _MODELS) for problem in _load_all(group)[1]]


def _parts(name: str) -> tuple[str, str, str]:
    family, *rest = re.split(r"([/:])", name, maxsplit=1)
    return (family, rest[0], rest[1]) if rest else (family, "", "")


def _registered(group: str) -> dict[str, list[EntryPoint]]:
    found = defaultdict(list)
    for entry in _entry_points(group, tuple(sys.path)):
        found[entry.name].append(entry)
    return dict(sorted(found.items()))


@lru_cache(maxsize=2)
def _entry_points(group: str, path: tuple[str, ...]) -> EntryPoints:
    """Those of the distributions on `sys.path`, whose many small files are read once."""
    return entry_points(group=group)


def _load_all(group: str) -> tuple[dict[str, Any], list[str]]:
    loaded, failures = {}, []
    for name, entries in _registered(group).items():
        try:
            loaded[name] = _load(group, name, entries)
        except InputError as error:
            failures.append(error.message)
    return loaded, failures


def _load(group: str, name: str, entries: list[EntryPoint]) -> Any:
    if len(entries) > 1:
        raise InputError(
            f"{name!r} is registered under {group} by {_origins(entries)}",
            hint="Uninstall all but one of them.",
        )
    (entry,) = entries
    try:
        found = entry.load()
    # A stranger's module may raise anything, sys.exit included, when it is imported.
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{name!r} of {_origins(entries)} cannot be loaded: {reason}",
            hint=f"Repair or uninstall {_origins(entries)}.",
        ) from error
    if missing := [attribute for attribute in _EXPECTED[group] if not hasattr(found, attribute)]:
        raise InputError(
            f"{name!r} of {_origins(entries)} is {entry.value}, which has no {', '.join(missing)}",
            hint="docs/ says what a task family and a model kind are made of.",
        )
    return found


def _origins(entries: Iterable[EntryPoint]) -> str:
    return " and ".join(entry.dist.name if entry.dist else entry.value for entry in entries)
