"""The loop, on three shapes of task that a third party brought through the entry points."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from harness import registry
from harness.contract import Places, Prompt
from harness.executor import Limits, LocalExecutor, Worker
from harness.loop import Outcome, Settings, evaluate
from harness.metrics.hubness import hubness
from harness.store import Database, open_database, read, read_examples
from harness.submission import load
from harness.wire import Message

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the third party's distribution for this process and its workers."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(str(tmp_path / "results.db"), create=True)
    yield opened
    opened.close()


@dataclass
class Tapped:
    """A real executor that keeps a copy of all that its workers are sent."""

    sent: bytearray = field(default_factory=bytearray)

    def start(self, limits: Limits) -> Worker:
        worker = LocalExecutor().start(limits)
        send = worker.send

        def tapped(message: Message) -> None:
            self.sent += msgspec.msgpack.encode(message)
            send(message)

        worker.send = tapped  # type: ignore[method-assign]
        return worker


@dataclass
class Heard:
    """A reporter that keeps what it was told."""

    told: list[tuple[str, int, int, str]] = field(default_factory=list)

    def progress(self, phase: str, done: int, total: int, unit: str) -> None:
        self.told.append((phase, done, total, unit))


def run(
    database: Database,
    places: Places,
    folder: Path,
    kind: str,
    task: str,
    *,
    executor: Any = None,
    content: str = "",
    **settings: Any,
) -> Outcome:
    file = folder / f"{kind}.yaml"
    file.write_text(content or f"name: {kind}\nmodel: {{kind: {kind}}}\n")
    found = registry.task(task)
    return evaluate(
        load(file),
        found,
        found.load(places),
        database=database,
        executor=executor or LocalExecutor(),
        places=places,
        settings=Settings(**settings),
        reporter=Heard(),
    )


def scores(database: Database, outcome: Outcome) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in read.results_of(database, outcome.run)}


def test_retrieval_ranks_and_is_scored(database: Database, places: Places, tmp_path: Path) -> None:
    outcome = run(database, places, tmp_path, "overlap", "books/five")
    assert outcome.state == "done"
    assert scores(database, outcome)["nDCG@10"] == pytest.approx(1.0)
    seen = read_examples.example(database, outcome.run, "q1")
    assert seen.text == "the white whale"
    assert seen.gold == {"moby": 1}
    assert seen.prediction is not None and seen.prediction.output.ids[0] == "moby"
    assert seen.prediction.usage[0].documents == 5
    assert read_examples.titles(database, outcome.run, ["moby"]) == {"moby": "Moby-Dick"}


def test_stages_run_in_one_worker_and_are_kept_as_written(database: Database, places: Places, tmp_path: Path) -> None:
    """A third party's retriever and one of ours, fused: settings, names of stages and facts are stored."""
    stages = "stages:\n  - kind: bm25\n  - kind: overlap\n  - kind: fuse\n"
    outcome = run(database, places, tmp_path, "fused", "books/five", content=f"name: fused\n{stages}")
    assert outcome.state == "done"
    assert scores(database, outcome)["nDCG@10"] == pytest.approx(1.0)
    (row,) = read.runs(database, key=outcome.run)
    assert row["kind"] == "pipeline"
    assert [stage["kind"] for stage in row["settings"]["stages"]] == ["bm25", "overlap", "fuse"]
    usage = read_examples.example(database, outcome.run, "q1").prediction.usage  # type: ignore[union-attr]
    assert [each.stage for each in usage] == ["bm25/search", "overlap", "fuse"]
    detail = read.run(database, outcome.run)
    assert detail.prepared["bm25/documents"] == 5
    assert "hubness@10" not in detail.prepared, "all five documents are among the first ten of every query"
    again = run(database, places, tmp_path, "fused", "books/five", content=f"# a comment\nname: fused\n{stages}")
    assert again.state == "unchanged"


def test_hubness_of_the_rankings_is_kept_beside_the_facts(database: Database, places: Places, tmp_path: Path) -> None:
    outcome = run(database, places, tmp_path, "bm25", "books/five")
    facts = read.run(database, outcome.run).prepared
    assert facts["documents"] == 5
    found = [read_examples.example(database, outcome.run, f"q{n}").prediction for n in (1, 2, 3)]
    rankings = [prediction.output for prediction in found if prediction]
    assert facts["hubness@10"] == pytest.approx(hubness(rankings, 5))  # type: ignore[arg-type]


def test_classifier_trains_in_prepare(database: Database, places: Places, tmp_path: Path) -> None:
    outcome = run(database, places, tmp_path, "logistic", "majority/nine")
    assert outcome.state == "done"
    assert scores(database, outcome)["accuracy"] > 0.9
    assert read.run(database, outcome.run).prepared == {"steps": 200, "resumed_at_step": 0}


