"""Ledgers from a configuration alone equal those of the real model, and the numbers that are published for it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import msgspec
import pytest
import torch
import transformers

from harness.efficiency.language_models import encoder_ledger, language_model_ledger, load_config
from harness.efficiency.model_configs import shipped_configs
from harness.efficiency.trace import trace
from harness.errors import InputError

SMALL = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
TEXT = SMALL | {"vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
CAUSAL = {
    "gpt2": transformers.GPT2Config(n_embd=64, n_layer=4, n_head=4, vocab_size=100, bos_token_id=1, eos_token_id=2),
    "llama": transformers.LlamaConfig(**TEXT, num_key_value_heads=2),
    "mixtral": transformers.MixtralConfig(**TEXT, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2),
    "mamba": transformers.MambaConfig(hidden_size=64, num_hidden_layers=4, vocab_size=100, state_size=8),
    "t5": transformers.T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=4, num_heads=4, vocab_size=100),
}
ENCODERS = {
    "bert": transformers.BertConfig(**TEXT),
    "t5": CAUSAL["t5"],
    "clip": transformers.CLIPConfig(
        text_config=TEXT, vision_config=SMALL | {"image_size": 32, "patch_size": 8}, projection_dim=32
    ),
    "vit": transformers.ViTConfig(**SMALL, image_size=32, patch_size=8),
}
P, C = 12, 9


def ids(tokens):
    return torch.ones((2, tokens), dtype=torch.long)


def real_model(auto, config, attention):
    backend = {} if config.model_type == "mamba" else {"attn_implementation": attention.replace("fused", "sdpa")}
    return auto.from_config(copy.deepcopy(config), **backend).eval()


def real(module, inputs, phase, attention):
    experts = getattr(module.config, "num_experts_per_tok", 1)
    return trace(module, inputs, phase=phase, attention=attention, experts_per_token=experts, real=True)


def counts(phase):
    return {msgspec.structs.replace(o, count=1.0): o.count for o in phase.operations}


def assert_same(ledger, phase):
    found = ledger.phase(phase.name)
    assert counts(found) == counts(phase)
    assert found.flops == phase.flops > 0
    assert found.peak_bytes == phase.peak_bytes > 0
    assert found.unpriced == phase.unpriced


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", CAUSAL)
def test_prefill_and_decode_are_those_of_a_real_run(name, attention):
    config = CAUSAL[name]
    ledger = language_model_ledger(
        config, batch=2, prompt_tokens=P, context_tokens=C, dtype="float32", attention=attention
    )
    if name == "t5":
        model = real_model(transformers.AutoModelForSeq2SeqLM, config, attention)
        first, context = (
            {"input_ids": ids(P), "decoder_input_ids": ids(1)},
            {"input_ids": ids(P), "decoder_input_ids": ids(C)},
        )
    else:
        model = real_model(transformers.AutoModelForCausalLM, config, attention)
        first, context = {"input_ids": ids(P), "use_cache": True}, {"input_ids": ids(C), "use_cache": True}
    assert_same(ledger, real(model, first, "prefill", attention))
    with torch.no_grad():
        outputs = model(**context)
    cache = "cache_params" if name == "mamba" else "past_key_values"
    step = {"input_ids": ids(1), "use_cache": True, cache: outputs[cache]}
    if name == "t5":
        step = {"decoder_input_ids": ids(1), "encoder_outputs": (outputs.encoder_last_hidden_state,)}
        step[cache] = outputs[cache]
    del outputs
    assert_same(ledger, real(model, step, "decode", attention))
    assert ledger.parameters == model.num_parameters()


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoding_is_that_of_a_real_run(name, attention):
    config = ENCODERS[name]
    auto = transformers.AutoModelForTextEncoding if name == "t5" else transformers.AutoModel
    inputs = {} if name == "vit" else {"input_ids": ids(P)}
    if name in ("clip", "vit"):
        inputs["pixel_values"] = torch.zeros(2, 3, 32, 32)
    ledger = encoder_ledger(config, batch=2, tokens=P, dtype="float32", attention=attention)
    assert_same(ledger, real(real_model(auto, config, attention), inputs, "encode", attention))


def test_a_model_whose_layers_differ_is_counted_whole():
    config = transformers.Gemma2Config(**TEXT, num_key_value_heads=2, head_dim=16, sliding_window=4)
    ledger = language_model_ledger(
        config, batch=2, prompt_tokens=P, context_tokens=C, dtype="float32", attention="eager"
    )
    model = real_model(transformers.AutoModelForCausalLM, config, "eager")
    assert_same(ledger, real(model, {"input_ids": ids(P), "use_cache": True}, "prefill", "eager"))
    assert ledger.memory.kv_bytes_per_token < 4 * 2 * 2 * 16 * 4


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


def test_the_reference_figures_of_bert_with_the_attention_that_flop_counters_miss():
    ledger = encoder_ledger(load_config("bert-base"), batch=1, tokens=512, dtype="bfloat16")
    encode = ledger.phase("encode")
    assert ledger.memory.weights_bytes == 218_972_672
    assert products(encode) == 86_974_267_392
    assert encode.flops == 86_974_267_392 + 12 * 4 * 512 * 512 * 768


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
