"""Long Range Arena on the board: seconds at every length, growth, and the curves of all runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.contract import DataStatus, Places, TaskCard
from harness.efficiency.at_lengths import ANSWER, LENGTHS, TRAIN, phases
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.run_prices import reference
from harness.efficiency.work import Stage
from harness.provenance import code_version
from harness.store import open_database, read, read_examples
from harness.store.claims import claim
from harness.submission import load
from leaderboard.families import lra, lra_lengths, lra_mechanisms
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


def traced(power: int) -> list[Stage]:
    """As if answering and training on a batch had been traced, of which work grows so."""

    def phase(length: int, times: float) -> Phase:
        amount = times * length**power
        mixed = Operation("mix", "matmul", "float32", 1.0, 1e6 * amount, 4.0 * length, 4.0 * length)
        return Phase("batch", (mixed,), layers=1, peak_bytes=int(1000 * amount))

    return [
        Stage(name, prompt=tuple((n, phase(n, times)) for n in LENGTHS), memory=Memory(weights_bytes=4000))
        for name, times in ((ANSWER, 1.0), (TRAIN, 3.0))
    ]


@pytest.mark.parametrize("power", [1, 2])
def test_growth_is_the_exponent_of_the_work(power: int) -> None:
    assert lra_lengths.growth(phases(traced(power), ANSWER)) == pytest.approx(power, abs=1e-9)
    assert lra_lengths.held_bytes(traced(power), ANSWER)[1024] == 4000 + 1000 * 1024**power
    prices = lra_lengths.prices(traced(power), ANSWER, reference())
    assert prices[4096].bound_seconds / prices[1024].bound_seconds == pytest.approx(4**power, rel=0.02)


def test_a_length_that_no_number_of_accelerators_holds_has_no_price() -> None:
    assert tuple(lra_lengths.prices(traced(1), ANSWER, reference())) == LENGTHS
    assert tuple(lra_lengths.prices(traced(2), ANSWER, reference())) == LENGTHS[:-1]


def test_what_was_not_traced_at_these_lengths_has_no_prices() -> None:
    assert lra_lengths.prices([Stage("rule", once=traced(1)[0].prompt[0][1])], ANSWER, reference()) == {}


def test_one_without_calibrated_seconds_leaves_the_bound_to_all() -> None:
    both = lra_lengths.prices(traced(1), ANSWER, reference())
    bound = lra_lengths.prices(traced(1), ANSWER, reference(stack="none"))
    assert lra_lengths.seconds({"one": both})[0] == "calibrated"
    basis, found = lra_lengths.seconds({"one": both, "other": bound})
    assert basis == "bound"
    assert found["one"] == found["other"] == {length: one.bound_seconds for length, one in both.items()}


def test_an_interval_over_seeds_is_wider_than_one_over_examples_alone() -> None:
    """Three seeds of the same draws have their interval; three that differ by .02 have that spread in it as well."""
    draw = np.random.default_rng(0).normal(0.9, 0.01, 1000)
    alone = lra_mechanisms.interval(draw[None])
    assert lra_mechanisms.interval(np.array([draw] * 3)) == pytest.approx(alone)
    low, high = lra_mechanisms.interval(np.array([draw - 0.02, draw, draw + 0.02]))
    assert low < alone[0] - 0.003 and high > alone[1] + 0.003


def test_a_mechanism_is_named_by_what_is_not_the_usual() -> None:
    usual = {"mixer": "softmax", "norm": "layer_norm", "feed_forward": "dense", "causal": False, "share_layers": False}
    assert lra_mechanisms.mechanism(usual) == "softmax"
    changed = usual | {"mixer": "diff_qkv", "norm": "rms_norm", "causal": True}
    assert lra_mechanisms.mechanism(changed) == "diff qkv, rms norm, causal"


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


SWEEP = """
name: tiny
model: {kind: sequence, width: 8, heads: 2, depth: 1, hidden: 8, budget: {steps: 5}, device: cpu}
sweep: {over: {mixer: [softmax, fft]}, seeds: [0, 1]}
"""


def test_mechanisms_stand_with_seeds_floor_badges_and_what_longer_sequences_take(
    command: Callable[..., object], filler: Filler, page: Callable[..., Page]
) -> None:
    sweep, majority = (filler.path.with_name(f"{name}.yaml") for name in ("sweep", "majority"))
    sweep.write_text(SWEEP)
    majority.write_text("name: majority\nfloor: true\nmodel: {kind: floor, rule: majority}\n")
    command("eval", sweep, majority, "--task", "lra/digits", "--db", filler.path)
    shown = page(task="lra/digits")
    rows = {row["Mechanism"]: row for row in shown.table("Mechanisms by task, with badges").to_dict("records")}
    assert set(rows) == {"softmax", "fft", "best floor"}
    runs = read.runs(open_database(str(filler.path), create=False), "lra/digits")
    values = [row["value"] for row in runs if row["submission"] == "tiny: fft"]
    assert len(values) == rows["fft"]["digits, seeds"] == 2
    assert rows["fft"]["digits"] == pytest.approx(sum(values) / 2)
    assert (rows["softmax"]["Padding"], rows["fft"]["Padding"]) == ("yes", "no")
    assert rows["softmax"]["FLOPs"] == pytest.approx(2.0, abs=0.02)
    assert rows["best floor"]["digits, 95 %"] == "majority"
    lengths = {row["Mechanism"]: row for row in shown.table("Milliseconds of each mechanism").to_dict("records")}
    assert lengths["softmax"]["Growth"] > lengths["fft"]["Growth"]
    shown.app.segmented_control(key="lengths_cost").select("Memory (MB)").run()
    held = {row["Mechanism"]: row for row in shown.table("Memory (MB) of each mechanism").to_dict("records")}
    assert held["softmax"]["16,384"] == pytest.approx(4 * held["softmax"]["4,096"], rel=0.05), "no scores are kept"
    assert "one of 2 trials" in str(shown.app.dataframe[0].value["Marks"].tolist())


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
