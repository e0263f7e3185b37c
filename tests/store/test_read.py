"""Reading results: what the command line and the board are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from harness import registry
from harness.contract import Cost, Places, Prediction, Ranking, Workload
from harness.errors import StoreError, UnknownName
from harness.store import Database, open_database, read, read_examples
from harness.store.claims import claim
from harness.store.recorder import Recorder, StoredScore
from harness.store.schema import BlockRow, ExampleBlockRow
from harness.submission import load

NAME = '<script>alert("=1+1")</script>'
PROMISED = {
    "submission",
    "submission_digest",
    "task",
    "protocol",
    "task_digest",
    "run",
    "state",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "coverage",
    "hubness",
    "seed",
    "prepare_cpu_seconds",
    "predict_cpu_seconds",
    "peak_rss_bytes",
    "index_bytes",
    "created",
}


@dataclass
class Library:
    """A database with one finished run of the first twelve queries, and one that failed."""

    database: Database
    workload: Workload
    done: str
    failed: str


def begin(database: Database, folder: Path, workload: Workload, **settings: Any) -> Recorder:
    file = folder / "random.yaml"
    file.write_text(f"name: '{NAME}'\nmodel: {{kind: random}}\n")
    card = registry.task("beir/python-docs").card
    provenance = ("code", {"processor": "x"})
    options: dict[str, Any] = {"seed": 0, "limit": 12, "rerun": False, "provenance": provenance} | settings
    return claim(database, load(file), card, workload, **options).recorder


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    database = open_database(str(tmp_path / "results.db"), create=True)
    workload = registry.task("beir/python-docs").load(Places.default())
    recorder = begin(database, tmp_path, workload)
    recorder.start_attempt("test", {})
    for first in range(0, 12, 5):
        batch = [
            Prediction(e.id, Ranking([f"for {e.id}"], [1.0]))
            for e in workload.examples[first : first + 5][: 12 - first]
        ]
        recorder.add_block(first, batch, Cost())
    recorder.end_attempt("done", "")
    statistics = {name: np.arange(12.0) for name in ("nDCG@10", "AP")}
    scores = [StoredScore(name, 0.5, 0.4, 0.6, 12, True) for name in ("nDCG@10", "AP")]
    recorder.finish(scores, statistics, 1.0, {f"for {workload.examples[0].id}": "A title"})
    failed = begin(database, tmp_path, workload, seed=1)
    failed.start_attempt("test", {})
    failed.end_attempt("failed", "Traceback …", "it broke")
    failed.stop("failed", "it broke", "mend it")
    yield Library(database, workload, recorder.key, failed.key)
    database.close()


def test_rows_have_what_machines_rely_on(library: Library) -> None:
    rows = read.results(library.database)
    assert [(row["run"], row["metric"], row["state"]) for row in rows] == [
        (library.failed, "nDCG@10", "failed"),
        (library.done, "nDCG@10", "done"),
        (library.done, "AP", "done"),
    ]
    for row in rows:
        assert set(row) >= PROMISED
        assert row["submission"] == NAME
    assert rows[0]["value"] is None
    assert [row["higher_is_better"] for row in rows] == [None, True, True]
    assert (rows[0]["reason"], rows[0]["next_step"]) == ("it broke", "mend it")
    assert (rows[1]["n"], rows[1]["task_examples"]) == (12, 200)


def test_task_filter(library: Library) -> None:
    assert len(read.runs(library.database, "beir/python-docs")) == 2
    assert len(read.results(library.database, "beir/python-docs")) == 3
    assert read.results(library.database, "beir/scifact") == []
    assert read.runs(library.database, "beir/scifact") == []
    (task,) = read.tasks(library.database)
    assert (task["name"], task["done"]) == ("beir/python-docs", 1)


def test_metrics_of_a_version_and_the_values_of_one(library: Library) -> None:
    (version,) = read.task_versions(library.database, "beir/python-docs")
    by_metric = {row["metric"]: row for row in read.results_of(library.database, library.done)}
    found = read.metrics(library.database, version)
    assert list(found) == ["nDCG@10", "AP"]
    assert found == {name: row["description"] for name, row in by_metric.items()}
    assert read.metrics(library.database, {**version, "protocol": "another"}) == {}
    assert read.values(library.database, "beir/python-docs", "AP") == {library.done: by_metric["AP"]["value"]}
    assert read.values(library.database, "beir/python-docs", "no such metric") == {}


def test_results_of_one_run(library: Library) -> None:
    assert [row["metric"] for row in read.results_of(library.database, library.done)] == ["nDCG@10", "AP"]
    assert read.results_of(library.database, library.failed) == []
    assert read.results_of(library.database, "no such run") == []


def test_run_detail(library: Library) -> None:
    detail = read.run(library.database, library.failed)
    assert detail.config["name"] == NAME
    assert detail.environment == {"processor": "x"}
    assert [(a.number, a.state, a.reason, a.log) for a in detail.attempts] == [(1, "failed", "it broke", "Traceback …")]
    assert detail.scores == []


def test_unknown_run_suggests_the_nearest(library: Library) -> None:
    near = library.done[:-1] + "x"
    with pytest.raises(UnknownName) as caught:
        read.run(library.database, near)
    assert library.done in caught.value.hint
    for ask in (read_examples.example_scores, lambda database, key: read_examples.example(database, key, "1")):
        with pytest.raises(UnknownName, match="no run 'nothing'"):
            ask(library.database, "nothing")


def test_example_scores_are_aligned_with_the_examples_that_ran(library: Library) -> None:
    ids, statistics = read_examples.example_scores(library.database, library.done)
    assert ids == [example.id for example in library.workload.examples[:12]]
    assert statistics["AP"].tolist() == list(range(12))
    assert read_examples.example_scores(library.database, library.failed) == ([], {})


@pytest.mark.parametrize("index", [0, 4, 5, 11])
def test_example_shows_question_gold_and_answer(library: Library, index: int) -> None:
    asked = library.workload.examples[index]
    view = read_examples.example(library.database, library.done, asked.id)
    assert view.text == asked.input
    assert view.gold == library.workload.scorer.gold(asked.id)
    assert view.prediction == Prediction(asked.id, Ranking([f"for {asked.id}"], [1.0]))


def test_titles_are_those_asked_for_that_are_known(library: Library) -> None:
    titled = f"for {library.workload.examples[0].id}"
    many = [titled, *(f"never ranked {i}" for i in range(3000))]
    assert read_examples.titles(library.database, library.done, many[::-1]) == {titled: "A title"}
    assert read_examples.titles(library.database, library.done, many[1:]) == {}


def test_one_run_can_be_asked_for(library: Library) -> None:
    (done,) = read.runs(library.database, key=library.done)
    assert (done["run"], done["metric"], done["higher_is_better"]) == (library.done, "nDCG@10", True)
    assert done == read.run(library.database, library.done).summary
    (failed,) = read.runs(library.database, key=library.failed)
    assert failed["higher_is_better"] is None
    assert read.runs(library.database, "beir/scifact", key=library.done) == []


def test_an_example_is_shown_though_the_blocks_after_its_own_are_unreadable(library: Library) -> None:
    first = library.workload.examples[0].id
    with library.database.writing() as session:
        task = session.scalar(select(ExampleBlockRow.task_id))
        session.add(ExampleBlockRow(task_id=task, first=10_000, count=1, payload=b"rubbish"))
    assert read_examples.example(library.database, library.done, first).id == first
    assert len(read_examples.example_texts(library.database, library.done)) == 12


def test_example_that_was_not_asked_has_no_answer(library: Library) -> None:
    assert read_examples.example(library.database, library.done, library.workload.examples[12].id).prediction is None
    with pytest.raises(UnknownName, match="no example"):
        read_examples.example(library.database, library.done, "never heard of")


def test_damaged_batch_is_noticed_where_it_is_shown(library: Library) -> None:
    with library.database.writing() as session:
        session.execute(update(BlockRow).where(BlockRow.first == 5).values(payload=b"rubbish"))
    first, damaged = library.workload.examples[0].id, library.workload.examples[5].id
    assert read_examples.example(library.database, library.done, first).prediction is not None
    with pytest.raises(StoreError, match="damaged"):
        read_examples.example(library.database, library.done, damaged)
