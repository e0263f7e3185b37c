"""A user's own stack on measurements of the user's own: fitted, tested on what each fit left out, refused by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.efficiency.measured import read_lines
from harness.efficiency.own_stack import as_yaml, validate
from harness.efficiency.pricing import ImpossibleClaim
from harness.efficiency.stacks import Constants, StackToFit, stack
from harness.efficiency.validation import measurements
from harness.errors import InputError

Command = Callable[..., Any]
FORM = "name: mine\nruns_on: cpu\nhost: adds\n"
TRUE = Constants(
    compute_efficiency=0.6,
    bandwidth_efficiency=0.25,
    pointwise_factor=1.5,
    host_seconds_per_layer=4e-4,
    allreduce_latency_seconds=1e-5,
    gather_efficiency=0.1,
)
SIZES = {"small": (4, 256, 4), "wide": (4, 1024, 16), "deep": (16, 512, 8)}


@pytest.fixture
def form(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FORM)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Times of three encoders that known constants made."""
    path = tmp_path / "mine.csv"
    rows = [
        {
            **{"quantity": "encode", "model": name, "architecture": "bert", "layers": layers, "hidden": hidden},
            **{"heads": heads, "kv_heads": heads, "ffn": 4 * hidden, "vocabulary": 30522, "dtype": "float32"},
            **{"hardware": "EPYC-9654-core", "batch": batch, "prompt_tokens": tokens, "seconds": 1.0, "source": "made"},
        }
        for name, (layers, hidden, heads) in SIZES.items()
        for batch in (1, 8)
        for tokens in (16, 64, 256)
    ]
    write(path, rows)
    data = measurements(
        tuple(line.row for line in read_lines(path)), StackToFit(name="mine", runs_on="cpu", host="adds")
    )
    write(path, [{**row, "seconds": s} for row, s in zip(rows, data.predicted(TRUE), strict=True)])
    return path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_stack_without_constants_is_fitted(form: Path, table: Path) -> None:
    found = validate(str(form), table)
    assert found.fitted
    assert found.constants.compute_efficiency == pytest.approx(TRUE.compute_efficiency, rel=0.05)
    assert [(fold.fold, fold.n) for fold in found.held_out] == [
        ("leave one model out", 18),
        ("leave one length out", 18),
    ]
    assert all(fold.median_error < 0.05 for fold in found.held_out)


def test_what_it_prints_makes_the_file_whole(form: Path, table: Path) -> None:
    found = validate(str(form), table)
    form.write_text(FORM + as_yaml(found) + "\n")
    whole = stack(str(form))
    assert whole.constants.model_dump() == pytest.approx(found.constants.model_dump(), rel=1e-3)
    assert whole.held_out == found.held_out
    again = validate(str(form), table)
    assert (again.fitted, again.held_out[0].fold) == (False, "constants as given")
    assert again.held_out[0].median_error < 0.05


def test_constants_as_given_are_not_fitted(form: Path, table: Path) -> None:
    wrong = TRUE.model_copy(update={"compute_efficiency": 0.3})
    form.write_text(FORM + "constants: " + json.dumps(wrong.model_dump()) + "\n")
    found = validate(str(form), table)
    assert found.constants == wrong
    given, *folds = found.held_out
    assert given.median_error > 0.3
    assert all(fold.median_error < 0.05 for fold in folds), "each fold fits its own"


def test_what_is_left_out_has_no_say(form: Path, table: Path) -> None:
    rows = list(csv.DictReader(table.open()))
    write(table, [{**row, "seconds": float(row["seconds"]) * (5 if row["model"] == "deep" else 1)} for row in rows])
    by_model = validate(str(form), table).held_out[0]
    assert by_model.p90_error == pytest.approx(0.8, abs=0.02), "six of 18 are five times as slow as the others say"
    assert np.isclose(by_model.median_error, 0.8, atol=0.1) or by_model.median_error > 0.1


def test_a_time_below_the_bound_is_refused_with_its_line(form: Path, table: Path) -> None:
    rows = list(csv.DictReader(table.open()))
    rows[4]["seconds"] = "1e-6"
    write(table, rows)
    with pytest.raises(ImpossibleClaim, match=r"mine\.csv:6: 1e-06 s is less than"):
        validate(str(form), table)


def test_one_row_cannot_be_both_fitted_and_tested(form: Path, table: Path) -> None:
    write(table, list(csv.DictReader(table.open()))[:1])
    with pytest.raises(InputError, match="nothing can be left out"):
        validate(str(form), table)


def test_a_stack_that_ships_can_be_tested_elsewhere(table: Path) -> None:
    assert validate("pytorch-cpu", table).held_out[0].fold == "constants as given"


def test_the_command_prints_what_to_put_in_the_file(command: Command, form: Path, table: Path) -> None:
    ended = command("profile", "--validate", "--stack", form, "--measurements", table)
    assert ended.code == 0, ended.err
    assert "leave one model out" in ended.out
    assert "  compute_efficiency: 0." in ended.out
    found = json.loads(command("profile", "--validate", "--stack", form, "--measurements", table, "--json").out)
    assert [*found] == ["name", "constants", "held_out"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--measurements", "mine.csv"), "Add --validate and --stack NAME"),
        (("--validate", "--measurements", "mine.csv"), "Add --validate and --stack NAME"),
        (("--validate", "--stack", "pytorch-cpu", "--measurements", "nowhere.csv"), "cannot read the measurements"),
        (("--validate", "--stack", "pytorch-gpu"), "Did you mean 'pytorch-cpu'?"),
    ],
)
def test_mistakes_get_a_sentence(command: Command, arguments: tuple[object, ...], said: str) -> None:
    ended = command("profile", *arguments)
    assert ended.code == 2
    assert said in ended.err
