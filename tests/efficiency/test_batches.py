"""A phase for one sequence says what it is for any batch: exactly what a real run of that batch does."""

from __future__ import annotations

import pytest
import torch
import transformers

from harness.efficiency.batches import batched
from harness.efficiency.encoders import encoder_ledger
from harness.efficiency.gpt_shapes import Shape, decode
from harness.efficiency.language_models import language_model_ledger, load_config
from harness.efficiency.ledger import Growth, Operation, Phase, Routing, merged
from harness.efficiency.trace import trace, trace_growing
from harness.errors import InputError
from tests.efficiency.small_models import CAUSAL, ENCODERS, assert_same, ids, real, real_model

B, P, C = 8, 12, 9


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", ["bert", "t5", "vit", "deberta"])
def test_an_encoder_at_a_batch(name, attention):
    config = ENCODERS[name]
    ledger = encoder_ledger(config, batch=1, tokens=P, dtype="float32", attention=attention)
    auto = transformers.AutoModelForTextEncoding if name == "t5" else transformers.AutoModel
    inputs = {"pixel_values": torch.zeros(B, 3, 32, 32)} if name == "vit" else {"input_ids": ids(P, batch=B)}
    whole = real(real_model(auto, config, ledger.attention), inputs, "encode", ledger.attention)
    assert_same(batched(ledger.phase("encode"), B), whole)


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("name", ["llama", "mamba", "t5"])
def test_a_decoder_at_a_batch(name, attention):
    shape = {"prompt_tokens": P, "context_tokens": C, "dtype": "float32", "attention": attention}
    one, whole = (language_model_ledger(CAUSAL[name], batch=batch, **shape) for batch in (1, B))
    for phase in ("prefill", "decode"):
        assert_same(batched(one.phase(phase), B), whole.phase(phase))
    assert batched(one.phase("decode"), 1).operations == merged(one.phase("decode").operations)


@pytest.mark.parametrize("batch", [2, 5, 64])
def test_a_mixture_reads_the_experts_that_the_batch_is_expected_to_choose(batch):
    shape = {"prompt_tokens": 1, "context_tokens": 1, "dtype": "bfloat16"}
    one, whole = (
        language_model_ledger(load_config("mixtral-8x7b"), batch=b, **shape).phase("decode") for b in (1, batch)
    )
    found = batched(one, batch)
    assert found.flops == whole.flops
    assert found.bytes == pytest.approx(whole.bytes, rel=1e-12)
    assert found.peak_bytes == whole.peak_bytes


def test_any_module_can_be_traced_with_its_growth():
    layer, table = torch.nn.Linear(8, 16), torch.nn.Embedding(20, 8)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.table = layer, table

        def forward(self, x, places):
            return self.layer(x + self.table(places))

    def inputs(batch):
        return {"x": torch.ones(batch, 5, 8), "places": torch.arange(5)[None]}

    phase = trace_growing(Model(), inputs, phase="encode")
    found = batched(phase, 7)
    assert found == trace(Model(), inputs(7), phase="encode")
    (rows,) = (o for o in found.operations if o.name == "embedding")
    assert rows.bytes_written == 5 * 8 * 4, "places are the same for all"


def test_where_all_sequences_are_compared_there_is_no_growth():
    phase = trace_growing(torch.nn.Identity(), lambda batch: {"input": torch.ones(batch, 4)}, phase="encode")
    assert phase.growth is not None

    class Compared(torch.nn.Module):
        def forward(self, x):
            return x @ x.T

    assert trace_growing(Compared(), lambda batch: {"x": torch.ones(batch, 4)}, phase="encode").growth is None


def test_closed_forms_read_their_weights_once():
    shape = Shape(layers=2, hidden=64, heads=4, kv_heads=4, ffn=256, vocabulary=100)
    assert batched(decode(shape, 1, 50), 16).operations == decode(shape, 16, 50).operations


def test_experts_follow_from_the_tokens_and_not_from_a_line():
    routing = Routing(experts=8, chosen=2, tokens=1.0)
    product = Operation("_grouped_mm", "matmul", "float16", 1.0, 100.0, 210.0, 4.0, weight_bytes=200.0, routing=routing)
    assert routing.share == pytest.approx(0.25)
    found = batched(Phase("decode", (product,)), 3).operations[0]
    assert found.flops == 300.0
    assert found.weight_bytes == pytest.approx(800 * (1 - 0.75**3))
    assert found.bytes_read == pytest.approx(3 * 10 + 800 * (1 - 0.75**3))


def test_the_highest_of_several_peaks_is_taken():
    growth = Growth(further=(), peaks=((100, 1), (10, 20)))
    phase = Phase("encode", (), peak_bytes=100, growth=growth)
    assert [batched(phase, batch).peak_bytes for batch in (1, 2, 6)] == [100, 101, 110]


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(InputError, match="the batch is 0"):
        batched(Phase("encode", ()), 0)
