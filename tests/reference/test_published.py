"""The tables that ship say what their sources say, and hold nothing that may not be shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import registry
from harness.metrics.ranking import NAMES
from harness.reference.published import KINDS, ReportedScore, Table, decimals, shipped, tables

TABLES = tables()
COUNTS = {"beir": 610, "codesearchnet": 788, "flowlearn": 260, "lra": 274, "needle_threading": 1047, "nids": 5}
NOT_A_FRACTION = {"mae"}  # counts of nodes and arrows
BEYOND = 0.03
"""The bands of some figures come from a normal approximation, and go beyond 0 and 1 by so much."""


def scores_of(name: str) -> tuple[ReportedScore, ...]:
    return TABLES[name].scores


def test_every_family_has_its_table() -> None:
    assert {name: len(table.scores) for name, table in TABLES.items()} == COUNTS


def test_a_task_can_be_asked_for_alone() -> None:
    every = [score for table in TABLES.values() for score in table.scores]
    for task in ("beir/scifact", "beir/cqadupstack/tex", "lra/path-x", "codesearchnet/challenge"):
        assert shipped(task) == [score for score in every if score.task == task] != []
    assert shipped("beir/scifact", but=["beir"]) == shipped("beir/sci") == []


@pytest.mark.parametrize("name", COUNTS)
def test_the_documentation_counts_right(name: str) -> None:
    document = Path(__file__).parents[2] / "docs" / "reference.md"
    assert f"| `{name}` | {COUNTS[name]:,} |" in document.read_text()


@pytest.mark.parametrize(
    ("task", "model", "metric", "value", "digits"),
    [
        ("beir/scifact", "bm25-flat", "nDCG@10", 0.6789, 4),  # Pyserini's two-click reproductions
        ("beir/scifact", "bm25-flat", "R@1000", 0.9767, 4),
        ("beir/cqadupstack/stats", "splade-pp-ed", "nDCG@10", 0.298, 4),  # .2980
        ("beir/scifact", "all-MiniLM-L6-v2", "nDCG@10", 0.64508, 5),
        ("codesearchnet/filtered/go", "NBoW", "RR@1000", 0.33, 3),  # .330
        ("codesearchnet/challenge", "NBoW", "nDCG_all", 0.34, 3),
        ("codesearchnet/mbpp", "BM25", "RR", 0.126, 3),  # 12.6 %
        ("lra/listops", "S4", "accuracy", 0.596, 4),  # 59.60 %
        ("lra/average-6", "S5", "accuracy", 0.8746, 4),
        ("needle_threading/average-5/1.2k", "Gemini 1.5 Pro", "mean_accuracy", 0.877, 3),  # 87.7 %
        ("flowlearn/textflow-100/num-nodes", "gpt4v", "accuracy", 0.58, 2),
        ("flowlearn/textflow-100/ocr", "claude", "exact_match", 0.83, 2),
        ("nids/nf-unsw-nb15-v2", None, "f1", 0.888819, 6),
    ],
)
def test_known_scores_are_there(task: str, model: str | None, metric: str, value: float, digits: int) -> None:
    found = {
        (score.value, score.digits)
        for table in TABLES.values()
        for score in table.scores
        if (score.task, score.metric) == (task, metric) and model in (None, score.model)
    }
    assert (value, digits) in found


def test_intervals_are_those_of_the_figures() -> None:
    (score,) = [
        score
        for score in scores_of("needle_threading")
        if (score.task, score.model) == ("needle/single/25", "Claude 3 Haiku")
    ]
    assert (score.value, score.low, score.high, score.kind) == (1.0, 0.935, 1.0, "published_figure")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_score_can_be_shown(table: Table) -> None:
    for score in table.scores:
        assert score.kind in KINDS
        assert score.verification == "published"
        assert score.source.strip()
        assert re.fullmatch(r"[a-z][\w-]*(/[\w.-]+)+", score.task), score.task
        assert score.model.strip() == score.model != ""
        if score.metric in NOT_A_FRACTION:
            assert score.value >= 0
        else:
            assert 0 <= score.value <= 1, score
        if score.low is not None and score.high is not None:
            assert -BEYOND <= score.low <= score.value <= score.high <= 1 + BEYOND, score


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_source_says_two_things_of_one_model(table: Table) -> None:
    said = [(score.task, score.model, score.metric, score.note, score.source) for score in table.scores]
    assert len(said) == len(set(said))


def test_sources_that_are_measurements_of_ours_are_not_published_scores() -> None:
    assert not [s for table in TABLES.values() for s in table.scores if re.search("measured|from memory", s.source)]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tasks_go_by_our_names(table: Table) -> None:
    """Of families that are here; a group (`beir/cqadupstack`) stands for the mean of its tasks."""
    families = registry.families()
    known = {task.card.name for family in families.values() for task in family.tasks()}
    known |= {suite.name for suite in registry.suites()}
    ours = {score.task for score in table.scores if score.task.partition("/")[0] in families}
    assert ours <= known | {name.rpartition("/")[0] for name in known}


def test_beir_metrics_go_by_our_names() -> None:
    assert {score.metric for score in scores_of("beir")} <= set(NAMES)


@pytest.mark.parametrize(("number", "digits"), [("0.6789", 4), ("0.330", 3), ("1", 0), ("0.0", 1)])
def test_digits_are_those_that_are_written(number: str, digits: int) -> None:
    assert decimals(number) == digits
