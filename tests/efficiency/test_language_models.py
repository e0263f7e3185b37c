"""Ledgers from a configuration alone equal those of the real model, and the numbers that are published for it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
import transformers

from harness.efficiency.language_models import language_model_ledger, load_config
from harness.efficiency.model_configs import shipped_configs
from harness.efficiency.trace import trace
from harness.errors import InputError
from tests.efficiency.small_models import (
    CAUSAL,
    TEXT,
    assert_same,
    cache_name,
    ids,
    real,
    real_model,
)

P, C = 12, 9


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", CAUSAL)
def test_prefill_and_decode_are_those_of_a_real_run(name, attention):
    config = CAUSAL[name]
    ledger = language_model_ledger(
        config, batch=2, prompt_tokens=P, context_tokens=C, dtype="float32", attention=attention
    )
    if name == "t5":
        model = real_model(transformers.AutoModelForSeq2SeqLM, config, attention)
        first = {"input_ids": ids(P), "decoder_input_ids": ids(1)}
        context = {"input_ids": ids(P), "decoder_input_ids": ids(C)}
    else:
        model = real_model(transformers.AutoModelForCausalLM, config, attention)
        first, context = {"input_ids": ids(P), "use_cache": True}, {"input_ids": ids(C), "use_cache": True}
    assert_same(ledger.phase("prefill"), real(model, first, "prefill", attention))
    cache = cache_name(model)
    with torch.no_grad():
        outputs = model(**context)
    step = {"input_ids": ids(1), "use_cache": True, cache: outputs[cache]}
    if name == "t5":
        step = {"decoder_input_ids": ids(1), "encoder_outputs": (outputs.encoder_last_hidden_state,)}
        step[cache] = outputs[cache]
    del outputs
    assert_same(ledger.phase("decode"), real(model, step, "decode", attention))
    assert ledger.parameters == model.num_parameters()


@pytest.mark.parametrize("real_run", [False, True])
def test_a_token_is_appended_to_a_cache_of_fixed_size(real_run):
    config = CAUSAL["llama"]
    model = real_model(transformers.AutoModelForCausalLM, config)
    cache = transformers.StaticCache(config=config, max_cache_len=32)
    with torch.no_grad():
        model(input_ids=ids(5), use_cache=True, **{cache_name(model): cache})
    step = {"input_ids": ids(1), "use_cache": True, cache_name(model): cache}
    phase = trace(model, step, phase="decode", real=real_run)
    written = sum(o.count * o.bytes_written for o in phase.operations if o.name == "index_copy")
    assert written == 2 * 4 * 2 * 2 * 16 * 4, "two sequences, four layers, keys and values, two heads of 16"
    assert phase.peak_bytes < 2 * 4 * 2 * 32 * 2 * 16 * 4, "the cache itself is not activations"


def test_a_model_whose_layers_differ_is_counted_whole():
    config = transformers.Gemma2Config(**TEXT, num_key_value_heads=2, head_dim=16, sliding_window=4)
    ledger = language_model_ledger(
        config, batch=2, prompt_tokens=P, context_tokens=C, dtype="float32", attention="eager"
    )
    model = real_model(transformers.AutoModelForCausalLM, config, "eager")
    assert_same(ledger.phase("prefill"), real(model, {"input_ids": ids(P), "use_cache": True}, "prefill", "eager"))
    assert ledger.memory.kv_bytes_per_token < 4 * 2 * 2 * 16 * 4


S = 7


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral", "mamba"])
def test_a_shared_prefix_is_read_once_and_attended_by_all(name, attention):
    config = CAUSAL[name]
    ledger = language_model_ledger(
        config,
        batch=2,
        prompt_tokens=P,
        context_tokens=C,
        dtype="float32",
        attention=attention,
        shared_prefix_tokens=S,
    )
    model = real_model(transformers.AutoModelForCausalLM, config, attention)
    alone = real(model.base_model, {"input_ids": ids(S, batch=1), "use_cache": True}, "prefix", attention)
    assert_same(ledger.phase("prefix"), alone)
    with torch.no_grad():
        cache = model(input_ids=ids(S), use_cache=True)[cache_name(model)]
    rest = {"input_ids": ids(P - S), "use_cache": True, cache_name(model): cache}
    assert_same(ledger.phase("prefill"), real(model, rest, "prefill", attention))


def test_a_shared_prefix_saves_its_products_and_no_attention():
    config, shape = load_config("llama-3-8b"), {"prompt_tokens": 512, "context_tokens": 512, "dtype": "bfloat16"}
    whole = language_model_ledger(config, batch=8, **shape, logits_to_keep=1)
    shared = language_model_ledger(config, batch=8, **shape, logits_to_keep=1, shared_prefix_tokens=400)
    of_a_token = (products(whole.phase("prefill")) - 8 * 2 * 4096 * 128_256) / (8 * 512)
    rest = products(shared.phase("prefill")) - 8 * 2 * 4096 * 128_256
    assert products(shared.phase("prefix")) == pytest.approx(400 * of_a_token)
    assert rest == pytest.approx(8 * 112 * of_a_token)
    attention = sum(o.count * o.flops for o in shared.phase("prefill").operations if o.kind == "attention")
    assert attention == 8 * 32 * 4 * 32 * 112 * 512 * 128, "new tokens against the whole context"


@pytest.mark.parametrize(
    ("name", "tokens", "said"),
    [("gpt2", 8, "leaves nothing"), ("gpt2", -1, "at least 0"), ("t5-base", 4, "in both directions")],
)
def test_prefixes_that_cannot_be_shared_are_explained(name, tokens, said):
    with pytest.raises(InputError, match=said):
        language_model_ledger(
            load_config(name),
            batch=1,
            prompt_tokens=8,
            context_tokens=8,
            dtype="float32",
            shared_prefix_tokens=tokens,
        )


PUBLISHED = {
    # weights, keys and values of 512 tokens (bytes), matrix FLOPs of a prompt of 512 and of a token after it
    "gpt2": (248_879_616, 18_874_368, 126_496_800_768, 247_064_064),
    "llama-3-8b": (16_060_523_008, 67_108_864, 7_684_770_234_368, 15_009_316_864),
    "llama-3-70b": (141_107_413_504, 167_772_160, 71_169_755_578_368, 139_003_428_864),
}


def products(phase):
    return sum(o.count * o.flops for o in phase.operations if o.kind == "matmul")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_reference_figures(name):
    weights, cache, prefill, decode = PUBLISHED[name]
    ledger = language_model_ledger(load_config(name), batch=1, prompt_tokens=512, context_tokens=512, dtype="bfloat16")
    assert ledger.memory.weights_bytes == weights
    assert 512 * ledger.memory.kv_bytes_per_token == cache
    assert products(ledger.phase("prefill")) == prefill
    assert products(ledger.phase("decode")) == decode


def test_a_repeat_is_identical():
    first, second = (
        language_model_ledger(
            load_config("mixtral-8x7b"), batch=3, prompt_tokens=64, context_tokens=32, dtype="float16"
        )
        for _ in range(2)
    )
    assert first.digest == second.digest


def test_decoding_reads_only_the_experts_that_the_batch_is_expected_to_choose():
    def expert_bytes(batch):
        ledger = language_model_ledger(
            load_config("mixtral-8x7b"), batch=batch, prompt_tokens=1, context_tokens=1, dtype="bfloat16"
        )
        return sum(o.count * o.weight_bytes for o in ledger.phase("decode").operations if o.name == "_grouped_mm")

    resident = 32 * 8 * 3 * 4096 * 14336 * 2
    assert expert_bytes(1) == pytest.approx(resident * 2 / 8)
    assert expert_bytes(4) == pytest.approx(resident * (1 - 0.75**4))


def test_a_decoded_token_is_appended_to_the_cache_and_does_not_copy_it():
    ledger = language_model_ledger(
        load_config("llama-3-8b"), batch=256, prompt_tokens=1, context_tokens=4096, dtype="bfloat16"
    )
    decode = ledger.phase("decode")
    appended = sum(o.count * o.bytes_written for o in decode.operations if o.name == "cache_append")
    assert appended == 256 * ledger.memory.kv_bytes_per_token
    read = sum(o.count * o.bytes_read for o in decode.operations if o.kind == "attention")
    assert read == pytest.approx(256 * 4097 * ledger.memory.kv_bytes_per_token, rel=0.01)
    assert decode.peak_bytes < 4096 * ledger.memory.kv_bytes_per_token


def test_logits_of_the_last_position_alone_are_enough_to_generate():
    config = load_config("llama-3-8b")
    shape = {"batch": 1, "prompt_tokens": 512, "context_tokens": 512, "dtype": "bfloat16"}
    every, last = language_model_ledger(config, **shape), language_model_ledger(config, **shape, logits_to_keep=1)
    saved = every.phase("prefill").flops - last.phase("prefill").flops
    assert saved == 2 * 511 * 4096 * 128_256


def test_an_encoder_decoder_keeps_the_prompt_for_its_decoder():
    ledger = language_model_ledger(
        load_config("t5-base"), batch=2, prompt_tokens=100, context_tokens=20, dtype="bfloat16"
    )
    assert ledger.memory.kv_bytes_per_token == 12 * 2 * 768 * 2
    assert ledger.memory.state_bytes == 100 * 12 * 2 * 768 * 2
    assert (ledger.phase("prefill").layers, ledger.phase("decode").layers) == (24, 12)


def test_a_state_space_model_keeps_a_state_of_fixed_size():
    memory = [
        language_model_ledger(
            load_config("mamba-130m"), batch=1, prompt_tokens=2, context_tokens=c, dtype="float32"
        ).memory
        for c in (2, 7)
    ]
    assert memory[0] == memory[1]
    assert memory[0].kv_bytes_per_token == 0 < memory[0].state_bytes


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_configuration_is_understood(name):
    config = load_config(name)
    assert config.name_or_path == name
    assert type(config) is not transformers.PretrainedConfig


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ({"model_type": "lama"}, "transformers knows no model_type 'lama'", "Did you mean 'llama'?"),
        ({"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}, "brings code of its own", "transformers has"),
        ({"vocab_size": 3}, "has no model_type", "config.json"),
        ([], "holds no JSON object", "config.json"),
        ({"model_type": "llama", "num_hidden_layers": "many"}, "num_hidden_layers", "another llama"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_explained(tmp_path, content, message, hint):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        load_config(str(path))
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


def test_a_broken_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{\n "model_type": }')
    with pytest.raises(InputError, match="line 2"):
        load_config(str(tmp_path))


def test_the_nearest_shipped_name_is_suggested():
    with pytest.raises(InputError) as caught:
        load_config("lama-3-8b")
    assert "llama-3-8b" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens is 0"),
        ({"context_tokens": -1}, "context_tokens is -1"),
        ({"prompt_tokens": 1025}, "gpt2 has 1024"),
        ({"context_tokens": 1024}, "gpt2 has 1024"),
        ({"dtype": "bflot16"}, "no dtype 'bflot16'"),
    ],
)
def test_lengths_and_dtypes_that_cannot_be_are_explained(change, message):
    request = {"batch": 1, "prompt_tokens": 8, "context_tokens": 8, "dtype": "float32"} | change
    with pytest.raises(InputError, match=message):
        language_model_ledger(load_config("gpt2"), **request)


def test_an_encoder_does_not_generate():
    with pytest.raises(InputError, match="'clip' generates no text"):
        language_model_ledger(
            load_config("clip-vit-base-patch32"), batch=1, prompt_tokens=8, context_tokens=8, dtype="float32"
        )


def test_importing_it_does_not_import_torch():
    code = "import sys, harness.efficiency.language_models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
