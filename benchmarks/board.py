"""How long the board takes with many results: `harness serve`, headless Chromium, and a database of generated rows.

    python benchmarks/board.py [--results 100000] [--submissions 480] [--db kept.db] [--only-task beir/scifact]

Fills a database by the law of `board_rows.py`, adds a run with a million examples, serves it, and measures: the landing
page and a board of each family, first and later visits; other hardware, a filter and a sorted table; the page of the
long run and what comes over the socket; and the board while eight processes write. Wall seconds from the request or the
click until the table is drawn and the script has ended, and beside them the processor seconds of the server. `slowdown`
is how many times longer than its processor time a loop of Python took before and after: what to divide a wall by on a
machine with other work. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from board_rows import LONG_RUN, add_finished_run, add_long_run, fill
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import update

from harness.store import open_database
from harness.store.schema import RunRow, now

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_BOARDS = {
    "beir": "beir/scifact",
    "codesearchnet": "codesearchnet/stdlib",
    "flowlearn": "flowlearn/generated/num-nodes",
    "lra": "lra/listops",
    "needle": "needle/single/100",
    "nids": "nids/simulated",
}
_WATCH = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  window.ran = false;
  new MutationObserver(() => { if (app.dataset.testScriptState === 'running') window.ran = true; })
    .observe(app, {attributes: true});
}"""
_ENDED = "() => window.ran && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
_IDLE = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--submissions", type=int, default=480)
    parser.add_argument("--only-task", default="", help="All results on this task, and only its board is measured.")
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--db", type=Path, help="Keep the database here, or use the one that is there.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.db or Path(folder) / "results.db"
        found: dict[str, Any] = {"results": arguments.results, "submissions": arguments.submissions}
        if not path.exists():
            begun = time.process_time()
            database = open_database(str(path), create=True)
            fill(database, arguments.results, arguments.submissions, only_task=arguments.only_task)
            if not arguments.only_task:
                add_long_run(database, 1_000_000)
            database.close()
            found["fill_cpu_seconds"] = round(time.process_time() - begun, 1)
        found["slowdown_before"] = slowdown()
        with sync_playwright() as driver, served(path) as (address, server):
            browser = driver.chromium.launch(executable_path=_chromium(), args=_FLAGS)
            measured = Measured(browser, address, server, arguments.visits)
            if arguments.only_task:
                found["board"] = measured.visits(f"/board?task={arguments.only_task}")
            else:
                found |= measured.everything(path)
            browser.close()
        found["slowdown_after"] = slowdown()
        print(json.dumps(found, indent=2))


