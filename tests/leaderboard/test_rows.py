"""Ranks and the Pareto front are what their definitions say, whatever the number of runs."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from leaderboard.rows import Entry, entries, pareto

RUN = Entry(
    run="",
    label="",
    rank=1,
    value=0.0,
    low=0.0,
    high=0.0,
    higher_is_better=True,
    prepare_cpu_seconds=None,
    predict_cpu_seconds=None,
    peak_rss_bytes=None,
    index_bytes=None,
    n=1,
    seed=0,
    kind="",
    settings="",
    marks=(),
    created=datetime(2026, 1, 1, tzinfo=UTC),
    is_partial=False,
    is_floor=False,
    verification="recomputed",
    reproduced=None,
    parameters=None,
    licence="",
)
FEW = st.integers(0, 4).map(float)  # so few values that many are equal


@given(st.lists(st.tuples(FEW, FEW)), st.booleans())
def test_the_front_is_all_that_no_other_run_beats(points: list[tuple[float, float]], higher_is_better: bool) -> None:
    sign = 1 if higher_is_better else -1
    found = [
        dataclasses.replace(RUN, run=str(i), value=sign * score, higher_is_better=higher_is_better)
        for i, (score, _) in enumerate(points)
    ]
    unbeaten = {
        str(i)
        for i, (score, cost) in enumerate(points)
        if not any(s >= score and c <= cost and (s, c) != (score, cost) for s, c in points)
    }
    assert pareto(found, {str(i): cost for i, (_, cost) in enumerate(points)}) == unbeaten


@given(st.lists(st.integers(0, 9)))
def test_a_rank_is_one_more_than_the_number_of_better_scores(scores: list[int]) -> None:
    rows = [
        {"run": str(i), "submission": f"s{i}", "submission_digest": str(i), "state": "done", "metric": "m"}
        | {"value": score / 9, "ci_low": 0.0, "ci_high": 1.0, "higher_is_better": True, "n": 1, "task_examples": 1}
        | {"prepare_cpu_seconds": None, "predict_cpu_seconds": None, "peak_rss_bytes": None, "index_bytes": None}
        | {
            "prepare_cached": None,
            "predict_cached": None,
            "runs_code": False,
            "floor": False,
            "coverage": 1.0,
            "trials": 1,
            "size_matched": None,
            "parameters": None,
            "licence": "",
            "seed": 0,
        }
        | {"kind": "k", "settings": {}, "created": RUN.created, "verification": "recomputed", "reproduced": None}
        for i, score in enumerate(scores)
    ]
    ranks = {entry.run: entry.rank for entry in entries(rows, all_runs=False)}
    assert ranks == {str(i): 1 + sum(other > score for other in scores) for i, score in enumerate(scores)}
