"""Bytes of a bound: from memory on a GPU; on a CPU, from memory only as far as the cache cannot have kept them."""

from __future__ import annotations

import msgspec
import pytest

from harness.efficiency.hardware import Hardware, MissingNumber
from harness.efficiency.ledger import Operation, Phase
from harness.efficiency.pricing import bound_seconds

CORE = Hardware(
    name="core",
    peak_flops={"float32": 1e11},
    bandwidth_bytes_per_second=1e9,
    cache_bytes=1e6,
    cache_bandwidth_bytes_per_second=1e10,
)
GPU = CORE.model_copy(update={"cache_bytes": None})


def reads(size: float, weights: float = 0.0, written: float = 0.0, count: float = 1.0) -> Operation:
    return Operation("read", "scan", "float32", count, 0.0, size, written, weights)


def test_without_a_cache_every_byte_comes_from_memory() -> None:
    assert bound_seconds(Phase("scan", (reads(6e5, written=4e5),)), GPU) == pytest.approx(1e-3)


def test_what_fits_in_the_cache_comes_from_there() -> None:
    assert bound_seconds(Phase("scan", (reads(1e6),)), CORE) == pytest.approx(1e-4)


def test_of_what_is_larger_the_cache_can_keep_its_size() -> None:
    assert bound_seconds(Phase("scan", (reads(4e6),)), CORE) == pytest.approx(3e6 / 1e9)


def test_weights_count_together_over_all_layers() -> None:
    """Ten layers of half a cache each: no more than a fifth of them can be there when they are used again."""
    layers = Phase("decode", (reads(5e5, weights=5e5, count=10),))
    assert bound_seconds(layers, CORE) == pytest.approx(0.8 * 5e6 / 1e9)
    activations = Phase("decode", (reads(5e5, count=10),))
    assert bound_seconds(activations, CORE) == pytest.approx(5e6 / 1e10), "each call's are used once"


def test_a_cache_is_read_and_written_at_once() -> None:
    assert bound_seconds(Phase("copy", (reads(4e5, written=4e5),)), CORE) == pytest.approx(4e5 / 1e10)


def test_two_cores_have_twice_the_cache() -> None:
    assert bound_seconds(Phase("scan", (reads(2e6),)), CORE, accelerators=2) == pytest.approx(1e-4)


def test_a_cache_of_unknown_speed_cannot_be_priced() -> None:
    unknown = CORE.model_copy(update={"cache_bandwidth_bytes_per_second": None})
    with pytest.raises(MissingNumber, match="cache_bandwidth_bytes_per_second"):
        bound_seconds(Phase("scan", (msgspec.structs.replace(reads(1.0)),)), unknown)
