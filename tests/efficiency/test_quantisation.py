"""Matrices in fewer bits: their bytes are those of published files, and what is read falls with them."""

from __future__ import annotations

import math

import pytest
import torch
import transformers

from harness.efficiency.counts import Counts, Placed
from harness.efficiency.hardware import hardware
from harness.efficiency.language_models import language_model_ledger, load_config
from harness.efficiency.ledger import Phase
from harness.efficiency.pricing import bound_seconds
from harness.efficiency.quantisation import quantisation_of, stored_parameters, weight_only
from harness.errors import InputError
from tests.efficiency.small_models import CAUSAL, TEXT

A100, H100 = hardware("A100-80GB-SXM"), hardware("H100-SXM")


def ledger_of(config, weights=None, **shape):
    shape = {"batch": 1, "prompt_tokens": 8, "context_tokens": 105, "dtype": "float16"} | shape
    return language_model_ledger(config, **shape, quantisation=weight_only(weights) if weights else None)


def llama_2(name="7b"):
    config = load_config("llama-2-7b")
    if name == "70b":
        config = load_config("llama-3-70b")
        config.vocab_size = 32_000
    return config


def quantised(config, **fields):
    config.quantization_config = fields
    return config


PUBLISHED = {
    # Llama-2-7B-GPTQ and -AWQ, model cards ("Provided Files"), in GB with two digits
    "gptq, groups of 128": (dict(quant_method="gptq", bits=4, group_size=128, desc_act=False), 3.90),
    "gptq, groups of 64": (dict(quant_method="gptq", bits=4, group_size=64, desc_act=True), 4.02),
    "gptq, groups of 32": (dict(quant_method="gptq", bits=4, group_size=32, desc_act=True), 4.28),
    "awq, groups of 128": (dict(quant_method="awq", bits=4, group_size=128, zero_point=True, version="gemm"), 3.89),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_are_as_large_as_published_files(name):
    fields, gigabytes = PUBLISHED[name]
    found = ledger_of(quantised(llama_2(), **fields)).memory.weights_bytes
    assert found == pytest.approx(1e9 * gigabytes, rel=0.003)


@pytest.mark.parametrize(
    ("model", "weights", "bandwidth", "rate"),
    [
        ("7b", "int8", 1069.20, 155.58),
        ("7b", "int4", 862.69, 196.80),
        ("70b", "int8", 1322.58, 19.13),
        ("70b", "int4", 1097.66, 25.25),
    ],
)
def test_weights_are_those_that_gpt_fast_reads_for_a_token(model, weights, bandwidth, rate):
    """Its README (@32971d31) prints GB/s and tokens a second: their ratio is the bytes of its model."""
    found = ledger_of(llama_2(model), weights, dtype="bfloat16").memory.weights_bytes
    assert found == pytest.approx(1e9 * bandwidth / rate, rel=0.01)


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral"])
@pytest.mark.parametrize("weights", ["int8", "int4", "int4-g128"])
def test_bytes_are_counted_to_the_last_scale(name, weights):
    config = CAUSAL[name]
    auto = transformers.AutoModelForCausalLM.from_config(config).half()
    plain, packed = ledger_of(config), ledger_of(config, weights)
    bits, group = (8, 0) if weights == "int8" else (4, 128 if weights == "int4-g128" else 32)
    saved = 0
    for module, parameter in matrices(auto):
        rows, columns = parameter.numel() // module, module
        scales = rows if not group else 2 * rows * math.ceil(columns / group)
        saved += 2 * parameter.numel() - (parameter.numel() * bits // 8 + 2 * scales)
    assert plain.memory.weights_bytes - packed.memory.weights_bytes == saved
    if name != "mixtral":  # which reads some of its experts
        before, after = (sum(o.count * o.weight_bytes for o in x.phase("decode").operations) for x in (plain, packed))
        assert before - after == saved
    assert packed.phase("decode").flops == plain.phase("decode").flops
    assert packed.phase("decode").peak_bytes == plain.phase("decode").peak_bytes


def matrices(model):
    """(inputs, parameter) of what is quantised: linear layers that no embedding shares, and experts."""
    shared = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and id(module.weight) not in shared:
            yield module.in_features, module.weight
        elif type(module).__name__ == "Conv1D":
            yield module.weight.shape[0], module.weight
        elif type(module).__name__ == "MixtralExperts":
            yield from ((p.shape[2], p) for p in (module.gate_up_proj, module.down_proj))


def test_the_bound_of_decoding_falls_with_the_bytes():
    plain, eight, four = (
        bound_seconds(ledger_of(llama_2(), weights).phase("decode"), A100) for weights in (None, "int8", "int4-g128")
    )
    assert eight / plain == pytest.approx(0.5, abs=0.01)
    assert four / plain == pytest.approx(0.27, abs=0.01)


def test_products_keep_their_shapes():
    """Tiles are priced by rows and columns, which are read off the activations."""
    plain, packed = ledger_of(llama_2()), ledger_of(llama_2(), "int4")
    for name in ("prefill", "decode"):
        found = [Counts.of([Placed(x.phase(name))]).products for x in (plain, packed)]
        assert (
            (found[0].m == found[1].m).all() and (found[0].n == found[1].n).all() and (found[0].k == found[1].k).all()
        )


def test_eight_bits_that_are_multiplied_as_such_are_priced_as_such():
    ledger = ledger_of(quantised(llama_2(), quant_method="fp8", weight_block_size=[128, 128]))
    linear = [o for o in ledger.phase("prefill").operations if o.kind == "matmul" and o.dtype == "float8"]
    assert {o.element_bytes for o in linear} == {2.0}, "activations come in float16"
    assert sum(o.count for o in linear) == 32 * 7, "the output layer is kept"
    shapes = Counts.of([Placed(Phase("linear", tuple(linear)))]).products
    assert shapes.m.tolist() == [8.0] * len(linear)
    assert bound_seconds(ledger.phase("prefill"), H100) < bound_seconds(ledger_of(llama_2()).phase("prefill"), H100)


def test_what_a_configuration_keeps_is_kept():
    names = {
        None: {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
        ("q_proj", "mlp"): {"k_proj", "v_proj", "o_proj", "lm_head"},
        ("lm_head", "model.layers.*.self_attn"): {"gate_proj", "up_proj", "down_proj"},
    }
    for skipped, expected in names.items():
        config = quantised(llama_2(), load_in_8bit=True, llm_int8_skip_modules=list(skipped) if skipped else None)
        small = transformers.AutoModelForCausalLM.from_config(CAUSAL["llama"])
        found = stored_parameters(small, quantisation_of(config))
        kinds = {name.removesuffix(".weight").rpartition(".")[2] for name in found}
        if skipped == ("q_proj", "mlp"):
            assert kinds == expected | {"gate_proj", "up_proj", "down_proj"}, "mlp is no name from the start to its end"
        else:
            assert kinds == expected


def test_tied_output_layers_stay_with_their_embedding():
    config = transformers.LlamaConfig(**TEXT, tie_word_embeddings=True)
    stored = stored_parameters(transformers.AutoModelForCausalLM.from_config(config), weight_only("int8"))
    assert len(stored) == 4 * 7


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (dict(quant_method="aqlm"), "'aqlm' is not understood"),
        (dict(bits=4), "None is not understood"),
        (dict(quant_method="gptq", bits=5, group_size=128), "bits is 5"),
        (dict(quant_method="gptq", bits=4, group_size="many"), "group_size is 'many'"),
        (dict(quant_method="gptq", bits=4, group_size=128, dynamic={"+:x": {}}), "rules for single modules"),
        (dict(quant_method="awq", bits=8, group_size=128), "bits is 8"),
        (dict(quant_method="awq", bits=4, group_size=128, modules_to_not_convert="gate"), "not a list of names"),
        (dict(quant_method="fp8", weight_block_size=[128]), "not two sizes"),
        (dict(quant_method="fp8", expert_dtype="fp4"), "'fp4' is not understood"),
        ("int4", "no keys and values"),
    ],
)
def test_other_formats_are_an_error_that_says_so(fields, said):
    config = llama_2()
    config.quantization_config = fields
    with pytest.raises(InputError, match=said) as caught:
        ledger_of(config)
    assert caught.value.hint


def test_the_nearest_format_is_suggested():
    with pytest.raises(InputError) as caught:
        weight_only("int-4")
    assert "int4" in caught.value.hint
