"""The claims about accuracy, recomputed from the published measurements that ship, with the folds kept apart."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from harness.efficiency.stacks import stack, stacks
from harness.efficiency.validation import FOLDS, Fold, bounds, fitted, held_out_errors, measured_rows, report, shapes

MOST = {
    ("megatron-2022", "leave one model out: prefill and per-token"): (182, 0.083),
    ("megatron-2022", "leave one model out: whole requests"): (1620, 0.083),
    ("megatron-2022", "leave one model out, fit on p >= 512, test p < 512"): (660, 0.10),
    ("fastertransformer", "leave one model out, 1 accelerator"): (54, 0.044),
    ("fastertransformer", "leave one accelerator count out"): (188, 0.09),
    ("gpt-fast", "leave one model out"): (7, 0.09),
}
"""Fold: how many points it has, and the largest median error that is accepted."""


@pytest.fixture(scope="module")
def results() -> list[dict[str, Any]]:
    return report()


def test_every_fold_is_as_accurate_as_claimed(results: list[dict[str, Any]]) -> None:
    assert {(row["stack"], row["fold"]) for row in results} == set(MOST)
    for row in results:
        n, most = MOST[row["stack"], row["fold"]]
        assert row["n"] == n
        assert row["median_error"] <= most, row
        assert row["median_error"] <= row["p90_error"]


@pytest.mark.parametrize("name", sorted(stacks()))
def test_shipped_constants_and_errors_are_what_the_tables_give(name: str, results: list[dict[str, Any]]) -> None:
    assert stack(name).constants.model_dump() == pytest.approx(fitted(name).model_dump(), rel=0.01)
    recomputed = [row for row in results if row["stack"] == name]
    for shipped, row in zip(stack(name).held_out, recomputed, strict=True):
        assert (shipped.fold, shipped.n) == (row["fold"], row["n"])
        assert [shipped.median_error, shipped.p90_error] == pytest.approx(
            [row["median_error"], row["p90_error"]], abs=0.002
        )


@pytest.mark.parametrize("fold", [f for f in FOLDS if f.table != "megatron-2022-requests"], ids=lambda f: f.name)
def test_what_is_held_out_has_no_say_in_its_prediction(fold: Fold) -> None:
    table = measured_rows(fold.table)
    out = fold.group(table[0])
    changed = tuple(
        msgspec.structs.replace(row, seconds=7 * row.seconds) if fold.group(row) == out else row for row in table
    )
    (rows, errors), (_, of_changed) = held_out_errors(fold, table), held_out_errors(fold, changed)
    held_out = np.array([fold.group(row) == out for row in rows])
    assert (1 + errors)[held_out] == pytest.approx(7 * (1 + of_changed)[held_out])


def test_short_prompts_are_predicted_from_long_ones_of_other_models() -> None:
    fold = next(fold for fold in FOLDS if "512" in fold.name)
    rows = measured_rows(fold.table)
    assert not any(fold.fitted_on(row) and fold.tested_on(row) for row in rows)
    assert {row.prompt_tokens for row in rows if fold.tested_on(row)} >= {1, 16, 64, 256}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("megatron-2022", "megatron-2022"),
        ("megatron-2022-requests", "megatron-2022"),
        ("fastertransformer", "fastertransformer"),
        ("gpt-fast", "gpt-fast"),
    ],
)
def test_no_measurement_is_faster_than_physics(table: str, name: str) -> None:
    rows = measured_rows(table)
    achieved = bounds(rows, stack(name)) / np.array([row.seconds for row in rows])
    assert achieved.max() < 1
    assert np.median(achieved) < 0.6, "the bound alone is no prediction"


def test_every_measurement_cites_its_source() -> None:
    for table in ("megatron-2022", "megatron-2022-requests", "fastertransformer", "gpt-fast"):
        assert all("@" in row.source and row.model in shapes() for row in measured_rows(table))
