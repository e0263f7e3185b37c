"""Runs priced from stored counts: the same as pricing each example's own trace, whatever was tallied together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Usage
from harness.efficiency.closed_form import averaged
from harness.efficiency.counts import Placed
from harness.efficiency.encoder_work import encoder_stage
from harness.efficiency.generation_work import generation_stage
from harness.efficiency.hardware import hardware
from harness.efficiency.language_models import encoder_ledger, language_model_ledger, load_config
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.pricing import estimate
from harness.efficiency.rates import Side, Unpriced
from harness.efficiency.run_prices import reference
from harness.efficiency.search_work import candidate, embedding_bag, flat_scan, indexing, posting, query_terms
from harness.efficiency.serving import Reference, price, price_preparing
from harness.efficiency.stacks import stack
from harness.efficiency.work import Stage, Tally, Work, tallied

A100, CPU = hardware("A100-80GB-SXM"), hardware("EPYC-7742-64c-CPU")
ON = Reference(Side(A100, stack("fastertransformer")), Side(CPU))
BM25 = Stage("search", device="host", each={"postings": posting(), "documents": candidate()})


def test_bm25_is_the_bytes_of_its_postings_on_the_host() -> None:
    served = tallied([Usage("search", postings=1000, documents=300), Usage("search", postings=3000, documents=500)])
    found = price([BM25], served, ON)
    least = 2000 * (4 + 4 + 8) + 400 * 4
    assert found.bound_seconds == pytest.approx(least / CPU.number("cache_bandwidth_bytes_per_second"))
    assert (found.accelerators, found.accelerator_seconds) == (0, 0.0), "it uses no accelerator"
    assert found.calibrated_seconds is None, "the host has no stack"
    (stage,) = found.stages
    assert (stage.device, stage.hardware) == ("host", CPU.name)


def test_what_another_program_does_on_the_host_is_not_calibrated_as_numpy() -> None:
    """Lucene and faiss count no calls of NumPy; its constants would make them a thousand times too fast."""
    on = Reference(ON.accelerator, Side(CPU, stack("numpy-cpu")))
    served = tallied([Usage("search", prompt_tokens=1, postings=1000, documents=300)])
    assert price([BM25], served, on).calibrated_seconds is None
    ours = Stage("search", device="host", each=BM25.each, prompt=((1, query_terms(1)), (2, query_terms(2))))
    assert price([ours], served, on).calibrated_seconds is not None


def test_a_flat_scan_reads_the_whole_index_for_every_query() -> None:
    stage = Stage("search", once=flat_scan(1_000_000, 768), index_bytes=4 * 768_000_000)
    found = price([stage], tallied([Usage("search")] * 3), ON)
    assert found.bound_seconds == pytest.approx((4 * 768e6 + 8e6) / 2039e9)
    assert found.index_bytes == 3_072_000_000
    assert found.accelerators == 1


@pytest.fixture(scope="module")
def config_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    load_config("all-MiniLM-L6-v2").save_pretrained(folder)
    return folder


def test_an_encoder_costs_at_each_length_what_a_trace_at_that_length_costs(config_folder: Path, tmp_path: Path) -> None:
    stage = encoder_stage(config_folder, name="encode", max_tokens=256, dtype="float32", cache=tmp_path)
    config = load_config(str(config_folder))
    for tokens in (7, 131, 256):
        traced = encoder_ledger(config, batch=1, tokens=tokens, dtype="float32").phase("encode")
        own = estimate(Placed(traced), A100, ON.accelerator.stack)
        found = price([stage], tallied([Usage("encode", prompt_tokens=tokens)]), ON)
        assert found.bound_seconds == pytest.approx(own.bound_seconds, rel=1e-9)
        assert found.calibrated_seconds == pytest.approx(own.calibrated_seconds, rel=1e-6)
    assert found.error_p90 is None, "nobody measured float32 under this stack"
    assert found.weights_bytes == stage.memory.weights_bytes > 90e6
    assert found.peak_activation_bytes == traced.peak_bytes


def test_a_traced_stage_is_remembered_bit_by_bit(config_folder: Path, tmp_path: Path) -> None:
    asked = {"name": "encode", "max_tokens": 64, "dtype": "float32", "cache": tmp_path}
    first, again = (encoder_stage(config_folder, **asked) for _ in range(2))  # type: ignore[arg-type]
    (file,) = (tmp_path / "ledgers").iterdir()
    file.write_bytes(b"damaged")
    traced = encoder_stage(config_folder, **asked)  # type: ignore[arg-type]
    assert Work((first,)).digest == Work((again,)).digest == Work((traced,)).digest


def test_generation_is_a_prefill_and_its_further_tokens() -> None:
    config = load_config("llama-3-8b")

    def ledger(prompt: int, context: int) -> tuple[Phase, Phase]:
        found = language_model_ledger(
            config, batch=1, prompt_tokens=prompt, context_tokens=context, dtype="bfloat16", logits_to_keep=1
        )
        return found.phase("prefill"), found.phase("decode")

    prompts = {tokens: ledger(tokens, tokens) for tokens in (128, 512, 1024)}
    stage = Stage(
        "generate",
        dtype="bfloat16",
        prompt=tuple((tokens, prefill) for tokens, (prefill, _) in prompts.items()),
        step=tuple((tokens, decode) for tokens, (_, decode) in prompts.items() if tokens != 512),
        memory=Memory(weights_bytes=16_060_523_008, kv_bytes_per_token=131_072),
    )
    found = price([stage], tallied([Usage("generate", prompt_tokens=200, output_tokens=11)]), ON)
    prefill, _ = ledger(200, 200)
    steps = [ledger(200, context)[1] for context in range(200, 210)]
    summed = sum(estimate(Placed(phase), A100, None).bound_seconds for phase in [prefill, *steps])
    assert found.bound_seconds == pytest.approx(summed, rel=1e-3)


def test_a_cached_beginning_is_attended_to_and_not_computed_again(tmp_path: Path) -> None:
    """Held to traces in which the beginning is in the cache; their copies and masks are the implementation's own."""
    config = load_config("gpt2")
    stage = generation_stage(config, name="generate", dtype="bfloat16", cache=tmp_path)

    def traced(prompt: int, cached: int, output: int) -> tuple[float, float]:
        """FLOPs of a whole request, and the bytes that its attention needs."""
        flops = moved = 0.0
        for context in range(prompt, prompt + max(1, output - 1)):
            ledger = language_model_ledger(
                config,
                batch=1,
                prompt_tokens=prompt,
                context_tokens=context,
                dtype="bfloat16",
                logits_to_keep=1,
                shared_prefix_tokens=cached,
                growing=False,
            )
            for phase in (ledger.phase("prefill"),) * (context == prompt) + (ledger.phase("decode"),) * (output > 1):
                flops += phase.flops
                attention = [o for o in phase.operations if o.kind == "attention"]
                masks = 12 * (prompt - cached) * prompt if cached and phase.name == "prefill" else 0
                moved += sum(o.count * (o.bytes_read + o.bytes_written) for o in attention) - masks
        return flops, moved

    requests = [(700, 450, 1), (90, 0, 4), (90, 64, 1)]
    usages = [Usage("generate", prompt_tokens=p, cached_tokens=c, output_tokens=o) for p, c, o in requests]
    (priced,) = price([stage], tallied(usages), ON).stages
    flops = sum(times * phase.flops for phase, times in priced.phases)
    attention = [(times, o) for phase, times in priced.phases for o in phase.operations if o.kind == "attention"]
    moved = sum(times * o.count * (o.bytes_read + o.bytes_written) for times, o in attention)
    expected = [sum(amounts) / len(requests) for amounts in zip(*(traced(*r) for r in requests), strict=True)]
    assert [flops, moved] == pytest.approx(expected, rel=1e-6)


