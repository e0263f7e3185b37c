"""Start the leaderboard: Streamlit on loopback, without telemetry."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from harness.errors import InputError, StoreError
from harness.store import open_database
from harness.store.claims import expire_lost_runs


def serve(db: str, host: str, port: int) -> NoReturn:
    """Become the leaderboard's server. Raises `InputError` if it cannot start."""
    database = open_database(db, create=True)
    with suppress(StoreError):  # a database that we may only read can be shown all the same
        expire_lost_runs(database)
    database.close()
    _check_free(host, port)
    spec = find_spec("leaderboard")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the leaderboard package is not installed", hint="pip install equal-footing")
    app = Path(spec.submodule_search_locations[0]) / "server.py"
    print(f"Leaderboard of {db} on http://{_shown(host)}:{port} (Ctrl-C stops it)", flush=True)
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": "true",
    }
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(app), *(f"--{k}={v}" for k, v in options.items())]
    where = db if "://" in db else str(Path(db).expanduser().resolve())
    os.execve(sys.executable, command, os.environ | {"HARNESS_DB": where})


def _shown(host: str) -> str:
    if host == "127.0.0.1":
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = f"Try `harness serve --port {port + 1}`." if error.errno == errno.EADDRINUSE else ""
            raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}", hint=hint) from error
