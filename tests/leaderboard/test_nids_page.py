"""Intrusion detection on the board: operating points, precision where attacks are rare, cost of a million flows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.store import open_database
from leaderboard.families import nids, nids_sets

if TYPE_CHECKING:
    from tests.leaderboard.conftest import Filler, Page


def test_operating_points_go_from_strict_to_lax() -> None:
    random = np.random.default_rng(0)
    attack = np.repeat([0.0, 1.0], 5000)
    points = nids.operating_points(attack, random.normal(attack))
    alarms, hits = zip(*points, strict=True)
    assert list(alarms) == sorted(alarms) and list(hits) == sorted(hits)
    assert points[-1] == (1, 1)
    assert len(points) <= 151
    nearest = min(points, key=lambda point: abs(point[0] - 0.1587))  # one deviation: a normal law's known point
    assert nearest[1] == pytest.approx(0.5, abs=0.04)


def test_precision_falls_with_the_share_of_attacks() -> None:
    assert nids.precision_at(0.5, 0.9, 0.1) == pytest.approx(0.9)
    assert nids.precision_at(0.01, 0.63, 0.027) == pytest.approx(0.1907, abs=1e-3)
    assert nids.precision_at(0.01, 0.0, 0.0) == 0


def test_real_runs_have_a_curve_a_precision_and_a_price(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    file = filler.path.with_name("tree.yaml")
    file.write_text("name: tree\nmodel: {kind: tabular, learner: decision_tree, depth: 3}\n")
    command("eval", file, "--task", "nids/simulated", "--db", filler.path)
    shown = page(task="nids/simulated")
    (row,) = shown.table("Precision at the chosen share of attacks, and cost, of each run").to_dict("records")
    assert row["Submission"] == "tree"
    assert row["Precision"] == pytest.approx(nids.precision_at(0.01, row["Detection"], row["False alarms"]))
    assert row["A million flows (s)"] > 0
    alternatives = [chart.proto.alt for chart in shown.app.get("vega_lite_chart")]
    assert "Detection rate against false alarm rate of 1 run, by threshold" in alternatives


def test_a_sweep_says_what_each_setting_is_worth(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    file = filler.path.with_name("trees.yaml")
    file.write_text(
        "name: trees\nmodel: {kind: tabular, learner: decision_tree}\n"
        "sweep: {over: {depth: [1, 6], categories: [one_hot, ordinal]}, seeds: [0, 1]}\n"
    )
    command("eval", file, "--task", "nids/simulated/window-8", "--db", filler.path)
    rows = page(task="nids/simulated/window-8").table("balanced_accuracy by each setting of a sweep").to_dict("records")
    assert [(row["Setting"], row["Value"]) for row in rows[:2]] == [("depth", "6"), ("depth", "1")]
    assert rows[0]["Share of variance"] > 0.9
    assert rows[1]["Behind the best"] == pytest.approx(rows[0]["balanced_accuracy"] - rows[1]["balanced_accuracy"])


def test_all_sets_stand_side_by_side_with_floors_and_audits(command: Callable[..., object], filler: Filler) -> None:
    file = filler.path.with_name("cut.yaml")
    file.write_text("name: cut\nmodel: {kind: tabular, learner: decision_tree, depth: 1}\n")
    command("eval", file, "--task", "nids/simulated", "--db", filler.path)
    with closing(open_database(str(filler.path), create=False)) as database:
        versions = nids_sets.newest(database)
        majority, _, cut = nids_sets.table(database, versions, "balanced_accuracy")
        assert (majority["Submission"], majority["nids/simulated"]) == ("majority (floor)", 0.5)
        assert (cut["Submission"], cut["nids/simulated"]) == ("cut", pytest.approx(0.5, abs=0.05))
        (priced,) = nids_sets.table(database, versions, nids_sets.COST)
        assert priced["nids/simulated"] > 0
        found = nids_sets.summary(versions["nids/simulated"])
        assert (found["Train"], found["Test"], found["Test flows in training"]) == (8400, 3600, 0)
        assert 0.5 < found["Its AUC"] < 0.85
