"""`harness serve` on a database, and a tab of a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served(database: Path) -> Iterator[str]:
    """`harness serve` on a database; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "harness.cli", "serve", "--db", str(database), "--port", str(port)]
    server = subprocess.Popen(command, cwd=database.parent, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/_stcore/health", server)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=30)


@contextmanager
def chromium() -> Iterator[Any]:
    """A real Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs a Chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


def tab_of(browser: Any, width: int = 1300, theme: str = "light") -> Any:
    """A tab of its own, without anything that another one remembers."""
    tab = browser.new_page(viewport={"width": width, "height": 1400}, color_scheme=theme, accept_downloads=True)
    tab.set_default_timeout(60_000)
    return tab


def tick_row(table: Any, row: int) -> None:
    """Tick the box before a row."""
    # The table is a canvas under a scroller, so the box to tick is found by place.
    canvas = table.locator("canvas").first
    canvas.wait_for()
    canvas.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")  # not under the page's sticky top
    canvas.click(position={"x": 16, "y": 50 + 33 * row}, force=True)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "harness serve has ended"
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("harness serve did not answer in a minute")
