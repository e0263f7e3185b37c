"""Encoders and classifiers from their configuration alone: what a real run of them does."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

from harness.efficiency.encoders import encoder_ledger
from harness.efficiency.language_models import load_config
from harness.errors import InputError
from harness.retrieval.encoder import pool
from tests.efficiency.small_models import ENCODERS, SMALL, TEXT, assert_same, ids, real, real_model

P = 12


def inputs_of(name):
    inputs = {} if name == "vit" else {"input_ids": ids(P)}
    if name in ("clip", "vit"):
        inputs["pixel_values"] = torch.zeros(2, 3, 32, 32)
    return inputs


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoding_is_that_of_a_real_run(name, attention):
    config = ENCODERS[name]
    auto = transformers.AutoModelForTextEncoding if name == "t5" else transformers.AutoModel
    ledger = encoder_ledger(config, batch=2, tokens=P, dtype="float32", attention=attention)
    attention = "eager" if name == "deberta" else attention  # it has no fused form
    assert ledger.attention == attention
    assert_same(ledger.phase("encode"), real(real_model(auto, config, attention), inputs_of(name), "encode", attention))


CLASSIFIERS = {
    "bert": ("BertForSequenceClassification", transformers.AutoModelForSequenceClassification),
    "deberta": ("DebertaV2ForSequenceClassification", transformers.AutoModelForSequenceClassification),
    "vit": ("ViTForImageClassification", transformers.AutoModelForImageClassification),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classification_head_is_part_of_the_work(name):
    architecture, auto = CLASSIFIERS[name]
    config = copy.deepcopy(ENCODERS[name])
    config.architectures, config.num_labels = [architecture], 7
    ledger = encoder_ledger(config, batch=2, tokens=P, dtype="float32", head=True)
    model = real_model(auto, config, ledger.attention)
    assert_same(ledger.phase("classify"), real(model, inputs_of(name), "classify", ledger.attention))
    assert ledger.parameters == model.num_parameters()
    assert ledger.phase("classify").layers == 4


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "max"])
def test_pooling_is_what_the_dense_kind_does(pooling):
    class Pooled(torch.nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.encoder, self.config = encoder, encoder.config

        def forward(self, **inputs):
            states = self.encoder(**inputs).last_hidden_state
            vectors = pool(states, torch.ones(states.shape[:2], dtype=torch.long), pooling).float()
            return torch.nn.functional.normalize(vectors, dim=1)

    config = ENCODERS["bert"]
    ledger = encoder_ledger(config, batch=2, tokens=P, dtype="float32", pooling=pooling, normalize=True)
    model = Pooled(real_model(transformers.AutoModel, config))
    assert_same(ledger.phase("encode"), real(model, {"input_ids": ids(P)}, "encode"))


def test_the_reference_figures_of_bert_with_the_attention_that_flop_counters_miss():
    ledger = encoder_ledger(load_config("bert-base"), batch=1, tokens=512, dtype="bfloat16")
    encode = ledger.phase("encode")
    assert ledger.memory.weights_bytes == 218_972_672
    assert sum(o.count * o.flops for o in encode.operations if o.kind == "matmul") == 86_974_267_392
    assert encode.flops == 86_974_267_392 + 12 * 4 * 512 * 512 * 768


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (transformers.BertConfig(**TEXT | {"num_attention_heads": 3}), "cannot be built"),
        (transformers.BertConfig(**TEXT | {"num_hidden_layers": 5_000}), "5,000 layers"),
        (transformers.LlamaConfig(**TEXT | {"num_key_value_heads": 3}), "fails when it runs"),
        (transformers.ViTConfig(**SMALL, image_size=32, patch_size=64), "cannot be built|fails when it runs"),
    ],
    ids=["heads", "layers", "shared heads", "patches"],
)
def test_sizes_that_do_not_fit_together_are_explained(config, said):
    with pytest.raises(InputError, match=said) as caught:
        encoder_ledger(config, batch=1, tokens=8, dtype="float32")
    assert "onfiguration" in caught.value.hint or "sizes" in caught.value.hint
