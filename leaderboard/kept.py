"""What pages have read and worked out, kept for all readers while the results stay as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar, cast

from harness.store import Database, read

T = TypeVar("T")

_MOST = 40
_lock = Lock()
_kept: OrderedDict[Hashable, Any] = OrderedDict()
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
    """What was made for this key, made now if it was not; shared by all readers, so to be read only."""
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return cast(T, _kept[key])
    made = make()
    with _lock:
        _kept[key] = made
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return made
