"""Small configurations of real architectures, and how their counts are compared."""

from __future__ import annotations

import copy
import inspect

import msgspec
import torch
import transformers

from harness.efficiency.trace import trace

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
    "deberta": transformers.DebertaV2Config(
        **TEXT | {"pad_token_id": None},  # with one, a real run looks for it in the ids
        relative_attention=True,
        position_buckets=8,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
    ),
    "clip": transformers.CLIPConfig(
        text_config=TEXT, vision_config=SMALL | {"image_size": 32, "patch_size": 8}, projection_dim=32
    ),
    "vit": transformers.ViTConfig(**SMALL, image_size=32, patch_size=8),
}


def ids(tokens, batch=2):
    return torch.ones((batch, tokens), dtype=torch.long)


def real_model(auto, config, attention="fused"):
    backend = {} if config.model_type == "mamba" else {"attn_implementation": attention.replace("fused", "sdpa")}
    return auto.from_config(copy.deepcopy(config), **backend).eval()


def cache_name(model):
    """What this version of transformers calls a model's cache."""
    known = inspect.signature(model.forward).parameters
    return next(name for name in ("cache", "past_key_values", "cache_params") if name in known)


def real(module, inputs, phase, attention="fused"):
    experts = getattr(module.config, "num_experts_per_tok", 1)
    return trace(module, inputs, phase=phase, attention=attention, experts_per_token=experts, real=True)


def counts(phase):
    return {msgspec.structs.replace(o, count=1.0): o.count for o in phase.operations}


def assert_same(found, phase):
    assert counts(found) == counts(phase)
    assert found.flops == phase.flops > 0
    assert found.peak_bytes == phase.peak_bytes > 0
    assert found.unpriced == phase.unpriced
