"""The three columns of a run: what is shown, and why something is not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contract import Usage
from harness.efficiency.run_prices import columns, observed, preparing, reference
from harness.efficiency.search_work import flat_scan, posting
from harness.efficiency.work import Stage, tallied
from harness.errors import InputError
from harness.store.read_work import RunWork

ROW: dict[str, Any] = {
    "state": "done",
    "work_note": "",
    "observed_n": 10,
    "observed_min_seconds": 0.002,
    "observed_median_seconds": 0.0021,
    "observed_max_seconds": 0.0024,
}
SCAN = Stage("search", once=flat_scan(1_000_000, 384))


def work(stage: Stage, *usages: Usage) -> RunWork:
    return RunWork("digest", (stage,), tallied(usages), ())


def test_changing_the_hardware_changes_the_seconds_and_nothing_else() -> None:
    stored = work(SCAN, Usage("search"))
    a100, h100 = (columns(ROW, stored, reference(hardware=name)) for name in ("A100-80GB-SXM", "H100-SXM"))
    assert a100["bound_seconds"] / h100["bound_seconds"] == pytest.approx(3350 / 2039, rel=0.01), "their bandwidths"
    assert a100["calibrated_seconds"] > a100["bound_seconds"]
    assert a100["observed_seconds"] == h100["observed_seconds"] == 0.002
    assert a100["accelerator_seconds"] == a100["calibrated_seconds"]
    assert a100["energy_joules"] == pytest.approx(400 * a100["accelerator_seconds"])


def test_preparing_is_apart_from_what_an_example_takes() -> None:
    served = tallied([Usage("search")])
    once = RunWork("digest", (SCAN,), served, ())
    hundredfold = RunWork("digest", (SCAN,), served, tallied([Usage("search")] * 100))
    on = reference()
    assert columns(ROW, hundredfold, on) == columns(ROW, once, on)
    found = preparing(ROW, hundredfold, on)
    assert found["preparing_bound_seconds"] == pytest.approx(100 * columns(ROW, once, on)["bound_seconds"])
    assert found["preparing_unpriced"] is None
    nothing = preparing(ROW, once, on)
    assert (nothing["preparing_bound_seconds"], nothing["preparing_unpriced"]) == (
        None,
        "nothing that it prepares is counted",
    )


def test_without_a_stack_there_is_a_bound_and_no_calibrated_column() -> None:
    found = columns(ROW, work(SCAN, Usage("search")), reference(stack="none"))
    assert found["bound_seconds"] > 0
    assert (found["stack"], found["calibrated_seconds"], found["calibrated_error_p90"]) == (None, None, None)


def test_work_on_the_host_costs_no_accelerator() -> None:
    stage = Stage("search", device="host", each={"postings": posting()})
    found = columns(ROW, work(stage, Usage("search", postings=1000)), reference())
    assert (found["accelerators"], found["accelerator_seconds"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"work_note": "its work cannot be counted: 'mystery' has no formula"}, "mystery"),
        ({"work_note": ""}, "does not describe its stages"),
        ({"work_note": None}, "--rerun counts it"),
    ],
)
def test_a_run_without_counts_says_why(change: dict[str, Any], reason: str) -> None:
    found = columns(ROW | change, None, reference())
    assert found["bound_seconds"] is None
    assert reason in found["unpriced"]


def test_hardware_that_lacks_a_number_is_named() -> None:
    stored = work(Stage("search", once=flat_scan(10**11, 384), index_bytes=4 * 384 * 10**11), Usage("search"))
    found = columns(ROW, stored, reference(hardware="L4"))
    assert found["bound_seconds"] is None
    assert "do not fit" in found["unpriced"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"observed_median_seconds": 0.0026}, "1.30 times the fastest"),
        ({"observed_n": 4}, "4 repeats; at least 5"),
        ({"observed_n": 0, "observed_min_seconds": None, "observed_median_seconds": None}, "not timed"),
        ({"observed_min_seconds": 0.0}, "at most 1.25"),
    ],
)
def test_an_observed_time_that_cannot_be_trusted_is_refused(change: dict[str, Any], reason: str) -> None:
    found = observed(ROW | change)
    assert found["observed_seconds"] is None
    assert reason in found["observed_refused"]


def test_the_fastest_of_steady_repeats_is_shown() -> None:
    assert observed(ROW) == {
        "observed_seconds": 0.002,
        "observed_spread": pytest.approx(1.05),
        "observed_refused": None,
    }


def test_an_unknown_name_suggests_the_nearest() -> None:
    for asked in ({"hardware": "H100"}, {"stack": "fastertransfomer"}, {"host": "EPYC-7742"}):
        with pytest.raises(InputError) as caught:
            reference(**asked)
        assert "Did you mean" in caught.value.hint
