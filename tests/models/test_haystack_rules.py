"""The ceiling reaches every answer, and the short cuts reach no more than they should."""

from __future__ import annotations

import pytest

from harness import registry
from harness.contract import Example, Failure, Places, Prediction, Prompt, Texts, Usage, Workload
from harness.models.haystack_rules import HaystackRules, HaystackRulesConfig

KINDS = ("single", "multiple", "conditional", "threads", "multi-threads", "branched")


def rule(name: str, seed: int = 0) -> HaystackRules:
    return HaystackRules(HaystackRulesConfig.model_validate({"rule": name}), seed)


def score(name: str, workload: Workload, metric: str = "accuracy") -> float:
    predictions = {p.id: p for p in rule(name).predict(workload.examples)}
    columns = workload.scorer.columns([e.id for e in workload.examples], predictions)
    return float(columns[metric].mean())


def load(kind: str, pairs: int, places: Places) -> Workload:
    return registry.task(f"needle/{kind}/{pairs}").load(places)


@pytest.mark.parametrize("kind", KINDS)
def test_lookup_is_right_on_every_task_by_every_metric(kind: str, places: Places) -> None:
    for pairs in (25, 100):
        workload = load(kind, pairs, places)
        for metric in ("accuracy", "strict_accuracy", "exact", "hops"):
            assert score("lookup", workload, metric) == 1, (pairs, metric)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("short_cut", ["last_value", "random_value", "no_key"])
def test_no_short_cut_passes(kind: str, short_cut: str, places: Places) -> None:
    assert score(short_cut, load(kind, 200, places)) < 0.3


def test_short_cuts_find_what_they_are_for(places: Places) -> None:
    """Where there is nothing to hide behind they succeed, so a low score says something."""
    haystack = '{"a": "b", "x": "y", "b": "c"}\n'
    asked = Example("q", Prompt(f'{haystack}follow the thread. Key: "a"\n Corresponding value: '))
    for name in ("lookup", "last_value", "no_key"):
        assert rule(name).predict([asked]) == [Prediction("q", Texts(['"c"']), (Usage("read", documents=3),))]
    (stage,) = rule("lookup").phases().stages
    assert (stage.name, stage.device) == ("read", "host")


def test_the_random_rule_depends_on_the_seed_and_on_nothing_else(places: Places) -> None:
    examples = load("single", 25, places).examples
    whole = rule("random_value").predict(examples)
    assert whole == [rule("random_value").predict([example])[0] for example in examples]
    assert whole != rule("random_value", seed=1).predict(examples)


@pytest.mark.parametrize(
    "prompt", ["no object", "{\n", '{"a": 1}\n"a"?', '{"a": "b"\n}\n', "[" * 100_000 + "}\n?", '["a"]}\n?', "}\n?", ""]
)
def test_a_prompt_without_an_object_is_not_answered(prompt: str) -> None:
    (prediction,) = rule("lookup").predict([Example("q", Prompt(prompt))])
    assert isinstance(prediction.output, Failure)


def test_a_thread_that_comes_back_to_itself_has_no_end() -> None:
    (prediction,) = rule("lookup").predict([Example("q", Prompt('{"a": "b", "b": "a"}\nfollow the thread from "a"'))])
    assert prediction.output == Failure("unanswered")
