"""Seconds from counts: the roofline by hand, tensor parallelism, whole requests, and what has to be refused."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.efficiency.closed_form import Decoder, OtherCalls, Polynomial, Request, request_estimate
from harness.efficiency.counts import Placed
from harness.efficiency.deployment import DoesNotFit, check_tensor_parallel, expense, minimum_accelerators
from harness.efficiency.gpt_shapes import Shape, decode, prefill
from harness.efficiency.hardware import MissingNumber, hardware
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.pricing import ImpossibleClaim, bound_seconds, check_claim, estimate
from harness.efficiency.stacks import stack, stacks
from harness.efficiency.tiling import tiled_flops
from harness.errors import InputError

A100 = hardware("A100-80GB-SXM")
LLAMA_2_7B = Shape(32, 4096, 32, 32, 11008, 32000, architecture="llama")
LLAMA_2_70B = Shape(80, 8192, 64, 8, 28672, 32000, architecture="llama")
SHAPES = st.builds(
    lambda layers, heads, kv, ffn, kind, attention: Shape(
        layers, 64 * heads, heads, kv, 64 * ffn, 1000, architecture=kind, attention=attention
    ),
    st.integers(1, 40), st.integers(1, 64), st.just(1), st.integers(1, 200),
    st.sampled_from(["gpt", "llama"]), st.sampled_from(["fused", "eager"]),
)  # fmt: skip


def _operation(kind: str, flops: float = 0.0, read: float = 0.0, dtype: str = "float16") -> Operation:
    counts = {"count": 1, "flops": flops, "bytes_read": read, "bytes_written": 0}
    return msgspec.convert({"name": kind, "kind": kind, "dtype": dtype, **counts}, Operation)


def _decoder(shape: Shape, batch: int) -> Decoder:
    return Decoder(
        prefill=Polynomial.through({p: prefill(shape, batch, p) for p in (128, 512, 2048)}),
        decode=Polynomial.through({c: decode(shape, batch, c) for c in (128, 2048)}),
        hidden_size=shape.hidden,
    )


def test_the_bound_is_the_slower_of_arithmetic_and_traffic_of_each_operation() -> None:
    phase = Phase("encode", (_operation("matmul", flops=312e12), _operation("gather", read=2039e9)))
    assert bound_seconds(phase, A100) == pytest.approx(1.0 + 1.0)
    assert bound_seconds(phase, A100, accelerators=4) == pytest.approx(0.5)


def test_norms_and_pointwise_passes_are_free_in_the_bound() -> None:
    assert (
        bound_seconds(Phase("encode", (_operation("norm", read=1e12), _operation("pointwise", read=1e12))), A100) == 0
    )


def test_one_token_of_llama_2_7b_reads_its_weights_once() -> None:
    weights_read = LLAMA_2_7B.memory.weights_bytes - 2 * 32000 * 4096  # all but the embedding table
    assert bound_seconds(decode(LLAMA_2_7B, 1, 1), A100) == pytest.approx(weights_read / 2039e9, rel=0.001)


def test_published_parameter_count_of_llama_2_7b() -> None:
    assert LLAMA_2_7B.parameters == 6_738_415_616


@given(SHAPES, st.sampled_from(sorted(stacks())), st.integers(1, 64), st.integers(1, 4096), st.sampled_from([1, 2, 8]))
def test_no_prediction_is_faster_than_the_bound(shape: Shape, name: str, batch: int, tokens: int, n: int) -> None:
    placed = Placed(prefill(shape, batch, tokens), n, allreduce_bytes=2.0 * batch * tokens * shape.hidden)
    price = estimate(placed, A100, stack(name))
    assert price.calibrated_seconds is not None
    assert price.calibrated_seconds >= price.bound_seconds > 0


def test_a_prediction_carries_the_error_of_its_stack() -> None:
    price = estimate(Placed(decode(LLAMA_2_7B, 1, 100)), A100, stack("gpt-fast"))
    assert price.error_p90 == stack("gpt-fast").error_p90
    assert estimate(Placed(decode(LLAMA_2_7B, 1, 100)), A100, None).calibrated_seconds is None


def test_a_measured_gpt_fast_token_is_predicted_within_its_error() -> None:
    price = estimate(Placed(decode(LLAMA_2_7B, 1, 105)), A100, stack("gpt-fast"))
    assert price.calibrated_seconds == pytest.approx(1 / 104.9, rel=0.1)


def test_several_accelerators_without_a_known_link_cannot_be_priced() -> None:
    placed = Placed(decode(LLAMA_2_7B, 1, 100), 2, allreduce_bytes=8192.0)
    with pytest.raises(MissingNumber, match="link_bytes_per_second"):
        estimate(placed, hardware("MI300X"), stack("gpt-fast"))


def test_a_dtype_that_the_hardware_lacks_cannot_be_priced() -> None:
    phase = Phase("encode", (_operation("matmul", flops=1.0, dtype="bfloat16"),))
    with pytest.raises(MissingNumber, match="bfloat16"):
        bound_seconds(phase, hardware("T4"))


def test_a_claim_below_the_bound_is_rejected_in_a_sentence() -> None:
    with pytest.raises(ImpossibleClaim, match=r"cannot take less than 5\.4 s"):
        check_claim(4.98, 5.4, "BERT-6B at batch 128")
    check_claim(5.4, 5.4, "BERT-6B at batch 128")


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_tiles_never_do_less_than_the_product_needs(m: int, n: int, k: int) -> None:
    assert tiled_flops(*map(_array, (m, n, k, 108))) >= 2.0 * m * n * k


def test_one_row_costs_as_much_as_the_smallest_tile_has_rows() -> None:
    one, tile = (tiled_flops(*map(_array, (m, 4096, 4096, 108))) for m in (1, 64))
    assert one == tile


@pytest.mark.parametrize("name", [None, *sorted(stacks())])
@pytest.mark.parametrize(("prompt", "output"), [(1, 1), (7, 33), (300, 64), (1000, 500), (3000, 100)])
@pytest.mark.parametrize("shape", [LLAMA_2_7B, msgspec.structs.replace(LLAMA_2_70B, attention="eager")])
def test_the_closed_form_is_the_sum_over_tokens(shape: Shape, name: str | None, prompt: int, output: int) -> None:
    software = stack(name) if name else None
    of_request = request_estimate(_decoder(shape, 2), Request(2, prompt, output), A100, software, accelerators=4)
    reduced = 2.0 * 2 * shape.hidden
    token_by_token = [
        estimate(Placed(prefill(shape, 2, prompt), 4, reduced * prompt), A100, software),
        *(estimate(Placed(decode(shape, 2, prompt + i), 4, reduced), A100, software) for i in range(1, output)),
    ]
    assert of_request.bound_seconds == pytest.approx(sum(e.bound_seconds for e in token_by_token), rel=0.001)
    if software:
        summed = sum(e.calibrated_seconds or 0.0 for e in token_by_token)
        assert of_request.calibrated_seconds == pytest.approx(summed, rel=0.001)


def test_attention_makes_prefill_grow_faster_than_its_prompt() -> None:
    form = _decoder(LLAMA_2_7B, 1)
    short, long = (request_estimate(form, Request(1, p, 1), A100, None).bound_seconds for p in (4096, 8192))
    assert long > 2.05 * short


@pytest.mark.parametrize(("prompt", "output", "field"), [(0, 1, "prompt_tokens"), (1, 0, "output_tokens")])
def test_a_request_of_nothing_is_refused(prompt: int, output: int, field: str) -> None:
    with pytest.raises(InputError, match=f"{field} is 0"):
        Request(1, prompt, output)


def test_ledgers_of_different_models_make_no_closed_form() -> None:
    with pytest.raises(OtherCalls, match="differ"):
        Polynomial.through({1: decode(LLAMA_2_7B, 1, 1), 2: prefill(Shape(1, 64, 1, 1, 64, 10), 1, 2)})


def test_llama_2_70b_needs_two_a100_and_one_h200_does_not_hold_it() -> None:
    memory = LLAMA_2_70B.memory
    assert memory.weights_bytes == pytest.approx(138e9, rel=0.01)
    assert minimum_accelerators(memory, 1, 512, 1e9, A100, heads=64) == 2
    assert minimum_accelerators(memory, 1, 512, 1e9, hardware("H200-SXM"), heads=64) == 2


def test_accelerators_divide_the_heads() -> None:
    three = Memory(weights_bytes=int(3 * 70e9))
    assert minimum_accelerators(three, 1, 1, 0, A100) == 3
    assert minimum_accelerators(three, 1, 1, 0, A100, heads=32) == 4


def test_the_cache_of_many_sequences_counts() -> None:
    memory = LLAMA_2_7B.memory
    assert minimum_accelerators(memory, 1, 4096, 0, A100) == 1
    assert minimum_accelerators(memory, 64, 4096, 0, A100) == 3


def test_a_model_that_no_number_holds_is_an_error() -> None:
    with pytest.raises(DoesNotFit, match="do not fit"):
        minimum_accelerators(Memory(weights_bytes=10**12), 1, 1, 0, A100, heads=2)


@pytest.mark.parametrize(
    ("n", "heads", "says"), [(64, 32, "cannot share 32"), (3, 32, "evenly"), (0, 32, "at least 1")]
)
def test_accelerators_that_cannot_share_the_heads_are_refused(n: int, heads: int, says: str) -> None:
    with pytest.raises(DoesNotFit, match=says):
        check_tensor_parallel(n, heads)


def test_expense_is_derived_from_accelerator_seconds() -> None:
    spent = expense(1800.0, A100, accelerators=2)
    assert spent.accelerator_seconds == 3600
    assert spent.energy_joules == 3600 * 400
    assert spent.dollars == (0.80, 3.00)
    assert spent.price_date == "2026-05"
    assert expense(1.0, hardware("TPU-v5e")).energy_joules is None


def _array(value: int) -> npt.NDArray[np.float64]:
    return np.array(float(value))