def test_preparing_is_priced_in_the_padded_batches_that_it_was_done_in(config_folder: Path, tmp_path: Path) -> None:
    stage = encoder_stage(config_folder, name="encode", max_tokens=256, dtype="float32", cache=tmp_path)
    config = load_config(str(config_folder))
    usages = [Usage("encode", prompt_tokens=n, batch_rows=8, batch_tokens=64) for n in range(57, 65)]
    usages += [Usage("encode", prompt_tokens=n, batch_rows=2, batch_tokens=9) for n in (8, 9)] * 3
    found = price_preparing([stage], tallied(usages, with_batches=True), ON)
    batches = [encoder_ledger(config, batch=b, tokens=t, dtype="float32").phase("encode") for b, t in ((8, 64), (2, 9))]
    once, thrice = (estimate(Placed(phase), A100, ON.accelerator.stack) for phase in batches)
    assert found.bound_seconds == pytest.approx(once.bound_seconds + 3 * thrice.bound_seconds, rel=1e-9)
    assert once.calibrated_seconds is not None and thrice.calibrated_seconds is not None
    assert found.calibrated_seconds == pytest.approx(once.calibrated_seconds + 3 * thrice.calibrated_seconds, rel=1e-6)


def test_no_error_is_claimed_for_building_an_index() -> None:
    stage = Stage("index", device="host", once=indexing(terms=838_128, postings=510_936, analysed=96_202))
    on = reference()
    found = price_preparing([stage], [Tally("index", 1)], on)
    assert found.calibrated_seconds is not None and found.calibrated_seconds > found.bound_seconds > 0
    assert found.error_p90 is None


