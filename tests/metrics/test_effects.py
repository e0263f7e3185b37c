"""What the settings of a sweep are worth: known answers on small grids."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from harness.metrics.effects import Trial, effects

HEADS, BODIES = {"last": 0.9, "mean": 0.7}, {"wide": 0.02, "narrow": 0.0}


def trials(seeds: int = 3, noise: float = 0.0) -> list[Trial]:
    random = np.random.default_rng(0)
    return [
        Trial({"head": head, "body": body, "kind": "flow"}, seed, HEADS[head] + BODIES[body] + random.normal(0, noise))
        for head, body, seed in product(HEADS, BODIES, range(seeds))
    ]


def test_the_setting_that_matters_comes_first_with_its_share_and_its_best_value() -> None:
    head, body = effects(trials())
    assert (head.name, body.name) == ("head", "body")  # `kind` does not vary
    assert [level.value for level in head.levels] == ["last", "mean"]
    assert head.levels[0].score.value == pytest.approx(0.91)
    assert head.levels[1].behind.value == pytest.approx(0.2)
    assert head.share.value == pytest.approx(0.1**2 / (0.1**2 + 0.01**2))
    assert head.share.value + body.share.value == pytest.approx(1)


def test_intervals_are_students_over_seeds() -> None:
    scores = {0: 0.5, 1: 0.6, 2: 0.7}
    found = effects([Trial({"a": a}, seed, score + (a == "x")) for a in "xy" for seed, score in scores.items()])
    level = found[0].levels[1]
    assert level.score.value == pytest.approx(0.6)
    assert level.score.high == pytest.approx(0.6 + 4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert (level.behind.low, level.behind.high) == (pytest.approx(1), pytest.approx(1))


def test_a_seed_that_lacks_a_cell_is_left_out_and_a_single_one_has_no_interval() -> None:
    found = effects([trial for trial in trials(2) if (trial.seed, trial.settings["head"]) != (1, "mean")])
    assert found[0].share.low is None
    assert effects([trial for trial in trials(1) if trial.settings != trials(1)[0].settings]) == []
    assert effects([]) == []


def test_where_less_is_better_the_least_is_the_best() -> None:
    (head, _) = effects(trials(), higher_is_better=False)
    assert head.levels[0].value == "mean"
    assert head.levels[1].behind.value == pytest.approx(0.2)
