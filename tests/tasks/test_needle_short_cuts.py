"""The lines of a needle task are what the rules reach that it must not reward, whether anybody runs them or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.contract import Inputs, Places, Resources, Workload
from harness.models.haystack_rules import HaystackRules, HaystackRulesConfig

RULES = {"last value": "last_value", "random value": "random_value", "value that is no key": "no_key"}
TASKS = [f"{kind}/25" for kind in ("single", "multiple", "conditional", "threads", "multi-threads", "branched")]


def score(workload: Workload, rule: Any, seed: int) -> float:
    model = HaystackRules(HaystackRulesConfig(rule=rule), seed)
    model.prepare(Resources(Inputs(), [], Path(), Path()))
    predictions = {p.id: p for p in model.predict(workload.examples)}
    return float(workload.scorer.columns(list(predictions), predictions)["accuracy"].mean())


@pytest.mark.parametrize("name", [*TASKS, "single/2", "threading-small"])
def test_lines_are_what_the_rules_score(name: str, places: Places) -> None:
    workload = registry.task(f"needle/{name}").load(places)
    floors = {line.name: line.value for line in workload.lines if line.kind == "floor"}
    assert floors.keys() == RULES.keys()
    assert score(workload, "last_value", 0) == pytest.approx(floors["last value"])
    for line in ("random value", "value that is no key"):
        drawn = [score(workload, RULES[line], seed) for seed in range(12)]
        spread = np.std(drawn) / 12**0.5
        assert abs(np.mean(drawn) - floors[line]) < 5 * spread + 1e-9, line


@pytest.mark.parametrize("name", TASKS)
def test_right_answers_are_the_ceiling(name: str, places: Places) -> None:
    workload = registry.task(f"needle/{name}").load(places)
    (rung,) = (line for line in workload.lines if line.kind == "rung")
    assert (rung.name, rung.value) == ("lookup", 1.0)


def test_longer_haystacks_give_less_away(places: Places) -> None:
    best = [
        max(line.value for line in registry.task(f"needle/threads/{pairs}").load(places).lines if line.kind == "floor")
        for pairs in (25, 100, 1280)
    ]
    assert best == sorted(best, reverse=True) and best[-1] < 0.05
