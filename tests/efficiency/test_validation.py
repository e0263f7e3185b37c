"""The claims about accuracy, recomputed from the published measurements that ship, with the folds kept apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.efficiency.gpt_shapes import Shape, encode
from harness.efficiency.measured import MeasuredRow, ModelRow, measured_rows
from harness.efficiency.stacks import stack, stacks
from harness.efficiency.validation import FOLDS, Fold, bounds, fitted, held_out_errors, report

MOST = {
    ("megatron-2022", "leave one model out: prefill and per-token"): (182, 0.083),
    ("megatron-2022", "leave one model out: whole requests"): (1620, 0.083),
    ("megatron-2022", "leave one model out, fit on p >= 512, test p < 512"): (660, 0.10),
    ("fastertransformer", "leave one model out, 1 accelerator"): (54, 0.044),
    ("fastertransformer", "leave one accelerator count out"): (188, 0.09),
    ("gpt-fast", "leave one model out"): (7, 0.09),
    ("fastertransformer-encoders", "leave one model out, up to 384 tokens"): (17, 0.09),
    ("fastertransformer-encoders", "carried from A100 in float16 to 577 tokens"): (8, 0.25),
    ("fastertransformer-encoders", "carried from A100 in float16 to T4"): (25, 0.30),
    ("fastertransformer-encoders", "carried from A100 in float16 to V100"): (9, 0.15),
    ("fastertransformer-encoders", "carried from A100 in float16 to A10"): (9, 0.18),
    ("fastertransformer-encoders", "carried from A100 in float16 to tfloat32"): (9, 0.30),
    ("fastertransformer-encoders", "carried from A100 in float16 to float32 on A100, V100 and T4"): (27, 0.25),
    ("pytorch-cpu", "leave one model out: encoders"): (70, 0.06),
    ("pytorch-cpu", "leave one length out: encoders"): (70, 0.06),
    ("pytorch-cpu", "leave one model out: decoders, prefill"): (29, 0.08),
    ("pytorch-cpu", "leave one length out: decoders, prefill"): (29, 0.08),
    ("pytorch-cpu", "leave one model out: decoders, per token"): (25, 0.13),
    ("pytorch-cpu", "leave one length out: decoders, per token"): (25, 0.13),
    ("numpy-cpu", "leave one corpus out: BM25"): (111, 0.12),
    ("numpy-cpu", "leave one corpus out: flat scan"): (63, 0.12),
}
"""Fold: how many points it has, and the largest median error that is accepted."""
TABLES = {
    **{"megatron-2022": "megatron-2022", "megatron-2022-requests": "megatron-2022"},
    **{name: name for name in ("fastertransformer", "gpt-fast", "fastertransformer-encoders")},
    **{name: name for name in ("pytorch-cpu", "numpy-cpu")},
}
"""Table: whose times they are."""
DOCS = Path(__file__).parents[2] / "docs" / "efficiency.md"


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
    shipped_constants, constants = (c.model_dump(exclude_none=True) for c in (stack(name).constants, fitted(name)))
    assert shipped_constants == pytest.approx(constants, rel=0.01)
    recomputed = [row for row in results if row["stack"] == name]
    for shipped, row in zip(stack(name).held_out, recomputed, strict=True):
        assert (shipped.fold, shipped.n) == (row["fold"], row["n"])
        assert [shipped.median_error, shipped.p90_error] == pytest.approx(
            [row["median_error"], row["p90_error"]], abs=0.002
        )


@pytest.mark.parametrize("fold", FOLDS, ids=lambda f: f"{f.stack}: {f.name}")
def test_what_ships_says_what_its_error_stands_for(fold: Fold) -> None:
    rows = [row for row in measured_rows(fold.table) if fold.rows(row) and fold.tested_on(row)]
    (shipped,) = (found for found in stack(fold.stack).held_out if found.fold == fold.name)
    assert set(shipped.hardware) == {row.hardware for row in rows}
    assert set(shipped.dtypes) == {row.dtype for row in rows if isinstance(row, ModelRow)}
    assert shipped.phases == fold.phases


def test_the_table_of_the_documentation_is_what_ships() -> None:
    written = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if line.startswith(tuple(f"| {name} |" for name in stacks()))
    ]
    shipped = [
        [name, fold.fold, f"{fold.n:,}", f"{fold.median_error:.1%}", f"{fold.p90_error:.1%}"]
        for name in stacks()
        for fold in stack(name).held_out
    ]
    assert [[cell.replace(" %", "%") for cell in row] for row in written] == shipped


def test_constants_carried_to_what_nobody_measured_have_no_known_error() -> None:
    bert = encode(Shape(12, 768, 12, 12, 3072, 0, architecture="layers"), 1, 128)
    encoders = stack("fastertransformer-encoders")
    at_home, on_t4 = encoders.error_on("A100-80GB-SXM", [bert]), encoders.error_on("T4", [bert])
    assert at_home is not None and on_t4 is not None and at_home < on_t4
    assert encoders.error_on("H100-SXM", [bert]) is None
    assert stack("pytorch-cpu").error_on("EPYC-9654-core", [bert]) is None, "float16 was not measured there"


@pytest.mark.parametrize(
    "fold", [f for f in FOLDS if f.table != "megatron-2022-requests"], ids=lambda f: f"{f.stack}: {f.name}"
)
def test_what_is_held_out_has_no_say_in_its_prediction(fold: Fold) -> None:
    table = measured_rows(fold.table)
    tested = [row for row in table if fold.rows(row) and fold.tested_on(row)]

    def is_out(row: MeasuredRow) -> bool:
        return row in tested if fold.group is None else fold.group(row) == fold.group(tested[0])

    changed = tuple(msgspec.structs.replace(row, seconds=7 * row.seconds) if is_out(row) else row for row in table)
    (rows, errors), (_, of_changed) = held_out_errors(fold, table), held_out_errors(fold, changed)
    held_out = np.array([is_out(row) for row in rows])
    assert held_out.any()
    assert (1 + errors)[held_out] == pytest.approx(7 * (1 + of_changed)[held_out])


def test_short_prompts_are_predicted_from_long_ones_of_other_models() -> None:
    fold = next(fold for fold in FOLDS if "512" in fold.name)
    rows = measured_rows(fold.table)
    assert not any(fold.fitted_on(row) and fold.tested_on(row) for row in rows)
    assert {row.prompt_tokens for row in rows if fold.tested_on(row)} >= {1, 16, 64, 256}


@pytest.mark.parametrize(("table", "name"), TABLES.items())
def test_no_measurement_is_faster_than_physics(table: str, name: str) -> None:
    rows = measured_rows(table)
    achieved = bounds(rows, stack(name)) / np.array([row.seconds for row in rows])
    assert achieved.max() < 1
    assert np.median(achieved) < 0.75, "the bound alone is no prediction"


def test_every_measurement_cites_its_source() -> None:
    for table in TABLES:
        assert all("@" in row.source for row in measured_rows(table))


@pytest.mark.parametrize("table", ["pytorch-cpu", "numpy-cpu"])
def test_what_was_measured_here_was_measured_often_and_in_quiet(table: str) -> None:
    assert all(row.repeats >= 10 and row.spread <= 1.25 for row in measured_rows(table))
