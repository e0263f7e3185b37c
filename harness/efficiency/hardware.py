"""Hardware profiles: what an accelerator can do at most, each number with its source."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harness.efficiency.profile_files import UnknownProfile, read_profile
from harness.errors import InputError

Positive = Annotated[float, Field(gt=0.0)]

DTYPES = ("float64", "float32", "tfloat32", "bfloat16", "float16", "float8", "int8", "int4")
"""Names of arithmetic types, as torch spells them."""

_PEAK = "peak_flops."


class MissingNumber(InputError):
    """A price that needs a number which the hardware profile does not have."""

    def __init__(self, hardware: str, field: str, known: str = "") -> None:
        message = f"the hardware profile {hardware!r} has no {field}, which this price needs"
        hint = f"It has {known}. " if known else ""
        super().__init__(message, hint=f"{hint}Give the number in a YAML profile of your own (docs/efficiency.md).")


class Hardware(BaseModel):
    """One accelerator, CPU socket or CPU core. Rates are dense vendor peaks in FLOP/s and bytes/s; unknown is None."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    peak_flops: dict[str, Positive]
    """FLOP/s by dtype of the arithmetic (operations a second for integers), without sparsity."""
    bandwidth_bytes_per_second: Positive | None = None
    capacity_bytes: Positive | None = None
    link_bytes_per_second: Positive | None = None
    """To the other accelerators, in one direction."""
    power_watts: Positive | None = None
    cache_bytes: Positive | None = None
    """Of the last-level cache, for bounds. None where every byte is charged to memory, as for GPUs."""
    cache_bandwidth_bytes_per_second: Positive | None = None
    """Of reading from it, and as much again for writing to it."""
    multiprocessors: Positive | None = None
    """Of a GPU; None where a product is not computed in waves of tiles."""
    dollars_per_hour_low: Positive | None = None
    dollars_per_hour_high: Positive | None = None
    price_date: str = ""
    sources: dict[str, str] = {}
    """Where each number is from, by field."""

    @property
    def is_processor(self) -> bool:
        """Whether it is a CPU: the only hardware whose cache is part of its profile."""
        return self.cache_bytes is not None

    def peak(self, dtype: str) -> float:
        """FLOP/s for a dtype.

        Raises `UnknownProfile` for a name that is no dtype, `MissingNumber` for one that this hardware has no rate for.
        """
        if dtype in self.peak_flops:
            return self.peak_flops[dtype]
        if dtype not in DTYPES:
            raise UnknownProfile("dtype", dtype, DTYPES)
        raise MissingNumber(self.name, f"{_PEAK}{dtype}", f"peaks for {', '.join(self.peak_flops)}")

    def number(self, field: str) -> float:
        """A field that may be unknown. Raises `MissingNumber`, naming it, if it is."""
        value: float | None = getattr(self, field)
        if value is None:
            raise MissingNumber(self.name, field)
        return value


def hardware(name: str) -> Hardware:
    """A profile by name, or a user's own from a YAML file by path.

    Raises `UnknownProfile` with the nearest name, or `harness.errors.InputError` for a file that breaks the schema.
    """
    if name.endswith((".yaml", ".yml")):
        return read_profile(Path(name), Hardware)
    known = hardware_profiles()
    if name not in known:
        raise UnknownProfile("hardware profile", name, known)
    return known[name]


@cache
def hardware_profiles() -> dict[str, Hardware]:
    """The profiles that ship, by name: `hardware.csv` has a row for each number, with its source."""
    values: defaultdict[str, dict[str, Any]] = defaultdict(lambda: {"peak_flops": {}, "sources": {}})
    text = (resources.files("harness.efficiency") / "hardware.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        profile, field = values[row["name"]], row["field"]
        profile["sources"][field] = row["source"]
        if field.startswith(_PEAK):
            profile["peak_flops"][field.removeprefix(_PEAK)] = row["value"]
        else:
            profile[field] = row["value"]
    return {name: Hardware(name=name, **fields) for name, fields in values.items()}
