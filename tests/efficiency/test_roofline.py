"""Rooflines: each operation under its roof, and what it takes of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.efficiency.best_batch import best_batches
from harness.efficiency.counts import Placed
from harness.efficiency.hardware import hardware
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.pricing import Estimate, bound_seconds, estimate
from harness.efficiency.roofline import roofline
from harness.efficiency.roofline_chart import chart, check_plot, write_plot
from harness.efficiency.stacks import stack
from harness.errors import InputError

A100 = hardware("A100-80GB-SXM")
PEAK, BANDWIDTH = 312e12, 2039e9


def product(m, n, k, name="mm", count=1.0):
    weights = 2.0 * n * k
    return Operation(name, "matmul", "float16", count, 2.0 * m * n * k, 2.0 * m * k + weights, 2.0 * m * n, weights)


PREFILL = Phase("prefill", (product(4096, 4096, 4096, count=3), product(4096, 1, 8, "thin")), layers=2)
DECODE = Phase(
    "decode",
    (
        product(1, 4096, 4096),
        Operation("embedding", "gather", "float16", 1.0, 0.0, 1e6, 1e6),
        Operation("add", "pointwise", "float16", 5.0, 0.0, 1e6, 1e6),
    ),
    layers=2,
)


def test_points_lie_under_their_roof_and_a_stack_keeps_below() -> None:
    (roof,) = roofline([(PREFILL, 1)], A100, None).roofs
    assert roof.ridge == pytest.approx(PEAK / BANDWIDTH)
    for software in (None, stack("fastertransformer")):
        for point in roofline([(PREFILL, 1), (DECODE, 10)], A100, software).points:
            under = min(PEAK, point.intensity * BANDWIDTH)
            assert point.bound_flops_per_second == pytest.approx(under)
            assert point.flops_per_second <= under * (1 + 1e-9)


def test_what_limits_follows_from_the_ridge() -> None:
    points = {(p.phase, p.operation): p for p in roofline([(PREFILL, 1), (DECODE, 1)], A100, None).points}
    assert points["prefill", "mm"].limit == "compute"
    assert points["decode", "mm"].limit == "memory"
    assert points["decode", "mm"].intensity == pytest.approx(1.0, rel=0.01)
    assert points["decode", "embedding"].limit == "memory"
    assert ("decode", "add") not in points, "the bound has pointwise passes for free"


@pytest.mark.parametrize("accelerators", [1, 2])
def test_shares_are_of_the_bound_or_of_the_kernels(accelerators: int) -> None:
    found = roofline([(PREFILL, 1), (DECODE, 7)], A100, None, accelerators)
    assert sum(p.share for p in found.points) == pytest.approx(1)
    whole = bound_seconds(PREFILL, A100, accelerators) + 7 * bound_seconds(DECODE, A100, accelerators)
    assert sum(p.seconds for p in found.points) == pytest.approx(whole)
    assert [p.share for p in found.points] == sorted((p.share for p in found.points), reverse=True)
    gpt_fast = stack("gpt-fast")
    kernels = sum(p.seconds for p in roofline([(PREFILL, 1)], A100, gpt_fast, accelerators).points)
    alone = estimate(Placed(Phase("prefill", PREFILL.operations), accelerators), A100, gpt_fast)
    assert kernels == pytest.approx(alone.calibrated_seconds)


def test_the_chart_has_the_roofs_and_the_points_that_compute() -> None:
    spec = chart(roofline([(PREFILL, 1), (DECODE, 1)], A100, None)).to_dict()
    roofs, points = (layer["data"]["values"] for layer in spec["layer"])
    assert {p["operation"] for p in points} == {"mm", "thin"}, "a gather has no place on a logarithmic axis"
    ridge = PEAK / BANDWIDTH
    assert [row["rate"] for row in roofs if row["intensity"] >= ridge] == pytest.approx([PEAK, PEAK])


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert chart(roofline([], A100, None)).to_dict()


@pytest.mark.parametrize("suffix", ["html", "svg", "png"])
def test_pictures_are_written(tmp_path: Path, suffix: str) -> None:
    if suffix != "html":
        pytest.importorskip("vl_convert", reason="needs the extra `plot`")
    file = tmp_path / f"roofline.{suffix}"
    check_plot(file)
    write_plot(roofline([(PREFILL, 1)], A100, None), file, title="</script><script>alert(1)</script>")
    content = file.read_bytes()
    assert {"html": b"<!DOCTYPE html>", "svg": b"<svg", "png": b"\x89PNG"}[suffix] in content[:300]
    assert b"<script>alert" not in content


@pytest.mark.parametrize("name", ["roofline.pdf", "roofline", "missing/roofline.html"])
def test_files_that_no_picture_fits_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_plot(tmp_path / name)
    assert json.dumps(caught.value.message)


# --- Best batches ------------------------------------------------------------------------------------------------


def at(batch: int) -> Phase:
    """One product whose weights are shared: memory-bound up to a batch of 153, then compute-bound."""
    return Phase("encode", (product(batch, 8192, 8192),), peak_bytes=batch * 10_000_000)


def price(phase: Phase, batch: int) -> Estimate:
    return estimate(Placed(phase), A100, None)


def test_the_best_batch_is_the_smallest_that_is_as_good_as_any() -> None:
    (best,) = best_batches(at, price, Memory(weights_bytes=10**9), A100, 1)
    assert (best.basis, best.batch) == ("bound", 256)
    assert best.examples_per_second == pytest.approx(PEAK / (2 * 8192 * 8192), rel=0.01)
    assert best.largest_batch == 4096, "8,192 sequences of 10 MB are more than 71 GB"


def test_memory_limits_the_batch() -> None:
    (best,) = best_batches(at, price, Memory(weights_bytes=71_000_000_000), A100, 1)
    assert best.batch == best.largest_batch == 64
    assert best_batches(at, price, Memory(weights_bytes=72_000_000_000), A100, 1) == ()
    (shared,) = best_batches(at, price, Memory(weights_bytes=72_000_000_000), A100, 2)
    assert shared.largest_batch == 2048
