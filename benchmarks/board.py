"""How long the landing page takes with many results: `harness serve` and a headless Chromium, cold and warm.

    python benchmarks/board.py [--runs 16000] [--tasks 20] [--visits 5] [--db kept.db]

Fills a database with generated rows (each submission once on each task, all labelled generated), starts the server
anew, and opens the board. Cold: the server's first visitor. Warm: the median of later ones, each in a fresh browser
context. Wall seconds until the table and the chart are drawn, and the processor seconds of the server. Predictions
and per-example scores, which this page does not read, are left out. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import insert

from harness.efficiency.search_work import candidate, posting
from harness.efficiency.work import Stage, Tally, Work
from harness.metrics.ranking import DESCRIPTIONS
from harness.store import Database, open_database
from harness.store.payload import pack
from harness.store.schema import CostRow, LedgerRow, RunRow, ScoreRow, SubmissionRow, TaskRow, WorkRow, now

QUERIES = 300
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=16_000)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--db", type=Path, help="Keep the database here, or use the one that is there.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.db or Path(folder) / "results.db"
        if not path.exists():
            fill(open_database(str(path), create=True), arguments.runs // arguments.tasks, arguments.tasks)
        print(
            json.dumps({"runs": arguments.runs, "tasks": arguments.tasks, **measure(path, arguments.visits)}, indent=2)
        )


def measure(path: Path, visits: int) -> dict[str, Any]:
    """Seconds of the first visit and of later ones."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver, served(path) as (address, server):
        browser = driver.chromium.launch(executable_path=chromium, args=_FLAGS)
        cold = visit(browser, address, server)
        warm = [visit(browser, address, server) for _ in range(visits)]
        browser.close()
    return {
        "cold_wall_seconds": cold[0],
        "cold_server_cpu_seconds": cold[1],
        "warm_wall_seconds": round(statistics.median(wall for wall, _ in warm), 2),
        "warm_server_cpu_seconds": round(statistics.median(cpu for _, cpu in warm), 2),
    }


def visit(browser: Browser, address: str, server: psutil.Process) -> tuple[float, float]:
    """Wall seconds until the page is drawn, and the server's processor seconds for it."""
    context = browser.new_context(viewport={"width": 1300, "height": 1400})
    context.set_default_timeout(300_000)
    page = context.new_page()
    before, begun = cpu_seconds(server), time.perf_counter()
    page.goto(address)
    page.get_by_test_id("stDataFrame").locator("canvas").first.wait_for()
    page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first.wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    spent = time.perf_counter() - begun, cpu_seconds(server) - before
    context.close()
    return round(spent[0], 2), round(spent[1], 2)


def cpu_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


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


def fill(database: Database, submissions: int, tasks: int) -> None:
    """Generated rows: every submission on every task, with six scores, two costs and a counted work each."""
    random = np.random.Generator(np.random.PCG64(0))
    work = Work((Stage("search", device="host", each={"postings": posting(), "documents": candidate()}),))
    ids = [(s, t) for t in range(1, tasks + 1) for s in range(1, submissions + 1)]
    with database.writing() as session:
        session.execute(insert(LedgerRow), [{"digest": work.digest, "payload": pack(work.stages)}])
        session.execute(insert(SubmissionRow), [_submission(s) for s in range(1, submissions + 1)])
        session.execute(insert(TaskRow), [_task(t) for t in range(1, tasks + 1)])
        session.execute(insert(RunRow), [_run(i, s, t) for i, (s, t) in enumerate(ids, start=1)])
        scores, costs, works = [], [], []
        for run in range(1, len(ids) + 1):
            scores += _scores(run, random.random(len(DESCRIPTIONS)))
            costs += _costs(run, random.random(2))
            tally = Tally("search", QUERIES, postings=int(random.integers(10**5, 10**7)), documents=10**5)
            works.append(
                {"run_id": run, "ledger_digest": work.digest, "served": pack([tally]), "preparing": pack([])}
                | {"observed_n": 10, "observed_examples": 8, "observed_clock": "process CPU", "note": ""}
                | {f"observed_{which}_seconds": 0.001 for which in ("min", "median", "max")}
            )
        session.execute(insert(ScoreRow), scores)
        session.execute(insert(CostRow), costs)
        session.execute(insert(WorkRow), works)
    database.close()


def _submission(number: int) -> dict[str, Any]:
    config = {"name": f"generated {number:05}", "model": {"kind": "bm25", "k1": 0.9, "b": number / 1e5}}
    return {"id": number, "digest": f"{number:064}", "name": config["name"], "kind": "bm25", "config": config}


def _task(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"generated/{number:03}",
        "family": "generated",
        "protocol": "beir-1",
        "digest": f"{number:064}",
        "primary_metric": "nDCG@10",
        "generated": True,
        "description": "Generated rows, to time the board with.",
        "facts": {"documents": 5183, "queries": QUERIES},
        "examples": QUERIES,
    }


def _run(number: int, submission: int, task: int) -> dict[str, Any]:
    return {
        "id": number,
        "key": f"{number:012x}",
        "submission_id": submission,
        "task_id": task,
        "seed": 0,
        "example_limit": 0,
        "examples": QUERIES,
        "state": "done",
        "created": now() - timedelta(seconds=number),
        "environment": {"processor": "generated"},
        "prepared": {},
        "coverage": 1.0,
        "index_ram_bytes": 8_000_000,
        "peak_rss_bytes": 80_000_000,
    }


def _scores(run: int, values: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"run_id": run, "metric": name, "position": place, "value": value, "ci_low": value - 0.04, "n": QUERIES}
        | {"ci_high": value + 0.04, "higher_is_better": True, "description": text}
        for place, ((name, text), value) in enumerate(zip(DESCRIPTIONS.items(), values.tolist(), strict=True))
    ]


def _costs(run: int, seconds: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"run_id": run, "phase": phase, "basis": "observed", "hardware": "generated", "cached": False}
        | {"cpu_seconds": spent, "wall_seconds": spent}
        for phase, spent in zip(("prepare", "predict"), seconds.tolist(), strict=True)
    ]


if __name__ == "__main__":
    main()
