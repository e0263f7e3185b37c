"""Profiles of hardware and stacks: sourced numbers, the nearest name for a misspelt one, errors that name the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.efficiency.hardware import Hardware, MissingNumber, hardware, hardware_profiles
from harness.efficiency.profile_files import UnknownProfile
from harness.efficiency.stacks import stack, stacks
from harness.errors import InputError


def test_published_peaks_of_an_a100() -> None:
    a100 = hardware("A100-80GB-SXM")
    assert a100.peak("float16") == a100.peak("bfloat16") == 312e12
    assert a100.bandwidth_bytes_per_second == 2039e9
    assert a100.link_bytes_per_second == 300e9, "one direction of 600 GB/s"


@pytest.mark.parametrize("profile", hardware_profiles().values(), ids=lambda p: p.name)
def test_every_number_has_a_source(profile: Hardware) -> None:
    given = {name for name, value in profile if value is not None} - {"name", "sources", "peak_flops", "price_date"}
    given |= {f"peak_flops.{dtype}" for dtype in profile.peak_flops} | ({"price_date"} if profile.price_date else set())
    assert all(profile.sources.get(field) for field in given), given - set(profile.sources)


@pytest.mark.parametrize("profile", hardware_profiles().values(), ids=lambda p: p.name)
def test_narrower_arithmetic_is_never_slower(profile: Hardware) -> None:
    widths = ("float64", "float32", "tfloat32", "bfloat16", "int8", "int4")
    peaks = [profile.peak_flops[dtype] for dtype in widths if dtype in profile.peak_flops]
    assert peaks == sorted(peaks)


@pytest.mark.parametrize(("name", "meant"), [("A100-80GB-SMX", "A100-80GB-SXM"), ("h100-sxm", "H100-SXM")])
def test_misspelt_hardware_names_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UnknownProfile) as caught:
        hardware(name)
    assert meant in caught.value.hint


def test_misspelt_stack_names_the_nearest() -> None:
    with pytest.raises(UnknownProfile) as caught:
        stack("megatron")
    assert "megatron-2022" in caught.value.hint


def test_a_name_like_nothing_lists_what_there_is() -> None:
    with pytest.raises(UnknownProfile) as caught:
        stack("qqqq")
    assert all(name in caught.value.hint for name in stacks())


def test_misspelt_dtype_names_the_nearest() -> None:
    with pytest.raises(UnknownProfile) as caught:
        hardware("T4").peak("bflaot16")
    assert "bfloat16" in caught.value.hint


def test_a_rate_that_the_hardware_lacks_is_an_error_that_names_it() -> None:
    with pytest.raises(MissingNumber, match=r"V100-SXM2-32GB.*peak_flops\.bfloat16"):
        hardware("V100-SXM2-32GB").peak("bfloat16")


def test_an_unknown_number_is_an_error_that_names_it() -> None:
    with pytest.raises(MissingNumber, match="power_watts"):
        hardware("TPU-v5e").number("power_watts")


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\npeak_flops: {float32: 1e12}\nbandwidth_bytes_per_second: 1e11\n")
    assert hardware(str(path)).peak("float32") == 1e12


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("name: mine\npeak_flops: {float32: -1}\n", r":2: peak_flops\.float32"),
        ("name: mine\npeak_flops: {}\nbandwith: 3\n", r":3: bandwith"),
        ("peak_flops: {}\n", r"name: field required"),
    ],
)
def test_a_broken_profile_is_an_error_with_file_line_and_field(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml.*{where}"):
        hardware(str(path))


def test_a_stack_of_ones_own_is_untested_until_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "name: ours\nhost: adds\nconstants: {compute_efficiency: 0.5, bandwidth_efficiency: 0.8, "
        "pointwise_factor: 1, host_seconds_per_layer: 0, allreduce_latency_seconds: 0}\n"
    )
    assert stack(str(path)).error_p90 is None


def test_an_efficiency_above_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "name: ours\nhost: adds\nconstants:\n  compute_efficiency: 1.5\n  bandwidth_efficiency: 0.8\n"
        "  pointwise_factor: 1\n  host_seconds_per_layer: 0\n  allreduce_latency_seconds: 0\n"
    )
    with pytest.raises(InputError, match=r"ours\.yaml:4: constants\.compute_efficiency"):
        stack(str(path))