USAGES = st.builds(
    Usage,
    stage=st.just("search"),
    prompt_tokens=st.integers(0, 3),
    postings=st.integers(0, 10**6),
    documents=st.integers(0, 10**4),
)


@given(st.lists(USAGES, min_size=1, max_size=20))
def test_tallies_price_as_their_usages_do(usages: list[Usage]) -> None:
    together = price([BM25], tallied(usages), ON).bound_seconds
    apart = [price([BM25], tallied([usage]), ON).bound_seconds for usage in usages]
    assert together == pytest.approx(sum(apart) / len(apart), rel=1e-9, abs=1e-18)
    assert sum(tally.examples for tally in tallied(usages)) == len(usages)


def test_stages_add_up_and_are_told_apart() -> None:
    encode = Stage("encode", prompt=tuple((n, embedding_bag(n, 256)) for n in (1, 2)))
    search = Stage("search", once=flat_scan(5183, 256))
    served = tallied(u for n in (4, 12) for u in (Usage("encode", prompt_tokens=n), Usage("search", documents=5183)))
    found = price([encode, search], served, ON)
    assert [stage.name for stage in found.stages] == ["encode", "search"]
    assert found.bound_seconds == pytest.approx(sum(stage.bound_seconds for stage in found.stages))
    assert found.stages[0].bound_seconds == pytest.approx((8 * 1024 + 1024) / 2039e9), "eight tokens on average"


def test_a_stage_that_some_examples_skip_costs_them_nothing() -> None:
    rerank = Stage("rerank", once=flat_scan(1000, 768))
    every = tallied([Usage("search", postings=1)] * 4)
    found = price([BM25, rerank], [*every, *tallied([Usage("rerank")])], ON)
    alone = price([rerank], tallied([Usage("rerank")]), ON)
    assert found.stages[1].bound_seconds == pytest.approx(alone.bound_seconds / 4)


def test_an_index_beyond_one_accelerator_is_spread_over_several() -> None:
    stage = Stage("search", once=flat_scan(100_000_000, 768), index_bytes=4 * 76_800_000_000)
    found = price([stage], tallied([Usage("search")]), ON)
    assert found.accelerators == 5, "307 GB in 0.9 of 80 GB"
    assert found.bound_seconds == pytest.approx((4 * 76.8e9 + 8e8) / 5 / 2039e9)


@pytest.mark.parametrize("count", [float("nan"), float("inf")])
def test_counts_that_are_no_numbers_are_refused(count: float) -> None:
    broken = Phase("encode", (Operation("matmul", "matmul", "float32", 1.0, count, 1.0, 1.0),))
    with pytest.raises(Unpriced, match="no finite number"):
        price([Stage("encode", once=broken)], tallied([Usage("encode")]), ON)


def test_a_stage_that_nobody_describes_cannot_be_priced() -> None:
    with pytest.raises(Unpriced, match="'rerank'"):
        price([BM25], tallied([Usage("search"), Usage("rerank")]), ON)


def test_the_same_work_is_priced_on_each_hardware_by_its_own_numbers() -> None:
    """What is kept of a run's counts does not depend on the hardware, the stack or the order of asking."""
    stage = Stage("search", once=flat_scan(1_000_000, 768), index_bytes=4 * 768_000_000)
    served = tallied([Usage("search")])
    fast = Reference(Side(hardware("H100-SXM"), stack("gpt-fast")), Side(CPU))
    before, other, after = (price([stage], served, on) for on in (ON, fast, ON))
    assert before == after
    assert other.bound_seconds == pytest.approx(before.bound_seconds * 2039 / 3350)
    half = Stage("search", once=flat_scan(500_000, 768), index_bytes=4 * 384_000_000)
    assert price([half], served, ON).bound_seconds == pytest.approx(before.bound_seconds / 2)
    (priced,) = before.stages
    ((phase, times),) = priced.phases
    assert (phase.bytes, times) == (flat_scan(1_000_000, 768).bytes, 1.0)


def test_the_mean_of_sizes_of_a_phase_does_as_much_as_they_do() -> None:
    phases = [(flat_scan(size, 384), times) for size, times in ((1000, 2.0), (4000, 1.0))]
    mean = averaged(phases)
    assert 3 * mean.flops == pytest.approx(sum(times * phase.flops for phase, times in phases))
    assert 3 * mean.bytes == pytest.approx(sum(times * phase.bytes for phase, times in phases), rel=0.05)
