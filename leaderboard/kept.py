"""What pages have read and worked out, kept for all readers while the results stay as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar, cast

from harness.store import Database, read

T = TypeVar("T")

_MOST = 60
_lock = Lock()
_kept: OrderedDict[Hashable, Future[Any]] = OrderedDict()
_revisions: dict[str, tuple[object, Hashable]] = {}
"""Of each database the last one, and the stamp of the file that it was read under."""


def revision(database: Database) -> Hashable:
    """Another one whenever a page would show something else: see `harness.store.read.revision`."""
    name, stamp = database.engine.url.render_as_string(), database.stamp()
    before = _revisions.get(name)
    if before is None or stamp is None or before[0] != stamp:
        before = stamp, (name, stamp and stamp[1], read.revision(database))
        _revisions[name] = before
    return before[1]


def once(key: Hashable, make: Callable[[], T]) -> T:
    """What was made for this key, or is made now; shared by all readers, so to be read only.

    Who asks while another reader's is being made waits for it. An error is raised for all of them, and not kept.
    """
    with _lock:
        found = _kept.get(key)
        mine = found is None
        if found is None:
            found = _kept[key] = Future()
            while len(_kept) > _MOST:
                _kept.popitem(last=False)
        else:
            _kept.move_to_end(key)
    if mine:
        try:
            found.set_result(make())
        except BaseException as error:  # also a reader who left
            with _lock:
                _kept.pop(key, None)
            found.set_exception(error)
            raise
    return cast(T, found.result())


def tasks(database: Database) -> list[dict[str, Any]]:
    """The tasks that have runs, as in `harness.store.read.tasks`."""
    return once((revision(database), "tasks"), lambda: read.tasks(database))