def test_generation_sees_the_images(database: Database, places: Places, tmp_path: Path) -> None:
    outcome = run(database, places, tmp_path, "eye", "colours/squares")
    assert outcome.state == "done"
    assert scores(database, outcome) == {"exact_match": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("kind", "task", "labels"),
    [
        ("logistic", "majority/nine", [b"answer"]),
        ("eye", "colours/squares", [b"vermilion", b"viridian", b"cerulean"]),
    ],
)
def test_test_labels_never_reach_the_worker(
    database: Database, places: Places, tmp_path: Path, kind: str, task: str, labels: list[bytes]
) -> None:
    executor = Tapped()
    run(database, places, tmp_path, kind, task, executor=executor)
    assert b"square-0" in executor.sent or b"2-0" in executor.sent
    assert not [label for label in labels if label in executor.sent]


def test_worker_gets_no_relevance_judgement(database: Database, places: Places, tmp_path: Path) -> None:
    executor = Tapped()
    run(database, places, tmp_path, "overlap", "books/five", executor=executor)
    assert b"the white whale" in executor.sent
    assert b"moby" not in executor.sent, "not even the id of the right answer"


def test_finished_work_is_not_done_again(database: Database, places: Places, tmp_path: Path) -> None:
    first = run(database, places, tmp_path, "overlap", "books/five")
    executor = Tapped()
    again = run(database, places, tmp_path, "overlap", "books/five", executor=executor)
    assert (again.state, again.run) == ("unchanged", first.run)
    assert not executor.sent


def test_another_seed_limit_or_rerun_is_another_run(database: Database, places: Places, tmp_path: Path) -> None:
    keys = {
        run(database, places, tmp_path, "overlap", "books/five", **settings).run
        for settings in ({}, {"seed": 1}, {"limit": 2}, {"rerun": True})
    }
    assert len(keys) == 4
    assert len(read.runs(database)) == 4


def test_limit_scores_only_the_first_examples(database: Database, places: Places, tmp_path: Path) -> None:
    run(database, places, tmp_path, "overlap", "books/five", limit=2)
    (row,) = read.runs(database)
    assert (row["n"], row["task_examples"], row["coverage"]) == (2, 3, 1.0)


def test_batches_are_recorded_as_they_come(database: Database, places: Places, tmp_path: Path) -> None:
    reporter = Heard()
    file = tmp_path / "overlap.yaml"
    file.write_text("name: overlap\nmodel: {kind: overlap, batch_size: 2}\n")
    evaluate(
        load(file),
        registry.task("books/five"),
        registry.task("books/five").load(places),
        database=database,
        executor=LocalExecutor(),
        places=places,
        settings=Settings(),
        reporter=reporter,
    )
    assert [(done, total) for phase, done, total, _ in reporter.told if phase == "predict"] == [(0, 3), (2, 3), (3, 3)]


def test_training_killed_midway_resumes_to_the_same_result(places: Places, tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text("name: slow\nmodel: {kind: logistic, steps: 60, seconds_per_step: 0.02}\n")
    undisturbed = command(tmp_path, "calm.db", file, places)
    assert undisturbed.wait(timeout=60) == 0
    disturbed = command(tmp_path, "storm.db", file, places, cache="other")
    checkpoint = wait_for(lambda: next((tmp_path / "other").glob("runs/*/weights.npz"), None))
    wait_for(lambda: step_of(checkpoint) >= 5)
    workers = psutil.Process(disturbed.pid).children(recursive=True)
    disturbed.send_signal(signal.SIGKILL)
    disturbed.wait(timeout=10)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive, "a worker dies with its parent"
    assert step_of(checkpoint) < 60
    assert command(tmp_path, "storm.db", file, places, cache="other").wait(timeout=60) == 0

    calm, storm = (open_database(str(tmp_path / name), create=False) for name in ("calm.db", "storm.db"))
    (calm_run,), (storm_run,) = read.runs(calm), read.runs(storm)
    assert read.run(storm, storm_run["run"]).prepared["resumed_at_step"] >= 5
    assert storm_run["prepare_cached"] and not calm_run["prepare_cached"]
    assert storm_run["prepare_wall_seconds"] >= 60 * 0.02, "training is charged in full, over both attempts"
    for row_calm, row_storm in zip(read.results(calm), read.results(storm), strict=True):
        same = ("metric", "value", "ci_low", "ci_high", "n", "coverage")
        assert [row_calm[key] for key in same] == [row_storm[key] for key in same]
    assert [attempt.state for attempt in read.run(storm, storm_run["run"]).attempts] == ["killed", "done"]


def command(folder: Path, db: str, file: Path, places: Places, cache: str = "cache") -> subprocess.Popen[bytes]:
    arguments = ["eval", str(file), "--task", "majority/nine", "--db", db]
    env = os.environ | {"HARNESS_CACHE": str(folder / cache)}
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def step_of(checkpoint: Path) -> int:
    import numpy as np

    return int(np.load(checkpoint)["step"])


def wait_for(condition: Any, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("what the test waits for did not happen")


def test_prompts_and_images_survive_the_wire() -> None:
    from harness.contract import Example, Image
    from harness.wire import Predict

    example = Example("e", Prompt("look", (Image("/a.png", "0" * 64),)))
    sent = msgspec.msgpack.encode(Predict([example]))
    assert json.loads(msgspec.json.encode(msgspec.msgpack.decode(sent)))["examples"][0]["input"]["text"] == "look"
    assert msgspec.msgpack.decode(sent, type=Predict).examples == [example]