class Measured:
    """A served board in a browser; each number is (wall seconds, processor seconds of the server)."""

    def __init__(self, browser: Browser, address: str, server: psutil.Process, visits: int) -> None:
        self._browser, self._address, self._server, self._visits = browser, address, server, visits

    def everything(self, path: Path) -> dict[str, Any]:
        parts: dict[str, Callable[[], Any]] = {"landing": lambda: self.visits("/")}
        parts |= {f"board {family}": partial(self.visits, f"/board?task={task}") for family, task in _BOARDS.items()}
        parts["interactions"] = self.interactions
        parts["long_run"] = lambda: self.visits(f"/run?run={LONG_RUN}")
        parts["eight_writers"] = lambda: self.while_others_write(path)
        found = {}
        for name, measure in parts.items():
            found[name] = measure()
            print(name, found[name], file=sys.stderr, flush=True)
        return found

    def visits(self, where: str) -> dict[str, Any]:
        """The first visit, the median of later ones in fresh browser contexts, and the bytes over the socket."""
        first, *later = [self._visit(where) for _ in range(1 + self._visits)]
        median = [round(statistics.median(column), 2) for column in zip(*later, strict=True)]
        return {"first": first[:2], "later": median[:2], "socket_bytes": first[2]}

    def interactions(self) -> dict[str, Any]:
        page, _ = self._open("/")
        choose = page.get_by_test_id("stSelectbox").filter(has_text="Reference hardware").locator("input")

        def other_hardware() -> None:
            choose.fill("H100-SXM")
            choose.press("Enter")

        def filtered() -> None:
            words.fill("dense")
            words.press("Enter")

        found = {"hardware": self._interaction(page, other_hardware)}
        page.get_by_role("button", name="Filters").click()
        words = page.get_by_label("Words in name, kind, settings or marks")
        found["filter"] = self._interaction(page, filtered)
        page.keyboard.press("Escape")
        found["sort"] = [_sorted(page), 0.0]
        page.context.close()
        return found

    def while_others_write(self, path: Path) -> dict[str, Any]:
        """Six visits while eight processes commit, and how long after its commit a new run is on the board."""
        stop = multiprocessing.Event()
        writers = [multiprocessing.Process(target=_write, args=(str(path), n, stop)) for n in range(8)]
        for writer in writers:
            writer.start()
        try:
            walls = [self._visit(f"/board?task={_BOARDS['lra']}" if n % 2 else "/")[0] for n in range(6)]
            name = f"generated just now {now():%H%M%S}"
            database = open_database(str(path), create=False)
            add_finished_run(database, _BOARDS["lra"], name)
            database.close()
            committed = time.perf_counter()
            page, _ = self._open(f"/board?task={_BOARDS['lra']}")
            page.get_by_test_id("stDataFrame").locator("canvas td", has_text=name).first.wait_for(state="attached")
            seen = time.perf_counter() - committed
            page.context.close()
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        return {"walls": walls, "exceptions": 0, "new_row_seen_after_seconds": round(seen, 2)}

    def _visit(self, where: str) -> tuple[float, float, int]:
        before, begun = cpu_seconds(self._server), time.perf_counter()
        page, received = self._open(where)
        spent = time.perf_counter() - begun, cpu_seconds(self._server) - before
        page.context.close()
        return round(spent[0], 2), round(spent[1], 2), sum(received)

    def _open(self, where: str) -> tuple[Page, list[int]]:
        """A page whose table is drawn and whose script has ended, and the sizes of the frames that it got."""
        page = self._browser.new_context(viewport={"width": 1300, "height": 1400}).new_page()
        page.set_default_timeout(200_000)
        received: list[int] = []
        page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: received.append(len(frame))))
        page.goto(self._address + where)
        page.get_by_test_id("stDataFrame").locator("canvas").first.wait_for()
        page.wait_for_function(_IDLE)
        assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.text_content()
        return page, received

    def _interaction(self, page: Page, act: Callable[[], None]) -> list[float]:
        page.evaluate(_WATCH)
        before, begun = cpu_seconds(self._server), time.perf_counter()
        act()
        page.wait_for_function(_ENDED)
        spent = [time.perf_counter() - begun, cpu_seconds(self._server) - before]
        assert page.get_by_test_id("stException").count() == 0
        return [round(number, 2) for number in spent]


def _sorted(page: Page) -> float:
    """Seconds from the click on a column's head until another row comes first; the browser does it alone."""
    table = page.get_by_test_id("stDataFrame").first
    cell = table.locator("canvas tbody tr").first
    first = cell.text_content()
    canvas = table.locator("canvas").first
    begun = time.perf_counter()
    for _ in range(2):  # upwards, then downwards: the best may stand first already
        canvas.click(position={"x": 330, "y": 18}, force=True)
        page.wait_for_timeout(50)
        if cell.text_content() != first:
            break
    return round(time.perf_counter() - begun, 2)


def _write(path: str, number: int, stop: Any) -> None:
    """Heartbeats of a run under way, as fast as the database takes them."""
    database = open_database(path, create=False)
    while not stop.is_set():
        with database.writing() as session:
            session.execute(update(RunRow).where(RunRow.id == 1 + number).values(heartbeat=now()))
        time.sleep(0.02)
    database.close()


def slowdown() -> float:
    """How many times longer than its processor time a loop takes here and now."""
    wall, spent = time.perf_counter(), time.process_time()
    sum(range(20_000_000))
    return round((time.perf_counter() - wall) / (time.process_time() - spent), 1)


def cpu_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def served(path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The board of a database: its address, and the process that serves it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "harness.cli", "serve", "--db", str(path), "--port", str(port)]
    server = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address, psutil.Process(server.pid)
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
