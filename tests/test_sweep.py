"""One file that stands for several submissions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SubmissionError
from harness.submission import load, load_all

BASE = "name: words\nmodel:\n  kind: bm25\n  k1: 0.9\n"


def written(folder: Path, text: str) -> Path:
    (folder / "sweep.yaml").write_text(BASE + text)
    return folder / "sweep.yaml"


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    found = load_all(written(tmp_path, "sweep:\n  over:\n    k1: [0.5, 1.2]\n    b: [0.3, 0.4, 0.75]\n"))
    assert [one.name for one in found] == [
        f"words: k1 {k1}, b {b}" for k1 in ("0.5", "1.2") for b in ("0.3", "0.4", "0.75")
    ]
    assert [one.normalised["model"]["b"] for one in found] == [0.3, 0.4, 0.75] * 2
    assert len({one.digest for one in found}) == 6


def test_each_is_what_it_would_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    one = load_all(written(tmp_path, "sweep:\n  over:\n    k1: [1.2]\n"))[0]
    alone = tmp_path / "alone.yaml"
    alone.write_text("name: 'words: k1 1.2'\nmodel:\n  kind: bm25\n  k1: 1.2\n")
    assert one.digest == load(alone).digest


def test_the_number_of_trials_and_the_seeds_stay_with_each(tmp_path: Path) -> None:
    found = load_all(written(tmp_path, "sweep:\n  over:\n    k1: [0.5, 1.2]\n  seeds: [3, 4]\n"))
    assert [one.seeds for one in found] == [(3, 4)] * 2
    assert found[0].normalised["sweep"] == {"name": "words", "method": "grid", "trials": 2}
    assert "sweep" not in load_all(written(tmp_path, ""))[0].normalised


def test_seeds_alone_are_one_submission_with_several_runs(tmp_path: Path) -> None:
    (found,) = load_all(written(tmp_path, "sweep:\n  seeds: [0, 1, 2]\n"))
    assert (found.name, found.seeds) == ("words", (0, 1, 2))
    assert found.digest == load_all(written(tmp_path, ""))[0].digest


def test_random_draws_are_the_same_every_time_and_stay_in_their_range(tmp_path: Path) -> None:
    text = (
        "sweep:\n  method: random\n  trials: 40\n  over:\n    k1: {low: 0.01, high: 10, log: true}\n    b: [0.2, 0.4]\n"
    )
    first, again = (load_all(written(tmp_path, text)) for _ in range(2))
    drawn = [one.normalised["model"]["k1"] for one in first]
    assert [one.digest for one in first] == [one.digest for one in again]
    assert 0.01 <= min(drawn) < 0.1 < 1 < max(drawn) <= 10
    assert {one.normalised["model"]["b"] for one in first} == {0.2, 0.4}
    other = load_all(written(tmp_path, text + "  draw_seed: 1\n"))
    assert drawn != [one.normalised["model"]["k1"] for one in other]


def test_a_range_between_integers_is_one_of_integers(tmp_path: Path) -> None:
    text = "sweep:\n  method: random\n  trials: 60\n  over:\n    batch_size: {low: 1, high: 4}\n"
    drawn = [one.normalised["model"]["batch_size"] for one in load_all(written(tmp_path, text))]
    assert sorted(drawn) == [1, 2, 3, 4]  # a draw that repeats another is no trial


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("sweep:\n  over:\n    k1:\n      - 0.5\n      - wide\n", 9, "model.k1: expected a number, found 'wide'"),
        ("sweep:\n  over:\n    k2: [0.5]\n", 7, "model.k2: unknown key"),
        ("sweep:\n  ovr: {}\n", 6, "sweep.ovr: unknown key; did you mean 'over'?"),
        ("sweep:\n  over:\n    k1: {low: 2, high: 1}\n", 7, "expected `low` to be below `high`"),
        ("sweep:\n  over:\n    k1: {low: 1, high: 2}\n", 5, "a grid takes lists, and k1 is a range"),
        ("sweep:\n  method: random\n", 5, "`trials` belongs to method: random"),
        ("sweep:\n  over:\n    k1: []\n", 5, "expected at least one value of k1"),
        ("sweep:\n  seeds: [1, 1]\n", 5, "expected seeds that differ"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        load_all(written(tmp_path, text))
    assert f"sweep.yaml:{line}: " in caught.value.message and what in caught.value.message


def test_a_grid_has_an_end(tmp_path: Path) -> None:
    values = list(range(1, 101))
    with pytest.raises(SubmissionError, match="more than 1000 combinations"):
        load_all(written(tmp_path, f"sweep:\n  over:\n    k1: {values}\n    batch_size: {values}\n"))


def test_stages_are_not_swept(tmp_path: Path) -> None:
    file = tmp_path / "stages.yaml"
    file.write_text("name: a\nstages:\n  - kind: bm25\nsweep:\n  seeds: [1]\n")
    with pytest.raises(SubmissionError, match=r"stages.yaml:4: sweep: the file has `stages`"):
        load_all(file)


def test_where_one_is_wanted_a_sweep_is_none(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="is a sweep, and stands for 2 submissions"):
        load(written(tmp_path, "sweep:\n  over:\n    k1: [0.5, 1.2]\n"))


def test_a_sweep_runs_each_submission_with_each_seed(command: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "floors.yaml"
    file.write_text(
        "name: rule\nmodel:\n  kind: floor\n  rule: majority\n"
        "sweep:\n  over:\n    rule: [majority, first_symbol]\n  seeds: [3, 4]\n"
    )
    ended = command("eval", file, "--task", "lra/digits", "--limit", "5", "--json")
    runs = json.loads(ended.out)
    assert ended.code == 0 and [run["state"] for run in runs] == ["done"] * 4
    assert [run["submission"] for run in runs] == ["rule: majority"] * 2 + ["rule: first_symbol"] * 2
    assert [row["seed"] for run in runs for row in run["results"]] == [3, 4, 3, 4]
    again = json.loads(command("eval", file, "--task", "lra/digits", "--limit", "5", "--json").out)
    assert [run["state"] for run in again] == ["unchanged"] * 4
