"""Tracing counts what a module really does: the same on shapes alone as on real values."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.efficiency.trace import trace
from harness.errors import InputError


class Calls(nn.Module):
    """A module that is one function of its inputs."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, **inputs):
        return self.function(self, **inputs)


def counted(function, attention="fused", modules=None, **inputs):
    """The phase of one call, after checking that fakes and a real run agree on it."""
    module = Calls(function, **(modules or {})).eval()
    faked = trace(module, inputs, phase="encode", attention=attention)
    assert faked == trace(module, inputs, phase="encode", attention=attention, real=True)
    return faked


def only(phase, name):
    (operation,) = (o for o in phase.operations if o.name == name)
    return operation


A, B = torch.ones(3, 4, 5), torch.ones(3, 5, 6)

FLOPS = {
    "mm": (lambda m, a, b: a[0] @ b[0], 2 * 4 * 5 * 6),
    "bmm": (lambda m, a, b: a @ b, 3 * 2 * 4 * 5 * 6),
    "baddbmm": (lambda m, a, b: torch.baddbmm(torch.zeros(3, 4, 6), a, b), 3 * 2 * 4 * 5 * 6),
    "addbmm": (lambda m, a, b: torch.addbmm(torch.zeros(4, 6), a, b), 3 * 2 * 4 * 5 * 6),
    "mv": (lambda m, a, b: a[0] @ b[0, :, 0], 2 * 4 * 5),
    "dot": (lambda m, a, b: a[0, 0] @ b[0, :, 0], 2 * 5),
    "addmv": (lambda m, a, b: torch.addmv(torch.zeros(4), a[0], b[0, :, 0]), 2 * 4 * 5),
    "einsum to a vector": (lambda m, a, b: torch.einsum("bij,j->bi", a, b[0, :, 0]), 3 * 2 * 4 * 5),
    "bilinear": (lambda m, a, b: F.bilinear(a, a, torch.ones(7, 5, 5)), 2 * (3 * 4) * 7 * 5 * (5 + 1)),
    "einsum": (lambda m, a, b: torch.einsum("bij,bjk->bik", a, b), 3 * 2 * 4 * 5 * 6),
    "cdist": (lambda m, a, b: torch.cdist(a, b.transpose(1, 2), p=1.0), 3 * 3 * 4 * 6 * 5),
    "fft": (lambda m, a, b: torch.fft.fft(a.to(torch.complex64), dim=1), 3 * 5 * 5 * 4 * math.log2(4)),
    "rfft": (lambda m, a, b: torch.fft.rfft(a, dim=1), 3 * 5 * 5 * 4 * math.log2(4) / 2),
    "irfft": (lambda m, a, b: torch.fft.irfft(a.to(torch.complex64), n=4, dim=1), 3 * 5 * 5 * 4 * math.log2(4) / 2),
    "fft2": (lambda m, a, b: torch.fft.fft2(a[:, :, :4].to(torch.complex64)), 3 * 5 * 16 * math.log2(16)),
    "stft": (
        lambda m, a, b: torch.stft(a.reshape(3, 20), 8, 4, window=torch.ones(8), return_complex=True),
        3 * 6 * 5 * 8 * math.log2(8) / 2,
    ),
    "depthwise convolution": (lambda m, a, b: F.conv1d(a, torch.ones(4, 1, 3), groups=4), 2 * (3 * 4 * 3) * 3),
    "2-d convolution": (lambda m, a, b: F.conv2d(a[:, None], torch.ones(6, 1, 2, 2)), 2 * (3 * 6 * 3 * 4) * 4),
    "convolution": (lambda m, a, b: F.conv1d(a, torch.ones(7, 4, 3)), 2 * (3 * 7 * 3) * 4 * 3),
    "transposed convolution": (lambda m, a, b: F.conv_transpose1d(a, torch.ones(4, 7, 3)), 2 * (3 * 4 * 5) * 7 * 3),
}


@pytest.mark.parametrize("name", FLOPS)
def test_flops_are_those_of_the_definition(name):
    function, flops = FLOPS[name]
    assert counted(function, a=A, b=B).flops == flops


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_multiply_by_every_weight_at_each_step(kind, gates):
    layer = kind(8, 16, num_layers=2, bidirectional=True, batch_first=True)
    phase = counted(lambda m, x: m.layer(x)[0], modules={"layer": layer}, x=torch.ones(2, 7, 8))
    weights = 2 * gates * 16 * (8 + 16) + 2 * gates * 16 * (32 + 16)
    assert phase.flops == 2 * 2 * 7 * weights


class Classifier(nn.Module):
    """Token ids to the logits of 10 classes, over any core from [batch, tokens, 16] to the same."""

    def __init__(self, core):
        super().__init__()
        self.embedding, self.core, self.head = nn.Embedding(50, 16), core, nn.Linear(16, 10)

    def forward(self, ids):
        states = self.core(self.embedding(ids))
        return self.head((states[0] if isinstance(states, tuple) else states).mean(1))


