"""Images in the prompt: tower, projector and image tokens, as the whole model does them."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

from harness.efficiency.batches import batched
from harness.efficiency.language_models import language_model_ledger, load_config
from harness.efficiency.trace import trace
from harness.efficiency.vision_language import vision_language_ledger
from harness.errors import InputError
from tests.efficiency.small_models import SMALL, TEXT, assert_same

VISION = SMALL | {"image_size": 32, "patch_size": 8, "num_hidden_layers": 3}
LLAVA = transformers.LlavaConfig(
    text_config=transformers.LlamaConfig(**TEXT, num_key_value_heads=2),
    vision_config=transformers.CLIPVisionConfig(**VISION),
    image_token_index=99,
    image_seq_length=16,
)
QWEN = transformers.Qwen2VLConfig(
    text_config=TEXT
    | {
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    },
    vision_config={"depth": 3, "embed_dim": 64, "hidden_size": 64, "num_heads": 4, "patch_size": 8, "mlp_ratio": 2},
    image_token_id=99,
    video_token_id=98,
    vision_start_token_id=97,
    vision_end_token_id=96,
)
P, IMAGES = 12, 2


def ledger_of(config, attention="fused", **changes):
    shape = {"batch": 1, "images": IMAGES, "prompt_tokens": P, "context_tokens": P, "dtype": "float32"} | changes
    size = {"image_size": 32} if config is QWEN else {}
    return vision_language_ledger(config, **shape, **size, attention=attention)


def inputs_of(config, tokens):
    """Of one sequence: an image, a word, an image, the other words."""
    image, words = torch.full((1, tokens), 99), torch.ones(1, P, dtype=torch.long)
    ids = torch.cat([image, words[:, :1], image, words[:, 1:]], dim=1)
    if config is LLAVA:
        return {"input_ids": ids, "pixel_values": torch.zeros(IMAGES, 3, 32, 32)}
    return {
        "input_ids": ids,
        "pixel_values": torch.zeros(IMAGES * 16, 3 * 2 * 8 * 8),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * IMAGES),
        "mm_token_type_ids": (ids == 99).int(),
    }


def real_model(config, attention):
    backend = attention.replace("fused", "sdpa")
    auto = transformers.AutoModelForImageTextToText
    return auto.from_config(copy.deepcopy(config), attn_implementation=backend).eval()


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize(("config", "tokens"), [(LLAVA, 16), (QWEN, 4)], ids=["llava", "qwen2_vl"])
def test_flops_are_those_of_the_whole_model_run_for_real(config, tokens, attention):
    ledger, found = ledger_of(config, attention)
    model = real_model(config, attention)
    whole = trace(model, inputs_of(config, tokens), phase="request", attention=attention, real=True)
    assert found == tokens
    assert ledger.phase("vision").flops + ledger.phase("prefill").flops == whole.flops
    assert ledger.parameters == model.num_parameters()


@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_a_tower_does_what_it_does_in_a_real_run(attention):
    ledger, _ = ledger_of(LLAVA, attention)
    model = real_model(LLAVA, attention)

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model.get_image_features(pixel_values)

    inputs = {"pixel_values": torch.zeros(IMAGES, 3, 32, 32)}
    whole = trace(Tower(), inputs, phase="vision", attention=attention, real=True)
    assert_same(batched(ledger.phase("vision"), 1), whole)
    assert ledger.phase("vision").layers == 3


def test_images_at_a_batch():
    (one, _), (whole, _) = ledger_of(LLAVA), ledger_of(LLAVA, batch=8)
    for phase in ("vision", "prefill", "decode"):
        assert_same(batched(one.phase(phase), 8), whole.phase(phase))


def test_decoding_sees_the_images_in_its_cache():
    ledger, _ = ledger_of(LLAVA)
    text = language_model_ledger(
        LLAVA.text_config, batch=1, prompt_tokens=P, context_tokens=P + IMAGES * 16, dtype="float32"
    )
    assert ledger.phase("decode").flops == text.phase("decode").flops
    assert ledger.memory.kv_bytes_per_token == text.memory.kv_bytes_per_token
    assert ledger.memory.state_bytes == 0


def test_text_alone_is_text_alone():
    shape = {"batch": 1, "prompt_tokens": P, "context_tokens": P, "dtype": "float32"}
    with_tower, without = language_model_ledger(LLAVA, **shape), language_model_ledger(LLAVA.text_config, **shape)
    for phase in ("prefill", "decode"):
        assert with_tower.phase(phase).flops == without.phase(phase).flops
    assert with_tower.memory.weights_bytes > without.memory.weights_bytes


@pytest.mark.parametrize(
    ("name", "size", "parameters", "tokens"),
    [("llava-1.5-7b", None, 7_063_427_072, 576), ("qwen2-vl-2b", 224, 2_208_985_600, 64)],
)
def test_shipped_configurations_are_the_published_models(name, size, parameters, tokens):
    """Parameters as their model cards print them (7.06 B and 2.21 B), counted over the safetensors' shapes."""
    ledger, found = vision_language_ledger(
        load_config(name), batch=1, images=1, prompt_tokens=8, context_tokens=8, dtype="bfloat16", image_size=size
    )
    assert (ledger.parameters, found) == (parameters, tokens)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("llava-1.5-7b", {"image_size": 224}, "takes images of 336 pixels, not 224"),
        ("qwen2-vl-2b", {}, "takes images of any size"),
        ("qwen2-vl-2b", {"image_size": 20}, "smaller than a patch"),
        ("llava-1.5-7b", {"images": 0}, "images is 0"),
        ("llava-1.5-7b", {"images": 8}, "need 4616 positions"),
        ("llama-3-8b", {}, "takes no images with its text"),
    ],
)
def test_what_does_not_apply_is_explained(name, changes, said):
    shape = {"batch": 1, "images": 1, "prompt_tokens": 8, "context_tokens": 8, "dtype": "bfloat16"} | changes
    with pytest.raises(InputError, match=said):
        vision_language_ledger(load_config(name), **shape)
