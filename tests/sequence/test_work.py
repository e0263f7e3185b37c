"""What the mixers take, counted: how it grows with the length, and that it can be priced."""

from __future__ import annotations

import pytest

from harness.efficiency.at_lengths import LENGTHS
from harness.efficiency.run_prices import reference
from harness.efficiency.serving import price
from harness.efficiency.work import Tally
from harness.sequence.backbone import Architecture, Backbone
from harness.sequence.mixers import MIXERS
from harness.sequence.work import CLASSIFY, classify, classify_stage, growth, stages_at_lengths

LINEAR = ("cosformer", "flow", "hyper", "lightning", "linear", "linformer", "local", "nystromformer", "performer")
QUADRATIC = ("diff_qkv", "hstu", "softmax")


def architecture(mixer: str, length: int = 64) -> Architecture:
    return Architecture(mixer, "layer_norm", "dense", 64, 2, 4, 128, length, 10)


@pytest.mark.parametrize("mixer", [*LINEAR, "transnormer"])
def test_linear_mixers_grow_with_the_length(mixer: str) -> None:
    assert 0.9 < growth(architecture(mixer))["growth_of_flops"] <= 1.05


@pytest.mark.parametrize("mixer", QUADRATIC)
def test_softmax_attention_and_its_kin_grow_with_its_square(mixer: str) -> None:
    assert growth(architecture(mixer))["growth_of_flops"] == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize("mixer", ["diagonal", "fft"])
def test_transforms_grow_with_the_length_and_its_logarithm(mixer: str) -> None:
    assert 1.05 < growth(architecture(mixer))["growth_of_flops"] <= 1.15


def test_hyper_attention_is_quadratic_below_the_length_at_which_it_begins_to_approximate() -> None:
    assert growth(architecture("hyper"), 1024, 4095)["growth_of_flops"] == pytest.approx(2.0, abs=0.02)


def test_fused_attention_keeps_no_scores_but_silu_attention_does() -> None:
    assert growth(architecture("softmax"))["growth_of_bytes"] == pytest.approx(1.0, abs=0.02)
    assert growth(architecture("hstu"))["growth_of_bytes"] == pytest.approx(2.0, abs=0.02)


def test_every_mixer_is_in_one_of_these_groups() -> None:
    assert {*LINEAR, *QUADRATIC, "transnormer", "diagonal", "fft"} == set(MIXERS)


def test_bytes_and_operations_are_the_same_every_time() -> None:
    made = architecture("flow", 512)
    first, again = (classify(Backbone(made), made, batch=4, n=512) for _ in range(2))
    assert (first.peak_bytes, first.flops, first.bytes) == (again.peak_bytes, again.flops, again.bytes)


@pytest.mark.parametrize("mixer", ["softmax", "flow", "nystromformer", "lightning"])
def test_the_stage_gives_a_price_at_lengths_between(mixer: str) -> None:
    made = architecture(mixer)
    stage = classify_stage(Backbone(made), made)
    served = Tally(CLASSIFY, examples=10, prompt_tokens=10 * 40)
    assert price((stage,), (served,), reference()).bound_seconds > 0


def test_batches_at_every_length_are_traced_by_themselves() -> None:
    """HyperAttention is quadratic up to 4,096 symbols, and keeps more alive from there on: no polynomial has both."""
    answered, trained = stages_at_lengths(architecture("hyper"))
    assert [n for n, _ in answered.prompt] == [n for n, _ in trained.prompt] == list(LENGTHS)
    mixed = {
        n: sum(o.count * o.flops for o in phase.operations if o.kind == "attention") for n, phase in answered.prompt
    }
    assert mixed[3072] / mixed[1024] == pytest.approx(9.0, rel=0.01)
    by_length = dict(answered.prompt)
    assert by_length[16384].flops / by_length[4096].flops == pytest.approx(4.0, rel=0.05)
    assert by_length[4096].peak_bytes > 5 * by_length[3072].peak_bytes
    assert all(dict(trained.prompt)[n].flops > 2 * by_length[n].flops for n in LENGTHS)
