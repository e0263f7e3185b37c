"""An average over a suite says what it covers, has an interval, and is ranked only among its like."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.contract import Metric, Suite
from harness.metrics.aggregate import mean
from harness.metrics.bootstrap import draws, intervals
from harness.store import open_database
from harness.suite import Entry, Score, averages, entries, suite_rows

PLUGIN = Path(__file__).parent / "plugin"
METRIC = Metric("m", mean("m"))
INNER = Suite(name="f/inner", members=("f/c", "f/d"), metrics=(METRIC,), description="")
SUITE = Suite(name="f/all", members=("f/a", "f/b", INNER), metrics=(METRIC,), description="")
VALUES = st.floats(0, 1, allow_nan=False)


def entry(name: str, values: dict[str, float], **options: Any) -> Entry:
    scores = {task: Score(value, value, value, f"{name} {task}", ("p-1", task)) for task, value in values.items()}
    return Entry(name, name, "kind", False, scores | options.get("also", {}))


# --- The average ----------------------------------------------------------------------------------------------------


def test_a_member_suite_counts_once() -> None:
    (row,) = averages(SUITE, METRIC, [entry("x", {"f/a": 0.1, "f/b": 0.2, "f/c": 0.5, "f/d": 0.7})])
    assert row.value == pytest.approx((0.1 + 0.2 + 0.6) / 3)
    assert (row.covered, row.members, row.missing) == (3, 3, [])
    assert [(score.member, score.value) for score in row.scores][-1] == ("f/inner", pytest.approx(0.6))
    assert row.scores[-1].runs == ("x f/c", "x f/d")


def test_a_member_suite_without_all_its_tasks_does_not_count() -> None:
    (row,) = averages(SUITE, METRIC, [entry("x", {"f/a": 0.1, "f/c": 0.9})])
    assert (row.value, row.covered, row.members) == (0.1, 1, 3)
    assert row.missing == ["f/b", "f/d"]
    assert averages(SUITE, METRIC, [entry("x", {"f/c": 0.9})]) == [], "no member is covered"
    (inner,) = averages(INNER, METRIC, [entry("x", {"f/c": 0.9})])
    assert (inner.value, inner.covered, inner.members) == (0.9, 1, 2)


def test_averages_over_other_members_are_never_ranked_together() -> None:
    rows = averages(
        SUITE,
        METRIC,
        [
            entry("narrow and good", {"f/a": 0.9}),
            entry("wide and poor", {"f/a": 0.1, "f/b": 0.1}),
            entry("wide and good", {"f/a": 0.2, "f/b": 0.2}),
            entry("others", {"f/b": 0.9, "f/c": 0.9, "f/d": 0.9}),
        ],
    )
    assert [(row.submission, row.covered, row.rank, row.rivals) for row in rows] == [
        ("wide and good", 2, 1, 2),
        ("wide and poor", 2, 2, 2),
        ("others", 2, 1, 1),
        ("narrow and good", 1, 1, 1),
    ]
    assert len({row.group for row in rows}) == 3


def test_another_version_of_a_task_is_another_coverage() -> None:
    other = {"f/b": Score(0.5, 0.5, 0.5, "run", ("p-2", "f/b"))}
    rows = averages(SUITE, METRIC, [entry("x", {"f/a": 0.1, "f/b": 0.1}), entry("y", {"f/a": 0.1}, also=other)])
    assert [row.covered for row in rows] == [2, 2]
    assert [row.rank for row in rows] == [1, 1]
    assert rows[0].group != rows[1].group


def test_equal_averages_share_a_rank_and_a_lower_one_may_be_better() -> None:
    lower = Metric("m", mean("m"), higher_is_better=False)
    found = [entry(name, {"f/a": value}) for name, value in (("b", 0.30001), ("a", 0.3), ("c", 0.1), ("d", 0.9))]
    assert [(row.submission, row.rank) for row in averages(SUITE, METRIC, found)] == [
        ("d", 1),
        ("b", 2),
        ("a", 2),
        ("c", 4),
    ]
    assert [row.submission for row in averages(SUITE, lower, found)] == ["c", "a", "b", "d"]


@given(st.dictionaries(st.sampled_from(["f/a", "f/b", "f/c", "f/d"]), VALUES))
def test_the_average_is_that_of_what_is_covered(values: dict[str, float]) -> None:
    rows = averages(SUITE, METRIC, [entry("x", values)])
    expected = [values[task] for task in ("f/a", "f/b") if task in values]
    if {"f/c", "f/d"} <= set(values):
        expected.append((values["f/c"] + values["f/d"]) / 2)
    assert len(rows) == bool(expected)
    for row in rows:
        assert row.value == pytest.approx(sum(expected) / len(expected))
        assert row.covered == len(expected) == len(row.scores)
        assert set(row.missing) == set(SUITE.tasks()) - set(values)


# --- The interval ---------------------------------------------------------------------------------------------------


def drawn(values: np.ndarray) -> np.ndarray:
    return draws([METRIC], [{"m": values}], len(values))[0]["m"]


def test_draws_are_those_behind_the_interval_of_a_run() -> None:
    values = np.random.default_rng(1).random(50)
    found = intervals([METRIC], {"m": values}, 50)["m"]
    assert (found.low, found.high) == tuple(np.quantile(drawn(values), [0.025, 0.975]))


def test_runs_over_the_same_examples_share_their_resamples() -> None:
    values = np.random.default_rng(1).random(50)
    first, second = draws([METRIC], [{"m": values}, {"m": values + 1}], 50)
    np.testing.assert_allclose(second["m"] - first["m"], 1.0)


# --- Over stored runs -----------------------------------------------------------------------------------------------


@pytest.fixture
def shelves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example plug-in, a data root with all its shelves, and two submissions."""
    monkeypatch.syspath_prepend(PLUGIN)
    for module in [name for name in sys.modules if name.startswith("equal_footing_example")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    for name in ("sea", "castle-north", "castle-south"):
        (tmp_path / "data" / f"shelves-{name}.txt").write_text(name)
    for seed in ("one", "two"):
        (tmp_path / f"{seed}.yaml").write_text(f"name: {seed}\nmodel: {{kind: random}}\n")
    return tmp_path


def averaged(command: Callable[..., Any], suite: str, metric: str = "accuracy") -> list[dict[str, Any]]:
    ended = command("results", "--suite", suite, "--json")
    assert ended.code == 0, ended.err
    return [row for row in json.loads(ended.out) if row["metric"] == metric]


def test_a_suite_is_evaluated_and_averaged(command: Callable[..., Any], shelves: Path) -> None:
    ended = command("eval", "one.yaml", "two.yaml", "--task", "shelves/all")
    assert (ended.code, "note:" in ended.err) == (0, False)
    results = json.loads(command("results", "--json").out)
    values = {(r["submission"], r["task"]): r for r in results if r["metric"] == "accuracy"}
    assert len(values) == 6
    rows = averaged(command, "shelves/all")
    assert len(rows) == 2
    for row in rows:
        own = {task: r for (submission, task), r in values.items() if submission == row["submission"]}
        castle = (own["shelves/castle/north"]["value"] + own["shelves/castle/south"]["value"]) / 2
        assert row["value"] == pytest.approx((own["shelves/sea"]["value"] + castle) / 2)
        assert (row["covered"], row["members"], row["missing"], row["rivals"]) == (2, 2, [], 2)
        # The resamples of the tasks are independent, so the variance of the average is that of independent means.
        widths = {task: (r["ci_high"] - r["ci_low"]) for task, r in own.items()}
        expected = math.hypot(
            widths["shelves/sea"], widths["shelves/castle/north"] / 2, widths["shelves/castle/south"] / 2
        )
        assert row["ci_high"] - row["ci_low"] == pytest.approx(expected / 2, rel=0.15)
        assert row["ci_low"] < row["value"] < row["ci_high"]
    errors = {row["submission"]: row for row in averaged(command, "shelves/all", "error")}
    for row in rows:
        assert errors[row["submission"]]["value"] == pytest.approx(1 - row["value"])
        assert errors[row["submission"]]["rank"] == row["rank"]


def test_fields_of_averages_are_those_documented(command: Callable[..., Any], shelves: Path) -> None:
    command("eval", "one.yaml", "--task", "shelves/sea")
    text = (Path(__file__).parent.parent / "docs" / "command_line.md").read_text()
    section = text.partition("## Fields of `results --suite S --json`")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    (row,) = averaged(command, "shelves/all")
    assert set(row) == documented
    assert set(row["scores"][0]) == {"member", "value", "ci_low", "ci_high", "runs"}


def test_an_average_over_one_task_has_the_interval_of_its_run(command: Callable[..., Any], shelves: Path) -> None:
    command("eval", "one.yaml", "--task", "shelves/sea")
    (run,) = [row for row in json.loads(command("results", "--json").out) if row["metric"] == "accuracy"]
    (row,) = averaged(command, "shelves/all")
    assert (row["ci_low"], row["ci_high"]) == (run["ci_low"], run["ci_high"])
    assert row["scores"] == [
        {"member": "shelves/sea", "value": run["value"], "ci_low": run["ci_low"], "ci_high": run["ci_high"]}
        | {"runs": [run["run"]]}
    ]


def test_what_is_not_here_is_left_out_by_name_and_shown_as_coverage(command: Callable[..., Any], shelves: Path) -> None:
    (shelves / "data" / "shelves-castle-south.txt").unlink()
    ended = command("eval", "one.yaml", "--task", "shelves/all")
    assert ended.code == 0
    assert "note: shelves/all: 1 of 3 data sets are not here and left out: shelves/castle/south." in ended.err
    table = command("results", "--suite", "shelves/all").out
    assert "1 of 2" in table
    assert "castle" not in table.splitlines()[0], "a forum of two is not the castle"
    (shelves / "data" / "shelves-castle-north.txt").unlink()
    assert "left out: shelves/castle." in command("eval", "one.yaml", "--task", "shelves/all").err
    (shelves / "data" / "shelves-sea.txt").unlink()
    ended = command("eval", "one.yaml", "--task", "shelves/all")
    assert (ended.code, "none of the 3 data sets of shelves/all is here" in ended.err) == (2, True)


def test_partial_and_older_runs_do_not_count(command: Callable[..., Any], shelves: Path) -> None:
    command("eval", "one.yaml", "--task", "shelves/sea", "--limit", "3")
    assert averaged(command, "shelves/all") == []
    assert "No results over shelves/all yet" in command("results", "--suite", "shelves/all").out
    command("eval", "one.yaml", "--task", "shelves/sea")
    command("eval", "one.yaml", "--task", "shelves/sea", "--seed", "1")
    (row,) = averaged(command, "shelves/all")
    latest = [r["run"] for r in json.loads(command("results", "--json").out) if r["seed"] == 1]
    assert row["scores"][0]["runs"] == latest[:1]


def test_new_data_of_a_task_is_not_ranked_with_old(command: Callable[..., Any], shelves: Path) -> None:
    command("eval", "one.yaml", "--task", "shelves/sea")
    (shelves / "data" / "shelves-sea.txt").write_text("other")
    command("eval", "two.yaml", "--task", "shelves/sea")
    assert [row["rivals"] for row in averaged(command, "shelves/all")] == [1, 1]


def test_draws_that_are_kept_are_used_again(command: Callable[..., Any], shelves: Path) -> None:
    command("eval", "one.yaml", "--task", "shelves/all")
    database, suite = open_database(str(shelves / "results.db"), create=False), registry.suite("shelves/all")
    kept: dict[tuple[str, str], Any] = {}
    fresh = suite_rows(database, suite, suite.metrics[0], kept)
    assert len(kept) == 3
    kept.update({key: values + 1 for key, values in kept.items()})
    (again,) = suite_rows(database, suite, suite.metrics[0], kept)
    assert again.ci_low == pytest.approx((fresh[0].ci_low or 0) + 1)


def test_a_run_that_lacks_a_statistic_has_an_average_without_interval(
    command: Callable[..., Any], shelves: Path
) -> None:
    command("eval", "one.yaml", "--task", "shelves/sea")
    database, suite = open_database(str(shelves / "results.db"), create=False), registry.suite("shelves/all")
    unknown = Metric("accuracy", mean("not stored"))
    (found,) = entries(database, suite, [unknown])["accuracy"]
    (row,) = averages(suite, unknown, [found])
    assert row.value == found.scores["shelves/sea"].value
    assert (row.ci_low, row.ci_high) == (None, None)


# --- Listing and naming ---------------------------------------------------------------------------------------------


def test_suites_are_listed_with_what_is_here(command: Callable[..., Any], shelves: Path) -> None:
    (shelves / "data" / "shelves-sea.txt").unlink()
    shown = {row["suite"]: row for row in json.loads(command("suites", "--json").out)}
    assert {"shelves/all", "shelves/castle", "beir/18"} <= set(shown)
    assert [(task["member"], task["task"], task["data"]) for task in shown["shelves/all"]["tasks"]] == [
        ("shelves/sea", "shelves/sea", "manual"),
        ("shelves/castle", "shelves/castle/north", "here"),
        ("shelves/castle", "shelves/castle/south", "here"),
    ]
    assert "2 of 3" in command("suites").out
    assert "Write it." in command("suites", "shelves/all").out
    assert "shelves/castle" in command("tasks").out.split("Suites, ")[1]


@pytest.mark.parametrize("arguments", [("suites", "beir/81"), ("results", "--suite", "beir/81")])
def test_an_unknown_suite_suggests_the_nearest(command: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)
    assert (ended.code, "there is no suite 'beir/81'" in ended.err, "Did you mean" in ended.err) == (2, True, True)


def test_one_question_at_a_time(command: Callable[..., Any]) -> None:
    for also in (("--task", "beir/scifact"), ("--hardware", "A100-80GB-SXM"), ("--stack", "none")):
        assert command("results", "--suite", "beir/18", *also).code == 2


def test_no_suite_is_named_like_a_task_and_all_members_exist() -> None:
    tasks = {task.card.name: task for task in registry.tasks()}
    for suite in registry.suites():
        assert suite.name not in tasks
        members = list(suite.tasks())
        assert set(members) <= set(tasks)
        assert len(set(members)) == len(members)
        for member in members:
            # FlowLearn averages statements, whose own page ranks by balanced accuracy, and counts by accuracy.
            primary = tasks[member].card.primary_metric
            assert primary == suite.metrics[0].name or (suite.name.startswith("flowlearn/") and "accuracy" in primary)