class Convolutions(nn.Module):
    """1-d convolutions over tokens, with windows of 5."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv1d(16, 16, 5, padding=2) for _ in range(layers)))

    def forward(self, states):
        return self.layers(states.transpose(1, 2)).transpose(1, 2)


@pytest.mark.parametrize(
    ("core", "flops_of_a_token"),
    [(nn.LSTM(16, 16, batch_first=True), 2 * 4 * 16 * (16 + 16)), (Convolutions(3), 3 * 2 * 5 * 16 * 16)],
    ids=["lstm", "cnn"],
)
def test_classifiers_that_are_no_transformers(core, flops_of_a_token):
    phase = counted(lambda m, ids: m.model(ids), modules={"model": Classifier(core)}, ids=torch.ones(8, 20).long())
    assert phase.flops == 8 * (20 * flops_of_a_token + 2 * 16 * 10)
    assert phase.unpriced == {}


def attend(module, q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def test_fused_attention_is_one_operation_that_never_writes_its_scores():
    q, k = torch.ones(2, 4, 100, 16), torch.ones(2, 4, 300, 16)
    operation = only(counted(attend, q=q, k=k, v=k), "scaled_dot_product_attention")
    assert operation.kind == "attention"
    assert operation.flops == 4 * 2 * 4 * 100 * 300 * 16
    assert operation.bytes_read == 4 * (q.numel() + 2 * k.numel())
    assert operation.bytes_written == 4 * q.numel()


def test_eager_attention_does_the_same_products_but_moves_the_scores():
    q = torch.ones(2, 4, 100, 16)
    fused, eager = counted(attend, q=q, k=q, v=q), counted(attend, "eager", q=q, k=q, v=q)
    scores = 4 * 2 * 4 * 100 * 100
    assert eager.flops == fused.flops
    assert eager.bytes > fused.bytes + 3 * scores
    assert eager.peak_bytes >= fused.peak_bytes + scores


def test_shared_key_value_heads_are_read_once():
    q, k = torch.ones(1, 8, 1, 16), torch.ones(1, 2, 50, 16)
    operation = only(counted(attend, q=q, k=k, v=k), "scaled_dot_product_attention")
    assert operation.bytes_read == 4 * (q.numel() + 2 * k.numel())
    assert operation.flops == 4 * 8 * 1 * 50 * 16


@pytest.mark.parametrize("change", [None, lambda score, b, h, q, k: score + q - k])
def test_flex_attention_is_attention_whatever_it_does_to_the_scores(change):
    from torch.nn.attention.flex_attention import flex_attention

    q, k = torch.ones(2, 4, 128, 16), torch.ones(2, 2, 128, 16)
    phase = counted(lambda m, q, k: flex_attention(q, k, k, score_mod=change, enable_gqa=True), q=q, k=k)
    operation = only(phase, "flex_attention")
    assert operation.kind == "attention"
    assert operation.flops == 4 * 2 * 4 * 128 * 128 * 16
    assert operation.bytes_written == 4 * q.numel()


def test_a_scan_is_priced_by_what_it_reads_and_writes():
    operation = only(counted(lambda m, x: x.cumsum(1), x=torch.ones(4, 100)), "cumsum")
    assert operation.kind == "scan"
    assert operation.bytes_read == operation.bytes_written == 4 * 400


def test_a_bag_of_embeddings_reads_every_row_that_it_adds():
    bag, ids = nn.EmbeddingBag(10_000, 16), torch.zeros(2, 5, dtype=torch.long)
    operation = only(counted(lambda m, ids: m.bag(ids), modules={"bag": bag}, ids=ids), "_embedding_bag")
    assert operation.kind == "gather"
    assert operation.weight_bytes == 10 * 16 * 4
    assert operation.bytes_written == 2 * 16 * 4


def test_a_scatter_in_place_writes_what_it_is_given_and_not_the_whole():
    def scatter(module, table, rows, ids):
        table.scatter_add_(0, ids, rows)

    rows, ids = torch.ones(3, 16), torch.zeros(3, 16, dtype=torch.long)
    operation = only(counted(scatter, table=torch.zeros(1000, 16), rows=rows, ids=ids), "scatter_add")
    assert operation.kind == "gather"
    assert (operation.bytes_read, operation.bytes_written) == (3 * 16 * (4 + 8), 3 * 16 * 4)


def test_views_are_not_traffic():
    phase = counted(lambda m, x: x.view(4, 6).t()[1:].detach().unsqueeze(0).expand(5, 5, 4), x=torch.ones(24))
    assert phase.operations == ()
    assert phase.peak_bytes == 24 * 4


def test_a_broadcast_operand_is_read_once():
    phase = counted(lambda m, x, y: x + y.expand(100, 8), x=torch.ones(100, 8), y=torch.ones(8))
    assert only(phase, "add").bytes_read == 4 * (800 + 8)


def test_a_look_up_reads_the_rows_and_not_the_table():
    table = nn.Embedding(10_000, 16)
    ids = torch.zeros(2, 5, dtype=torch.long)
    operation = only(counted(lambda m, ids: m.table(ids), modules={"table": table}, ids=ids), "embedding")
    assert operation.bytes_read == 10 * 16 * 4 + 10 * 8
    assert operation.weight_bytes == 10 * 16 * 4


def test_weights_are_told_apart_from_activations():
    layer = nn.Linear(8, 16)
    operation = only(counted(lambda m, x: m.layer(x), modules={"layer": layer}, x=torch.ones(3, 8)), "addmm")
    assert operation.weight_bytes == 4 * (8 * 16 + 16)
    assert operation.bytes_read == operation.weight_bytes + 4 * 24


def test_peak_is_the_most_that_is_alive_at_once():
    def doubling(module, x):
        wide = torch.cat([x, x])  # 1 + 2
        wider = torch.cat([wide, wide])  # 1 + 2 + 4
        del wide
        return wider[:1].clone() + 1  # 1 + 4 and two rows

    assert counted(doubling, x=torch.ones(256)).peak_bytes == 7 * 1024


def test_the_encoder_fast_path_is_counted_by_its_parts():
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    phase = counted(lambda m, x: m.encoder(x), modules={"encoder": encoder}, x=torch.ones(2, 10, 32))
    assert phase.flops == 2 * (2 * 20 * (4 * 32 * 32 + 2 * 32 * 64) + 4 * 2 * 10 * 10 * 32)


def test_grouped_products_read_only_the_experts_that_are_chosen():
    rows, weights = torch.ones(4, 16), torch.ones(8, 16, 32)
    offsets = torch.tensor([4] * 8, dtype=torch.int32)
    module = Calls(lambda m, x, w, o: F.grouped_mm(x, w, offs=o))
    phase = trace(module, {"x": rows, "w": weights, "o": offsets}, phase="decode", experts_per_token=2)
    operation = only(phase, "_grouped_mm")
    assert operation.flops == 2 * 4 * 16 * 32
    distinct = 8 * (1 - (1 - 2 / 8) ** 2)
    assert operation.bytes_read == pytest.approx(4 * (4 * 16 + distinct * 16 * 32) + 8 * 4)


@torch.library.custom_op("equal_footing_tests::mix", mutates_args=())
def mix(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b


@mix.register_fake
def _(a, b):
    return a.new_empty(a.shape[0], b.shape[1])


@torch.library.custom_op("equal_footing_tests::shuffle", mutates_args=())
def shuffle(a: torch.Tensor) -> torch.Tensor:
    return a.flip(0)


@shuffle.register_fake
def _(a):
    return torch.empty_like(a)


def test_an_unknown_operation_on_matrices_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"'mix' has no formula, and it has matrix operands"):
        trace(Calls(lambda m, x: mix(x, x)), {"x": torch.ones(4, 4)}, phase="encode")


def test_an_unknown_operation_that_moves_much_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"'shuffle' has no formula, and it moves \d+% of the bytes"):
        trace(Calls(lambda m, x: shuffle(x) + 1), {"x": torch.ones(4)}, phase="encode")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda m, x: torch.linalg.solve(x, x), "'_linalg_solve_ex' has no formula"),
        (lambda m, x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), "cond"),
        (lambda m, x: torch.sparse.mm(x.to_sparse(), x), "sparse_coo tensors cannot be counted"),
    ],
    ids=["solve", "cond", "sparse"],
)
def test_what_cannot_be_counted_is_never_free(function, said):
    with pytest.raises(InputError, match=said):
        trace(Calls(function), {"x": torch.eye(4)}, phase="encode")


def test_a_small_unknown_operation_is_counted():
    phase = counted(lambda m, x, y: (shuffle(x) + 1, y + 1), x=torch.ones(4), y=torch.ones(100_000))
    assert phase.unpriced == {"shuffle": 1}


def test_a_model_that_needs_values_runs_on_its_own():
    phase = trace(Calls(lambda m, x: x * x.sum().item()), {"x": torch.ones(4, 4)}, phase="encode")
    assert [o.name for o in phase.operations if o.kind == "pointwise"] == ["sum", "mul"]


def test_the_module_and_its_inputs_are_left_as_they_were():
    layer, x = nn.Linear(4, 4), torch.ones(2, 4)
    before = layer.weight.clone()
    trace(Calls(lambda m, x: m.layer(x), layer=layer), {"x": x}, phase="encode")
    assert torch.equal(layer.weight, before) and type(layer.weight) is nn.Parameter
    assert torch.equal(x, torch.ones(2, 4))
