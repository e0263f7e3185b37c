"""Traced ledgers on disk: a trace imports torch and takes a second, and its result never changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import msgspec

Value = TypeVar("Value")

_COUNTED_BY = ("torch", "transformers")


def remembered(folder: Path, key: Mapping[str, Any], make: Callable[[], Value], kind: Any) -> Value:
    """The value that `make` gave for this key before, else gives now; `kind` is its type, for msgspec.

    The key is completed by our own code and the versions of the packages that run the model. A cache that cannot be
    read or written is as good as none.
    """
    whole = {**key, "code": _code_digest(), "versions": {name: metadata.version(name) for name in _COUNTED_BY}}
    name = hashlib.sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()
    path = folder / "ledgers" / f"{name}.msgpack"
    with suppress(OSError, msgspec.DecodeError):
        value: Value = msgspec.msgpack.decode(path.read_bytes(), type=kind)
        return value
    made = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_bytes(msgspec.msgpack.encode(made))
        unfinished.replace(path)
    return made


@cache
def _code_digest() -> str:
    """sha256 over the files that count."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
