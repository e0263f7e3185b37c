"""Scores made elsewhere, as a user meets them: reference load and list, import, and how they stand beside results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.contract import Places
from harness.reference.published import tables

Command = Callable[..., Any]

BEIR = {"NDCG@10": 0.6789, "Recall@100": 0.9253, "P@10": 0.09}
SCIFACT = {
    "task_name": "SciFact",
    "mteb_version": "1.12.75",
    "scores": {"test": [{"hf_subset": "default", "ndcg_at_10": 0.64508, "recall_at_100": 0.925}]},
}


def write(folder: Path, content: Any, name: str = "results.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def listed(command: Command, *arguments: str) -> list[dict[str, Any]]:
    shown = command("reference", "list", *arguments, "--json")
    assert shown.code == 0
    rows: list[dict[str, Any]] = json.loads(shown.out)
    return rows


def test_published_scores_are_listed_without_a_database(command: Command, tmp_path: Path) -> None:
    rows = listed(command, "--task", "beir/scifact")
    assert {(row["model"], row["value"]) for row in rows if row["metric"] == "nDCG@10"} >= {
        ("bm25-flat", 0.6789),
        ("bm25-multifield", 0.6647),
        ("all-MiniLM-L6-v2", 0.64508),
    }
    assert all(row["source"] and row["verification"] == "published" for row in rows)
    assert len(listed(command)) == sum(len(table.scores) for table in tables().values())
    assert not (tmp_path / "results.db").exists()


def test_a_group_and_the_whole_are_listed_for_people(command: Command) -> None:
    group = command("reference", "list", "--task", "lra")
    assert "lra/path-x" in group.out
    assert "0.5960" in group.out
    assert "google-research/long-range-arena" in group.out
    whole = command("reference", "list")
    assert "beir/scifact" in whole.out
    assert "published figure" in whole.out


def test_a_task_without_published_scores_is_not_an_unknown_one(command: Command) -> None:
    assert listed(command, "--task", "beir/python-docs") == []
    wrong = command("reference", "list", "--task", "beir/scifat")
    assert wrong.code == 2
    assert "Did you mean 'beir/scifact'?" in wrong.err


def test_loading_is_idempotent_and_shows_the_same(command: Command) -> None:
    before = listed(command)
    first, second = command("reference", "load"), command("reference", "load")
    assert first.out.count("loaded") == second.out.count("unchanged") == len(tables())
    assert listed(command) == before


def test_results_of_beir_and_mteb_are_imported_as_self_reported(command: Command, tmp_path: Path) -> None:
    done = command("import", write(tmp_path, BEIR), "--name", "mine", "--task", "beir/nfcorpus")
    assert done.code == 0
    assert "nDCG@10      0.6789" in done.out
    assert "passed over, for tasks here do not have them: P@10" in done.out
    done = command("import", write(tmp_path, SCIFACT, "SciFact.json"), "--name", "theirs", "--json")
    assert [row["task"] for row in json.loads(done.out)] == ["beir/scifact"] * 2
    (row,) = [
        r for r in listed(command, "--task", "beir/scifact") if r["model"] == "theirs" and r["metric"] == "nDCG@10"
    ]
    assert (row["value"], row["digits"], row["verification"], row["source"], row["note"]) == (
        0.64508,
        5,
        "self-reported",
        "SciFact.json",
        "results file of MTEB 1.12.75",
    )
    assert len(row["digest"]) == 64
    shown = command("results")
    assert shown.code == 0
    assert "made elsewhere, not ranked" in shown.out
    assert "theirs" in shown.out
    assert command("results", "--task", "beir/nfcorpus").code == 0


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        (BEIR, ["--name", "x"], "does not say which task it is of"),
        (BEIR, ["--name", "x", "--task", "beir/scifat"], "Did you mean 'beir/scifact'?"),
        (SCIFACT, ["--name", "x", "--task", "beir/nfcorpus"], "is of beir/scifact, not of beir/nfcorpus"),
        (SCIFACT, ["--name", " x"], "the name ' x' cannot be used: expected no space"),
        (SCIFACT, ["--name", ""], "expected 1 to 100 characters"),
        (SCIFACT, ["--name", "a\u202eb"], "U+202E cannot be shown"),
        ({"NDCG@10": 67.9}, ["--name", "x", "--task", "beir/scifact"], "looks like percent"),
        ({"NDGC@10": 0.6}, ["--name", "x", "--task", "beir/scifact"], "Did you mean 'NDCG@10'?"),
        ('{"NDCG@10": NaN}', ["--name", "x", "--task", "beir/scifact"], "holds NaN"),
        ({"NDCG@10": 0.6, "MAP@1000": "high"}, ["--name", "x", "--task", "beir/scifact"], "not a number"),
    ],
)
def test_a_bad_import_is_a_sentence_and_stores_nothing(
    command: Command, tmp_path: Path, content: Any, arguments: list[str], expected: str
) -> None:
    refused = command("import", write(tmp_path, content), *arguments)
    assert refused.code == 2
    assert expected in refused.err
    assert not (tmp_path / "results.db").exists()


def test_a_second_import_needs_a_word(command: Command, tmp_path: Path) -> None:
    file = write(tmp_path, SCIFACT)
    assert command("import", file, "--name", "mine").code == 0
    again = command("import", file, "--name", "mine")
    assert again.code == 2
    assert "results.json was imported already as 'mine' on beir/scifact" in again.err
    assert command("import", file, "--name", "renamed", "--replace").code == 0
    models = {row["model"] for row in listed(command) if row["verification"] == "self-reported"}
    assert models == {"renamed"}


def test_a_run_is_labelled_by_how_far_it_is_verified(command: Command, tmp_path: Path) -> None:
    """BM25 ran here; its run and embeddings of anything are scored here."""
    bm25 = write(tmp_path, "name: bm25\nmodel: {kind: bm25}\n", "bm25.yaml")
    workload = registry.task("beir/python-docs").load(Places.default())
    documents = [document.id for document in workload.inputs.corpus or ()]
    queries = [example.id for example in workload.examples]
    generator = np.random.default_rng(0)
    for name, ids in (("d", documents), ("q", queries)):
        np.save(tmp_path / f"{name}.npy", generator.normal(size=(len(ids), 8)).astype(np.float32))
        write(tmp_path, "".join(f"{id}\n" for id in ids), f"{name}.txt")
    files = "documents: d.npy, document_ids: d.txt, queries: q.npy, query_ids: q.txt"
    vectors = write(tmp_path, f"name: vectors\nmodel: {{kind: embeddings, {files}}}\n", "vectors.yaml")
    done = command("eval", bm25, vectors, "--task", "beir/python-docs", "--json")
    assert done.code == 0, done.err
    verified = {o["submission"]: {row["verification"] for row in o["results"]} for o in json.loads(done.out)}
    assert verified == {"bm25": {"recomputed"}, "vectors": {"rescored"}}
    shown = command("results")
    assert "vectors [rescored]" in shown.out


@pytest.mark.data
def test_bm25_reproduces_what_is_published_of_scifact(command: Command, tmp_path: Path, data_root: Path) -> None:
    bm25 = write(tmp_path, "name: whatever\nmodel: {kind: bm25}\n", "bm25.yaml")
    done = command("eval", bm25, "--task", "beir/scifact", "--data", data_root)
    assert "OK +0.0000 against bm25-flat, published" in done.out
    found = {row["metric"]: row["reproduced"] for row in json.loads(command("results", "--json").out)}
    for metric, value in {"nDCG@10": 0.6789, "R@100": 0.9253, "R@1000": 0.9767}.items():
        assert (found[metric]["value"], found[metric]["difference"], found[metric]["verdict"]) == (value, 0.0, "OK")
        assert found[metric]["tolerance"] == 0
    assert found["AP"] is None
    assert "OK +0.0000" in command("results").out
