"""The fit explains times that known constants made, is not bent by odd ones, and keeps to the prior where it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.efficiency.calibration import Measurements, fit
from harness.efficiency.measured import measured_rows
from harness.efficiency.stacks import Constants, stack
from harness.efficiency.validation import measurements

TRUE = Constants(
    compute_efficiency=0.5,
    bandwidth_efficiency=0.7,
    pointwise_factor=2.0,
    host_seconds_per_layer=3e-4,
    allreduce_latency_seconds=3e-5,
)


@pytest.fixture(scope="module")
def made() -> Measurements:
    """The shapes of the FasterTransformer table, with times made by known constants."""
    real = measurements(measured_rows("fastertransformer"), stack("fastertransformer"))
    return replace(real, seconds=real.predicted(TRUE))


def test_times_that_known_constants_made_are_explained(made: Measurements) -> None:
    found = fit(made)
    errors = np.abs(made.relative_errors(found))
    assert np.median(errors) < 0.005
    assert np.max(errors) < 0.05
    assert found.compute_efficiency == pytest.approx(TRUE.compute_efficiency, rel=0.03)
    assert found.bandwidth_efficiency == pytest.approx(TRUE.bandwidth_efficiency, rel=0.1)


def test_a_tenth_of_wild_measurements_does_not_bend_the_rest(made: Measurements) -> None:
    seconds = made.seconds.copy()
    seconds[::10] *= 2.5
    errors = np.abs(made.relative_errors(fit(replace(made, seconds=seconds))))
    assert np.median(errors) < 0.01


def test_noise_of_the_times_is_the_noise_of_the_prediction(made: Measurements) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, len(made.seconds))
    constants = fit(replace(made, seconds=made.seconds * np.exp(noise)))
    assert np.median(np.abs(made.relative_errors(constants))) < 0.02


def test_one_accelerator_says_nothing_of_all_reduces(made: Measurements) -> None:
    alone = made.only(np.array([row.accelerators == 1 for row in measured_rows("fastertransformer")]))
    assert fit(alone).allreduce_latency_seconds == pytest.approx(1e-5, rel=0.01), "the centre of the prior"


def test_the_fit_is_deterministic(made: Measurements) -> None:
    assert fit(made) == fit(made)


def test_choosing_measurements_keeps_their_predictions(made: Measurements) -> None:
    chosen = np.arange(len(made.seconds)) % 3 == 1
    assert made.only(chosen).predicted(TRUE) == pytest.approx(made.predicted(TRUE)[chosen])


def test_a_cpu_has_six_constants_and_an_accelerator_five(made: Measurements) -> None:
    assert fit(made).gather_efficiency is None
    rows = measured_rows("numpy-cpu")
    assert fit(measurements(rows, stack("numpy-cpu"))).gather_efficiency is not None


def test_moving_bytes_and_multiplying_take_turns_on_a_cpu() -> None:
    rows = measured_rows("pytorch-cpu")[:3]
    on_cpu = stack("pytorch-cpu")
    overlapping = on_cpu.model_copy(update={"runs_on": "accelerator"})
    assert np.all(
        measurements(rows, on_cpu).predicted(on_cpu.constants)
        > measurements(rows, overlapping).predicted(on_cpu.constants)
    )
