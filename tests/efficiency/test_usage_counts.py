"""Many runs priced at once: the same seconds as phase by phase, for whatever usage there is of whatever stage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.efficiency.gpt_shapes import Shape, decode, encode, prefill
from harness.efficiency.hardware import hardware
from harness.efficiency.ledger import Operation, Phase, Routing, distinct_experts
from harness.efficiency.pricing import bound_seconds
from harness.efficiency.rates import Side
from harness.efficiency.run_prices import reference
from harness.efficiency.search_work import candidate, flat_scan, posting
from harness.efficiency.serving import Price, Reference, price, price_all
from harness.efficiency.usage_phases import placed
from harness.efficiency.work import Stage, Tally
from harness.errors import InputError

SHAPE = Shape(layers=4, hidden=256, heads=4, kv_heads=4, ffn=1024, vocabulary=1000)
A100 = hardware("A100-80GB-SXM")
BOUND = Reference(Side(A100), Side(hardware("EPYC-7742-64c-CPU")))


def experts(tokens: int) -> Phase:
    """A product with those of eight experts that some of the tokens choose, two each."""
    share = distinct_experts(8, 2, tokens) / 8
    weights = 1e6 * share
    activations = 512.0 * tokens
    routing = Routing(8, 2, tokens)
    product = Operation(
        "experts", "matmul", "float16", 2.0, 4e6 * tokens, weights + activations, activations, weights, routing=routing
    )
    return Phase("encode", (product,), layers=2)


ENCODED = tuple((n, encode(SHAPE, 1, n)) for n in (32, 64, 128))
STAGES = {
    "encoder": Stage("s", dtype="float16", prompt=ENCODED, hidden_size=256),
    "decoder": Stage(
        "s",
        dtype="float16",
        prompt=tuple((n, prefill(SHAPE, 1, n)) for n in (32, 64, 128)),
        step=tuple((n, decode(SHAPE, 1, n)) for n in (32, 64)),
        memory=SHAPE.memory,
        hidden_size=256,
    ),
    "mixture": Stage("s", dtype="float16", prompt=tuple((n, experts(n)) for n in (8, 64))),
    "constant": Stage("s", once=flat_scan(1000, 64), prompt=((64, encode(SHAPE, 1, 64)),)),
    "terms": Stage("s", device="host", once=flat_scan(10, 8), each={"postings": posting(), "documents": candidate()}),
}
TALLIES = st.builds(
    lambda examples, new, cached, out, images, units: Tally(
        "s", examples, new + cached, cached, out, images, postings=units[0], documents=units[1]
    ),
    st.integers(1, 50),
    st.integers(1, 400),
    st.integers(0, 300),
    st.integers(0, 40),
    st.integers(0, 3),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)),
)
PADDED = st.builds(
    lambda examples, rows, tokens: Tally("s", examples, tokens, batch_rows=rows, batch_tokens=tokens),
    st.integers(1, 50),
    st.integers(1, 32),
    st.integers(1, 400),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(STAGES)), st.lists(TALLIES | PADDED, min_size=1, max_size=5))
def test_the_bound_is_that_of_the_phases(name: str, tallies: list[Tally]) -> None:
    stage = STAGES[name]
    side = BOUND.side(stage)
    phases = placed(stage, tallies, 1)
    expected = sum(times * bound_seconds(p.phase, side.hardware, p.accelerators) for p, times in phases)
    examples = sum(tally.examples for tally in tallies)
    assert price([stage], tallies, BOUND).bound_seconds == pytest.approx(expected / examples, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(STAGES)), st.lists(TALLIES, min_size=1, max_size=3)), max_size=6))
def test_runs_do_not_change_each_others_price(runs: list[tuple[str, list[Tally]]]) -> None:
    on = reference()
    together = price_all([([STAGES[name]], tallies) for name, tallies in runs], on)
    for (name, tallies), found in zip(runs, together, strict=True):
        alone = price([STAGES[name]], tallies, on)
        assert isinstance(found, Price)
        assert found.bound_seconds == pytest.approx(alone.bound_seconds, rel=1e-12)
        assert (found.calibrated_seconds is None) == (alone.calibrated_seconds is None)
        assert found.calibrated_seconds == pytest.approx(alone.calibrated_seconds, rel=1e-12)
        assert (found.error_p90, found.accelerators) == (alone.error_p90, alone.accelerators)


def test_a_run_without_a_price_leaves_the_others_theirs() -> None:
    good = ([STAGES["encoder"]], [Tally("s", 1, prompt_tokens=10)])
    unknown = ([STAGES["encoder"]], [Tally("t", 1)])
    infinite = Phase("encode", (Operation("much", "scan", "float32", 1.0, 0.0, float("inf"), 0.0),))
    unheard_of = Phase("encode", (Operation("odd", "matmul", "int3", 1.0, 1e6, 1e3, 1e3),))
    others = [([Stage("s", once=phase)], [Tally("s", 1)]) for phase in (infinite, unheard_of)]
    found = price_all([unknown, good, *others], reference())
    assert isinstance(found[1], Price)
    assert found[1].bound_seconds == pytest.approx(price(*good, reference()).bound_seconds)
    for error, said in zip((found[0], *found[2:]), ("'t'", "no finite number", "int3"), strict=True):
        assert isinstance(error, InputError)
        assert said in error.message
