"""What `harness eval` adds to a bare script that does the same work: whole processes, interleaved, medians.

    HARNESS_DATA=… python benchmarks/whole_run.py bm25 [--pairs 5]
    HARNESS_DATA=… python benchmarks/whole_run.py dense [--pairs 5] [--documents 1000]

Each pair runs the harness with an empty database and cache, then the bare script; CPU seconds are those of the process
and all its children, as the operating system counts them. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["bm25", "dense"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--documents", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(arguments.case, arguments.pairs, arguments.documents, Path(folder)), indent=2))


def measure(case: str, pairs: int, documents: int, folder: Path) -> dict[str, object]:
    """Medians in CPU seconds, and what the harness costs beside the bare script."""
    task, bare = prepare(case, documents, folder)
    seconds: dict[str, list[float]] = {"harness": [], "again": [], "bare": [], "bm25s": []}
    for pair in range(pairs):
        eval_ = evaluation(case, task, folder / str(pair))
        seconds["harness"].append(cpu_seconds(*eval_))
        seconds["bare"].append(cpu_seconds(bare, {}))
        if case == "bm25":
            seconds["bm25s"].append(cpu_seconds([*bare, "--engine", "bm25s"], {}))
        else:
            seconds["again"].append(cpu_seconds([*eval_[0], "--rerun"], eval_[1]))
    medians = {name: round(statistics.median(values), 3) for name, values in seconds.items() if values}
    report: dict[str, object] = {"case": case, "pairs": pairs, "median_cpu_seconds": medians, "all": seconds}
    report["ratio"] = round(medians["harness"] / medians["bare"], 3)
    if case == "bm25":
        report["beyond_1.3_times_bare"] = round(medians["harness"] - 1.3 * medians["bare"], 3)
    else:
        report["first_over_cached"] = round(medians["harness"] / medians["again"], 1)
    return report


def prepare(case: str, documents: int, folder: Path) -> tuple[str, list[str]]:
    """The task to evaluate on, and the bare script's command."""
    if case == "bm25":
        return "beir/scifact", [sys.executable, str(HERE / "bm25_scifact_bare.py")]
    bare = [sys.executable, str(HERE / "dense_bare.py"), "--documents", str(documents)]
    subset = folder / "subset"
    subprocess.run([*bare, "--subset", str(subset)], check=True, cwd=ROOT)
    return f"beir:{subset}", bare


def evaluation(case: str, task: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """A `harness eval` with nothing from earlier runs to use."""
    folder.mkdir()
    file = ROOT / "submissions" / {"bm25": "bm25.yaml", "dense": "minilm.yaml"}[case]
    command = [sys.executable, "-m", "harness.cli", "eval", str(file), "--task", task, "--db", str(folder / "r.db")]
    return command, {"HARNESS_CACHE": str(folder / "cache")}


def cpu_seconds(command: list[str], env: dict[str, str]) -> float:
    """User and system seconds of a command and its children."""
    before = os.times()
    subprocess.run(
        command, check=True, cwd=ROOT, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = os.times()
    time.sleep(0.2)
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
