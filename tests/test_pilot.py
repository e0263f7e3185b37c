"""What a run would take is told before it, from pilots of the real worker."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import pytest

from harness import registry, submission
from harness.contract import Places
from harness.loading import load
from harness.models.static import Static, StaticConfig
from harness.pilot import _trial, estimate
from tasks.beir import FAMILY

MEGABYTE = 10**6


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(data=tmp_path / "data", cache=tmp_path / "cache")


def folder_of(root: Path, documents: int) -> Path:
    folder = root / f"books{documents}"
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": f"d{number}", "text": f"word{number} of a text"} for number in range(documents)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "word1"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n")
    return folder


@pytest.mark.skipif(find_spec("wordllama") is None, reason="needs pip install 'equal-footing[models]'")
def test_memory_of_a_dense_run_is_bounded_before_it_starts(tmp_path: Path, places: Places) -> None:
    file = tmp_path / "static.yaml"
    file.write_text("name: static\nmodel:\n  kind: static\n")
    held = Static(StaticConfig(), 0).held_bytes
    estimates = [
        estimate(submission.load(file), FAMILY.open(folder_of(tmp_path, size)), places).peak_rss_bytes or 0
        for size in (200, 20_000)
    ]
    assert held(200, 1001) < estimates[0] < held(200, 1001) + 500 * MEGABYTE
    assert held(20_000, 1001) < estimates[1] < held(20_000, 1001) + 500 * MEGABYTE, "not a line through noise"


def test_a_vocabulary_that_stops_growing_is_not_drawn_out_as_if_it_went_on(tmp_path: Path, places: Places) -> None:
    file = tmp_path / "bm25.yaml"
    file.write_text("name: bm25\nmodel:\n  kind: bm25\n")
    order, words = random.Random(0), [f"word{number}" for number in range(20_000)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(words))))
    folder = folder_of(tmp_path, 40_000)
    lines = [
        json.dumps({"_id": f"d{number}", "text": " ".join(order.choices(words, cum_weights=weights, k=40))})
        for number in range(40_000)
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    task, of = FAMILY.open(folder), submission.load(file)
    (tmp_path / "whole").mkdir()
    whole = _trial(of, load(task, places), 40_000, tmp_path / "whole" / "run")
    found = estimate(of, task, places)
    assert found.note.startswith("from pilots of ")
    assert 0.7 * whole.peak_rss_bytes < (found.peak_rss_bytes or 0) < 1.6 * whole.peak_rss_bytes


def test_what_a_first_call_takes_is_not_charged_to_every_example(tmp_path: Path, places: Places) -> None:
    file = tmp_path / "slow_start.yaml"
    file.write_text(
        "name: slow start\nmodel:\n  kind: python\n  path: slow_start.py:SlowStart\n  offers: [classes, rows]\n"
    )
    (tmp_path / "slow_start.py").write_text(SLOW_START)
    task = registry.task("nids/simulated")
    found = estimate(submission.load(file), task, places)
    assert found.examples == 3600
    assert found.cpu_seconds is not None and found.cpu_seconds < 20  # 3,600 / 8 first calls would be 90 s


SLOW_START = """
import time

from harness.contract import Classes, Prediction, Prepared


class SlowStart:
    batch_size = 1000

    def prepare(self, resources):
        self.first = True
        return Prepared()

    def predict(self, examples):
        until = time.process_time() + 0.2 * self.first
        while time.process_time() < until:
            pass
        self.first = False
        return [Prediction(example.id, Classes("benign")) for example in examples]
"""


def test_a_bound_grows_with_the_documents_and_the_answers_of_a_batch() -> None:
    small, large = Static(StaticConfig(batch_size=1), 0), Static(StaticConfig(batch_size=1000), 0)
    assert large.held_bytes(10**6, 1001) - small.held_bytes(10**6, 1001) > 1000 * 1000 * 12
    assert small.held_bytes(2 * 10**6, 1001) - small.held_bytes(10**6, 1001) == pytest.approx(250 * MEGABYTE)
