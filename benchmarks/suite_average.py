"""What it takes to average a suite over stored results: BEIR's 18 collections with their numbers of queries.

    python benchmarks/suite_average.py [--submissions 50]

Fills a database with a run of each submission on each of the 29 tasks (random scores), then asks for the averages
twice: afresh, and with the draws of the first time kept, as the leaderboard keeps them. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from harness import meter
from harness.contract import Suite
from harness.metrics.ranking import NAMES
from harness.registry import suite as find_suite
from harness.store import Database, open_database
from harness.store.payload import pack_floats
from harness.store.schema import RunRow, ScoreColumnRow, ScoreRow, SubmissionRow, TaskRow
from harness.suite import Drawn, suite_rows
from tasks.beir.catalogue import COLLECTIONS

QUERIES = {f"beir/{collection.name}": collection.queries for collection in COLLECTIONS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=50)
    arguments = parser.parse_args()
    suite = find_suite("beir/18")
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(str(Path(folder) / "results.db"), create=True)
        fill(database, suite, arguments.submissions)
        kept: Drawn = {}
        report: dict[str, object] = {
            "submissions": arguments.submissions,
            "queries": sum(map(QUERIES.get, suite.tasks())),
        }
        for step in ("afresh", "draws kept"):
            with meter.Stopwatch() as watch:
                rows = suite_rows(database, suite, suite.metrics[0], kept)
            assert len(rows) == arguments.submissions
            report[step] = {
                "cpu_seconds": round(watch.cost.cpu_seconds, 3),
                "wall_seconds": round(watch.cost.wall_seconds, 3),
            }
        report["kept_megabytes"] = round(sum(values.nbytes for values in kept.values()) / 1e6, 1)
        print(json.dumps(report, indent=2))


def fill(database: Database, suite: Suite, submissions: int) -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    with database.writing() as session:
        names = [SubmissionRow(digest=f"{i:064}", name=f"s{i}", kind="bm25", config={}) for i in range(submissions)]
        session.add_all(names)
        for task in suite.tasks():
            row = TaskRow(
                name=task,
                family="beir",
                protocol="beir-1",
                digest=task,
                primary_metric="nDCG@10",
                facts={},
                examples=QUERIES[task],
            )
            session.add(row)
            session.flush()
            for submission in names:
                run = RunRow(
                    key=f"{submission.id}-{row.id}",
                    submission_id=submission.id,
                    task_id=row.id,
                    seed=0,
                    example_limit=0,
                    examples=row.examples,
                    state="done",
                    environment={},
                    prepared={},
                )
                session.add(run)
                session.flush()
                for position, metric in enumerate(NAMES):
                    values = generator.random(row.examples)
                    score = {"value": float(values.mean()), "ci_low": 0.0, "ci_high": 1.0, "n": row.examples}
                    session.add(ScoreRow(run_id=run.id, metric=metric, position=position, **score))
                    session.add(ScoreColumnRow(run_id=run.id, name=metric, payload=pack_floats(values)))


if __name__ == "__main__":
    main()
