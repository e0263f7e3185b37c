"""`harness compare` and `harness explain`, over real runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SUBMISSIONS = Path(__file__).parent.parent / "submissions"
BM25 = "name: mine\nmodel: {{kind: bm25, k1: {k1}}}\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with `mine` in two versions, random, a run over fewer queries, and one on another task."""
    folder = tmp_path_factory.mktemp("compared")
    for k1 in (0.9, 2.5):
        (folder / f"{k1}.yaml").write_text(BM25.format(k1=k1))
    retrievers = [folder / "0.9.yaml", folder / "2.5.yaml", SUBMISSIONS / "random.yaml"]
    for arguments in (
        [*retrievers, "--task", "beir/python-docs"],
        [SUBMISSIONS / "bm25-multifield.yaml", "--task", "beir/python-docs", "--limit", "40"],
        [SUBMISSIONS / "needle-lookup.yaml", "--task", "needle/single/25"],
    ):
        words = [sys.executable, "-m", "harness.cli", "eval", *map(str, arguments)]
        subprocess.run(words, cwd=folder, env=os.environ | {"HARNESS_CACHE": str(folder / "cache")}, check=True)
    return str(folder / "results.db")


@pytest.fixture
def ran(command: Callable[..., Any], results: str) -> Callable[..., Any]:
    """The command line over that database."""
    return lambda *arguments: command(*arguments, "--db", results)


def runs(command: Callable[..., Any]) -> dict[str, str]:
    """Keys of runs by the submission's name, `mine` by k1."""
    rows = json.loads(command("results", "--json").out)
    names = {row["submission_digest"]: row for row in rows}
    return {f"{row['submission']}{row['settings'].get('k1', '')}": row["run"] for row in names.values()}


def test_runs_are_compared_pairwise_and_corrected(ran: Callable[..., Any]) -> None:
    key = runs(ran)
    found = json.loads(ran("compare", key["mine0.9"], key["random"], key["mine2.5"], "--json").out)
    over_random, over_other = found
    assert over_random["verdict"] == "better"
    assert over_random["low"] > 0.3
    assert over_random["p"] < 0.001 < over_random["detectable"]
    assert over_random["corrected_p"] == pytest.approx(2 * over_random["p"])
    assert over_other["wins"] + over_other["ties"] + over_other["losses"] == over_other["n"] == 200
    shown = ran("compare", key["mine0.9"], "random", "--metric", "R@100").out
    assert "R@100" in shown and "better" in shown


def test_a_partial_run_is_compared_on_what_both_answered(ran: Callable[..., Any]) -> None:
    (found,) = json.loads(ran("compare", runs(ran)["bm25-multifield0.9"], "random", "--json").out)
    assert found["n"] == 40


def test_why_two_runs_differ(ran: Callable[..., Any]) -> None:
    key = runs(ran)
    found = json.loads(ran("explain", key["mine0.9"], key["mine2.5"], "--json").out)
    settings = [change for change in found["changes"] if change["part"] != "outcome"]
    assert settings == [{"part": "submission", "what": "model.k1", "first": 0.9, "second": 2.5}]
    changes = [abs(example["first"] - example["second"]) for example in found["examples_changed"]]
    assert changes == sorted(changes, reverse=True) and changes[-1] > 0
    assert found["examples_compared"] == 200
    assert "model.k1" in ran("explain", key["mine0.9"], key["mine2.5"]).out


def test_other_data_is_explained_and_not_compared(ran: Callable[..., Any]) -> None:
    refused = ran("compare", "needle lookup", "random")
    assert refused.code == 2
    assert "not over the same examples (other task" in refused.err
    explained = ran("explain", "needle lookup", "random")
    assert explained.code == 0
    assert "needle/single/25" in explained.out and "cannot be compared" in explained.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "random"), "one run alone"),
        (("compare", "random", "randon"), "Did you mean 'random'"),
        (("compare", "random", "random", "--metric", "nDCG@1"), "Did you mean 'nDCG@10'"),
        (("explain", "random", "nothing"), "no run 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_said(ran: Callable[..., Any], arguments: tuple[str, ...], message: str) -> None:
    refused = ran(*arguments)
    assert refused.code == 2
    assert message in refused.err
