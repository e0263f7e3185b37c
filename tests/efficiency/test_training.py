"""A training step counted on shapes alone is the one that a real run does."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn

from harness.efficiency.trace import trace
from harness.efficiency.training import trace_training
from harness.errors import InputError
from tests.efficiency.small_models import TEXT, ids

OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, fused=True),
    "adamw in passes": lambda parameters: torch.optim.AdamW(parameters),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
}


class Classifier(nn.Module):
    """Token ids to the logits of 10 classes, over any core from [batch, tokens, 16] to the same."""

    def __init__(self, core):
        super().__init__()
        self.embedding, self.core, self.head = nn.Embedding(50, 16), core, nn.Linear(16, 10)

    def forward(self, ids):
        states = self.core(self.embedding(ids))
        return self.head((states[0] if isinstance(states, tuple) else states).mean(1))


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        window = [nn.Conv1d(16, 16, 3, padding=1), nn.BatchNorm1d(16), nn.GELU(), nn.MaxPool1d(2)]
        self.layers = nn.Sequential(*window, nn.Conv1d(16, 16, 3, groups=16), nn.ConvTranspose1d(16, 16, 2))

    def forward(self, states):
        return self.layers(states.transpose(1, 2)).transpose(1, 2)


class Mixed(nn.Module):
    """Fourier mixing and a scan, as some long-range mixers do."""

    def forward(self, states):
        return torch.fft.fft2(states, dim=(1, 2)).real + states.cumsum(1)


def transformer(**options):
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


CORES = {
    "mlp": lambda: nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.LayerNorm(64), nn.Dropout(0.1), nn.Linear(64, 16)),
    "lstm": lambda: nn.LSTM(16, 16, batch_first=True),
    "gru": lambda: nn.GRU(16, 16, batch_first=True),
    "cnn": Convolutions,
    "fourier": Mixed,
    "transformer": transformer,
}
IDS, LABELS = torch.ones(8, 20, dtype=torch.long), torch.zeros(8, dtype=torch.long)


def step(core, optimizer="adamw", **how):
    model = Classifier(CORES[core]())
    return trace_training(
        model, {"ids": IDS}, lambda logits: F.cross_entropy(logits, LABELS), OPTIMIZERS[optimizer], **how
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("core", CORES)
def test_shapes_alone_and_a_real_run_agree(core, optimizer):
    faked = step(core, optimizer)
    assert faked == step(core, optimizer, real=True)
    assert faked.unpriced == {}
    assert faked.flops > 0


@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_a_transformer_agrees_by_either_attention(attention):
    config = transformers.BertConfig(**TEXT, num_labels=3)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    inputs = {"input_ids": ids(12), "labels": torch.zeros(2, dtype=torch.long)}
    faked, real = (
        trace_training(model, inputs, lambda out: out.loss, OPTIMIZERS["adamw"], attention=attention, real=real)
        for real in (False, True)
    )
    assert faked == real


def test_backward_is_two_more_products_for_each():
    forward = trace(Classifier(CORES["cnn"]()), {"ids": IDS}, phase="encode")
    assert step("cnn").flops == 3 * forward.flops


def test_fused_attention_computes_its_scores_again():
    """Dao et al. 2022: five products backward for two forward."""
    attended = 4 * 2 * 4 * 100 * 100 * 16

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(16))

        def forward(self, x):
            return F.scaled_dot_product_attention(x * self.scale, x, x)

    def one(attention):
        x = {"x": torch.ones(2, 4, 100, 16, requires_grad=True)}
        return trace_training(Attention(), x, torch.sum, OPTIMIZERS["sgd"], attention=attention)

    fused, eager = one("fused"), one("eager")
    assert fused.flops == attended * 3.5
    assert eager.flops == attended * 3
    assert eager.peak_bytes > fused.peak_bytes + 4 * 2 * 4 * 100 * 100, "eager keeps the scores"


def test_activations_are_kept_for_the_backward_pass():
    def deep(layers):
        return nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(layers)))

    inputs, one = {"input": torch.ones(100, 64)}, 100 * 64 * 4
    forward = [trace(deep(n), inputs, phase="encode").peak_bytes for n in (4, 8)]
    trained = [trace_training(deep(n), inputs, torch.sum, OPTIMIZERS["sgd"]).peak_bytes for n in (4, 8)]
    gradients = 4 * (64 * 64 + 64) * 4
    assert forward[0] == forward[1]
    assert 4 * one <= trained[1] - trained[0] <= 4 * one + gradients


def test_the_optimizer_reads_and_writes_parameters_and_its_state():
    parameters = sum(p.numel() for p in Classifier(CORES["mlp"]()).parameters())
    tensors = len(list(Classifier(CORES["mlp"]()).parameters()))
    (adamw,) = (o for o in step("mlp").operations if o.name.startswith("_fused_adamw"))
    assert adamw.bytes_read == 4 * (4 * parameters + tensors), "weights, gradients, two moments; a step count each"
    assert adamw.bytes_written == pytest.approx(4 * 3 * parameters, rel=0.4)


def test_a_mixture_is_trained_through_its_experts():
    config = transformers.MixtralConfig(**TEXT, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2)
    model = transformers.AutoModelForCausalLM.from_config(config)
    inputs = {"input_ids": ids(12), "labels": ids(12), "use_cache": False}
    how = {"loss": lambda out: out.loss, "optimizer": OPTIMIZERS["sgd"], "experts_per_token": 2}
    faked, real = (trace_training(model, inputs, **how, real=real) for real in (False, True))
    assert faked.flops == real.flops
    products = sum(o.count * o.flops for o in faked.operations if o.name == "_grouped_mm")
    assert products == 3 * 4 * 2 * (2 * 12 * 2) * 64 * (2 * 128 + 128)


def test_the_module_is_left_as_it_was():
    model = Classifier(CORES["mlp"]())
    before = [p.clone() for p in model.parameters()]
    loss, optimizer = (lambda logits: F.cross_entropy(logits, LABELS)), OPTIMIZERS["sgd"]
    trace_training(model, {"ids": IDS}, loss, optimizer, real=True)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_what_torch_cannot_train_here_is_a_sentence():
    from torch.nn.attention.flex_attention import flex_attention

    class Flexible(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 16)

        def forward(self, x):
            return flex_attention(self.layer(x), x, x)

    with pytest.raises(InputError, match="torch cannot run the model here"):
        trace_training(Flexible(), {"x": torch.ones(1, 1, 128, 16)}, torch.sum, OPTIMIZERS["sgd"])


def test_flops_of_a_step_are_those_of_long_range_arena_notes():
    """Two layers of width 64 with explicit attention over 512 bytes, batch 8: 4.83 GFLOP a step."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.Embedding(256, 64), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    found = trace_training(
        model,
        {"input": torch.ones(8, 512, dtype=torch.long)},
        lambda states: states.mean(),
        OPTIMIZERS["sgd"],
        attention="eager",
    )
    attention = 3 * 2 * 4 * 8 * 512 * 512 * 64
    linear = 3 * 2 * 2 * 8 * 512 * (4 * 64 * 64 + 2 * 64 * 128)
    assert found.flops == attention + linear
    assert math.isclose(found.flops, 4.83e9, rel_tol=0.001)
