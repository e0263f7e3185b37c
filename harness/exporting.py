"""What `harness export` writes: the boards as a static site."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from harness.efficiency.run_prices import reference
from harness.errors import InputError
from harness.store import open_database


def site(folder: Path, db: str, asked: Mapping[str, str | None]) -> None:
    """Write the boards of a database below a folder."""
    on = reference(**asked)
    database = open_database(db, create=False)
    try:
        leaderboard = import_module("leaderboard.site")
    except ImportError as error:
        raise InputError("the leaderboard package is not installed", hint="pip install equal-footing") from error
    files = leaderboard.export(database, folder, on)
    print(f"{len(files)} files; open {folder / 'index.html'}")
