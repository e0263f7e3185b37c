"""What only one family's pages show: a module NAME.py here serves the tasks of the family NAME.

Each part is optional. `show_task(database, version, found)` draws below the table of a task: `version` is its row of
`harness.store.read.task_versions`, `found` its runs. `show_suite(database, suite)` draws below the averages of a suite
(`harness.contract.Suite`). `show_example(view)` draws an example of a run (`harness.store.read_examples.ExampleView`)
below its question, and returns True if that says all there is to say of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.contract import Suite
from harness.store import Database
from leaderboard.rows import Entry

if TYPE_CHECKING:
    from harness.store.read_examples import ExampleView


def show_task(database: Database, version: Mapping[str, Any], found: Sequence[Entry]) -> None:
    """The family's part of a task's page."""
    if show := _part(version["family"], "show_task"):
        show(database, version, found)


def show_suite(database: Database, suite: Suite) -> None:
    """The family's part of a suite's page."""
    if show := _part(suite.name.partition("/")[0], "show_suite"):
        show(database, suite)


def show_example(family: str, view: ExampleView) -> bool:
    """The family's part of an example; True if nothing has to follow."""
    show = _part(family, "show_example")
    return bool(show(view)) if show else False


def _part(family: str, name: str) -> Any:
    """Stored family names are strangers' text: only a plain word can be a module here."""
    module = f"{__name__}.{family}"
    if not family.isidentifier() or family.startswith("_") or find_spec(module) is None:
        return None
    return getattr(import_module(module), name, None)
