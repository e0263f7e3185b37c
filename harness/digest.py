"""Digests of content: what a file holds, and what several digests say together."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.errors import DataError


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a file, read in blocks. Raises `DataError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def combined_digest(**parts: str) -> str:
    """sha256 over named parts in the given order; no two different sets of parts share one."""
    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(f"{name} {len(part)}\n{part}\n".encode())
    return digest.hexdigest()
