"""Files that are there whole or not at all, even if the machine stops in the middle."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RunFailed


@contextmanager
def written_whole(path: Path, *, hint: str = "") -> Iterator[Path]:
    """A place to write a file to, which becomes `path` at the end of the block, on disk; nothing stays if it fails.

    Raises `RunFailed` with the hint if it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise RunFailed(f"cannot write {path}: {error.strerror}", hint=hint) from error
    finally:
        unfinished.unlink(missing_ok=True)
