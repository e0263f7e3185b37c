"""What an example takes, as the reader chooses to see it: hardware, stack and basis, without another run."""

from __future__ import annotations

import pytest

from harness.contract import Ranking

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
RUNS = "Runs of the task"
STEADY = [0.002, 0.0021, 0.0022, 0.0021, 0.002]


def test_another_accelerator_prices_stored_runs_anew(filler, page):
    filler.run("dense", GOOD, scanned=1_000_000, repeats=STEADY)
    shown = page()
    slow = shown.table(RUNS).iloc[0]
    assert slow["Bound (ms)"] == pytest.approx((1536e6 + 8e6) / 2039e9 * 1e3)
    assert slow["Calibrated (ms)"] > slow["Bound (ms)"]
    assert slow.isna()["± (%)"], "scans were not measured on it"
    assert slow["Observed (ms)"] == pytest.approx(2.0)
    shown.app.selectbox(key="hardware").set_value("H100-SXM").run()
    fast = shown.table(RUNS).iloc[0]
    assert fast["Bound (ms)"] == pytest.approx(slow["Bound (ms)"] * 2039 / 3350, rel=0.01)
    assert fast["Observed (ms)"] == slow["Observed (ms)"]
    assert "H100-SXM (fastertransformer-encoders)" in shown.text


def test_the_address_chooses_hardware_and_stack(filler, page):
    filler.run("dense", GOOD, scanned=1000)
    row = page(hardware="L4", stack="none").table(RUNS).iloc[0]
    assert row["Bound (ms)"] == pytest.approx((1536e3 + 8e3) / 300e9 * 1e3, rel=0.01)
    assert row.isna()["Calibrated (ms)"]


def test_an_unsteady_observation_is_not_shown(filler, page):
    filler.run("dense", GOOD, scanned=1000, repeats=[0.002, 0.0021, 0.003, 0.003, 0.004])
    assert page().table(RUNS).iloc[0].isna()["Observed (ms)"]


def test_the_chart_shows_one_basis_at_a_time(filler, page):
    filler.run("small", BAD, scanned=1000, repeats=[second * 9 for second in STEADY])
    filler.run("large", GOOD, scanned=1_000_000, repeats=STEADY)
    shown = page()
    assert "against calibrated milliseconds an example for 2 runs" in shown.chart
    assert all(name in shown.chart.partition("Pareto-best:")[2] for name in ("small", "large"))
    shown.app.selectbox(key="cost").set_value("observed").run()
    assert "against observed milliseconds" in shown.chart
    best = shown.chart.partition("Pareto-best:")[2]
    assert "large" in best
    assert "small" not in best, "it was slower where it ran, and worse"


def test_runs_without_counts_are_named_with_the_reason(filler, page):
    filler.run("silent", GOOD)
    shown = page()
    assert "Not priced: silent (its work was not counted" in shown.text
    assert "against CPU seconds" in shown.chart, "what all runs have"


def test_a_program_on_the_host_that_no_stack_describes_has_a_bound_alone(filler, page):
    key = filler.run("graph", GOOD, scanned=1000, by_faiss=True)
    shown = page()
    row = shown.table(RUNS).iloc[0]
    assert row["Bound (ms)"] > 0
    assert row.isna()["Calibrated (ms)"]
    assert "Bound alone: graph (no stack was fitted" in shown.text
    assert "no stack was fitted to a program" in page(file="run_page.py", run=key).text


def test_the_page_of_a_run_shows_stages_operations_and_memory(filler, page):
    key = filler.run("dense", GOOD, scanned=1_000_000, repeats=STEADY)
    shown = page(file="run_page.py", run=key)
    shown.app.selectbox(key="hardware").set_value("H100-SXM").run()
    (stage,) = shown.table("Stages of an example").to_dict("records")
    assert (stage["Stage"], stage["On"]) == ("search", "H100-SXM")
    assert stage["Bytes"] == pytest.approx(1536e6 + 8e6)
    assert shown.table("Operations").iloc[0]["Operation"] == "inner_products"
    assert "Roofline on H100-SXM. Largest operations: inner_products" in shown.chart
    assert "Roofline of an average example on H100-SXM, as fastertransformer-encoders is calibrated" in shown.text
    for words in ("1.54 GB", "Accelerators needed", "fastest of 5 repeats over 2 examples", "no error is known"):
        assert words in shown.text


def test_the_page_of_a_run_without_counts_says_so(filler, page):
    shown = page(file="run_page.py", run=filler.run("silent", GOOD))
    assert "Not priced: its work was not counted" in shown.text
    assert "Stages of an example" not in shown.tables
