"""Long Range Arena on the board: seconds at every length, growth, and the curves of all runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.contract import DataStatus, Places, TaskCard
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.run_prices import reference
from harness.efficiency.work import Stage
from harness.provenance import code_version
from harness.store import open_database, read_examples
from harness.store.claims import claim
from harness.submission import load
from leaderboard.families import lra
from tasks.lra.splits import Splits, Written, write
from tasks.lra.task import SequenceTask

if TYPE_CHECKING:
    from tests.leaderboard.conftest import Filler, Page

CARD = TaskCard(
    name="lra/tiny",
    family="lra",
    protocol="lra-1",
    primary_metric="nDCG@10",
    needs=frozenset({"ranking"}),
    description="Three sequences.",
)


def counted(tokens: int, power: int) -> Phase:
    flops = 1e6 * tokens**power
    return Phase("classify", (Operation("mix", "matmul", "float32", 1.0, flops, 4.0 * tokens, 4.0 * tokens),), layers=1)


def stage(power: int) -> Stage:
    prompt = tuple((tokens, counted(tokens, power)) for tokens in (100, 200, 300)[: power + 1])
    return Stage("classify", prompt=prompt, memory=Memory(weights_bytes=4000))


@pytest.mark.parametrize("power", [1, 2])
def test_growth_is_the_exponent_of_the_work(power: int) -> None:
    prices = lra.at_lengths([stage(power)], reference())
    assert tuple(prices) == lra.LENGTHS
    assert lra.growth(prices) == pytest.approx(power, abs=1e-9)
    seconds = [prices[length].bound_seconds for length in lra.LENGTHS]
    assert seconds == sorted(seconds)
    assert seconds[-1] / seconds[0] == pytest.approx(16**power, rel=0.02)


def test_work_that_does_not_depend_on_length_has_no_lengths() -> None:
    assert lra.at_lengths([Stage("rule", once=counted(1, 1))], reference()) == {}


def test_one_run_without_calibrated_seconds_leaves_the_bound_to_all() -> None:
    both = lra.at_lengths([stage(1)], reference())
    bound = lra.at_lengths([stage(1)], reference(stack="none"))
    assert lra.milliseconds({"one": both})[0] == "calibrated"
    basis, found = lra.milliseconds({"one": both, "other": bound})
    assert basis == "bound"
    assert found["one"] == found["other"] == {length: 1e3 * one.bound_seconds for length, one in both.items()}


def test_groups_are_counted_and_in_their_natural_order() -> None:
    groups = [{"length": "10-19"}, {"length": "0-9", "root": "MAX"}, {"length": "10-19"}, {"length": "100-109"}]
    found = lra.by_group(groups, np.array([1.0, 0.0, 0.0, 1.0]))
    assert list(found["length"].items()) == [("0-9", (0.0, 1)), ("10-19", (0.5, 2)), ("100-109", (1.0, 1))]
    assert found["root"] == {"MAX": (0.0, 1), "": (pytest.approx(2 / 3), 3)}


def test_scores_of_real_runs_by_group(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    file = filler.path.with_name("root.yaml")
    file.write_text("name: root\nfloor: true\nmodel: {kind: floor, rule: first_symbol}\n")
    command("eval", file, "--task", "lra/listops-small", "--db", filler.path)
    shown = page(task="lra/listops-small")
    (row,) = shown.table("Accuracy of each run by root").to_dict("records")
    assert set(row) == {"Submission", "MIN", "MAX", "MED", "SM"}
    assert row["SM"] < 0.2 < row["MIN"], "a sum modulo 10 may be any digit, a minimum is small"
    (score,) = [entry for entry in shown.app.dataframe[0].value["accuracy"] if entry]
    assert float(score) == pytest.approx(0.24, abs=0.03)
    shown.app.selectbox(key="group").select("length").run()
    assert "Accuracy of each run by length" in shown.tables


def test_a_real_run_is_priced_at_every_length(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    file = filler.path.with_name("pixels.yaml")
    file.write_text("name: pixels\nfloor: true\nmodel: {kind: linear, features: values}\n")
    command("eval", file, "--task", "lra/digits", "--db", filler.path)
    shown = page(task="lra/digits")
    table = shown.table("Idealized milliseconds of each run at each length")
    (row,) = table.to_dict("records")
    assert row["Submission"] == "pixels"
    assert row["Growth"] == pytest.approx(1.0, abs=0.01)
    assert row["16,384 (ms)"] == pytest.approx(4 * row["4,096 (ms)"], rel=0.05)
    assert "Longer sequences" in shown.text
    assert "Learning curves of all runs" not in shown.text, "nothing kept one"


def test_learning_curves_of_all_runs_stand_in_one_chart(filler: Filler, page: Callable[..., Page]) -> None:
    filler.card = CARD
    filler.run("one", curves={"loss": [(0, 2.0), (10, 1.0)]})
    filler.run("two", curves={"loss": [(0, 2.0), (10, 0.5)], "validation accuracy": [(10, 0.9)]})
    shown = page(task="lra/tiny")
    assert "Learning curves of all runs" in shown.text
    alternatives = [chart.proto.alt for chart in shown.app.get("vega_lite_chart")]
    assert "loss by training step of 2 runs" in alternatives
    assert "validation accuracy by training step of 1 run" in alternatives


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"Mm35]2]\nand more", "Mm35]2]\nand more"),
        ("café".encode() * 300, ("café".encode() * 300)[:500].decode("utf-8", "replace")),
        (bytes([0, 12, 255, 7]), "0 12 255 7"),
        (b"one\x00two", "111 110 101 0 116 119 111"),
    ],
)
def test_sequences_are_previewed_as_text_or_as_numbers(tmp_path: Path, places: Places, data: bytes, shown: str) -> None:
    splits = Splits([(b"a", "0")], [(b"b", "1")], [(data, "0")])
    made = write("lra/tiny", splits, places)

    class Given:
        def status(self, places: Places) -> DataStatus:
            return DataStatus("embedded", "here")

        def written(self, name: str, places: Places) -> Written:
            return made

    task = SequenceTask(name="lra/tiny", description="Tiny.", labels=("0", "1"), source=Given(), licence="CC0-1.0")
    file = tmp_path / "majority.yaml"
    file.write_text("name: majority\nmodel: {kind: floor, rule: majority}\n")
    database = open_database(str(tmp_path / "results.db"), create=True)
    workload = task.load(places)
    claimed = claim(
        database, load(file), task.card, workload, seed=0, limit=0, rerun=False, provenance=(code_version(), {})
    )
    assert read_examples.example_texts(database, claimed.recorder.key) == [shown]
