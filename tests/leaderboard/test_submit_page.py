"""A submission is checked as it is typed, and answers from elsewhere are scored; nothing of a stranger's runs."""

from __future__ import annotations

import gzip
import json

import pytest
from streamlit.testing.v1 import AppTest

from harness import registry
from harness.contract import Places
from harness.draft import draft
from harness.errors import SubmissionError
from harness.store import open_database, read
from leaderboard import app, scoring

TASK = "beir/python-docs"


def typed(text: str) -> AppTest:
    page = AppTest.from_file(app.__file__, default_timeout=30).run().switch_page("submit_page.py").run()
    page.text_area[0].set_value(text).run()
    assert not page.exception
    return page


def test_what_is_typed_is_checked_with_its_line(filler, page):
    filler.run("one")
    shown = typed("name: mine\nmodel:\n  kind: bm25\n  k2: 1\n")
    assert shown.code[0].value == "submission.yaml:4: model.k2: unknown key; did you mean 'k1'?"
    shown = typed("name: my <b> model\nmodel: {kind: bm25}\n")
    assert shown.code[0].value == "harness check my-b-model.yaml\nharness eval my-b-model.yaml"


def test_code_of_a_submission_is_pointed_out_and_not_run(filler, page):
    filler.run("one")
    shown = typed("name: own\nmodel: {kind: python, path: /nowhere/model.py:Model, offers: [texts]}\n")
    assert "--allow-code" in shown.code[0].value


@pytest.mark.parametrize(
    "text",
    ["", "- a list", "name: x\nmodel: &a {kind: bm25, b: *a}\n", "\x00", "a: " + "[" * 50, "name: x\n" * 2, "\ud800"],
)
def test_no_text_breaks_the_check(text: str) -> None:
    with pytest.raises(SubmissionError, match=r"^submission\.yaml:\d+"):
        draft(text)


def test_uploaded_answers_are_scored_and_labelled(filler) -> None:
    task = registry.task(TASK)
    workload = task.load(Places.default())
    (query, *_), gold = [e.id for e in workload.examples], workload.scorer.gold
    run = "".join(f"{id} Q0 {document} 1 1.0 tag\n" for id in [query] for document in gold(id))
    packed = gzip.compress(run.encode())
    done = scoring.score(packed, "=mine", TASK)
    assert done.said.startswith("Scored: nDCG@10 0.00")
    (row,) = read.runs(open_database(str(filler.path), create=False))
    assert (row["submission"], row["verification"], row["run"]) == ("=mine", "rescored", done.run)
    assert scoring.score(packed, "=mine", TASK).run == done.run


@pytest.mark.parametrize("content", [b"not a run", b"\x1f\x8bbroken", json.dumps({"id": 1}).encode(), b""])
def test_a_file_that_is_no_answer_is_refused_in_words(filler, content: bytes) -> None:
    done = scoring.score(content, "mine", TASK)
    assert not done.run
    assert done.said
    assert "Traceback" not in done.said
