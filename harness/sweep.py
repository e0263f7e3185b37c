"""`sweep:` in a submission file: one file that stands for several submissions, and says how many were tried.

sweep:
  over:                                           # fields of `model:`, dotted below it
    mixer: [softmax, linear]
    learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
  method: random                                  # or grid, the default: every combination of lists
  trials: 8
  seeds: [0, 1, 2]                                # each submission runs with each
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from harness.config import Documented
from harness.yamlfile import KeyPath, YamlFile, describe

MAX_TRIALS = 1000
_LONGEST_NAME = 100


class Range(Documented):
    """Numbers from `low` to `high`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    """The least; a range between two integers is one of integers."""
    high: int | float
    """The greatest."""
    log: bool = False
    """Whether each factor is as likely as any other, in place of each difference."""

    @model_validator(mode="after")
    def _is_range(self) -> Range:
        if not self.low < self.high:
            raise ValueError("expected `low` to be below `high`")
        if self.log and self.low <= 0:
            raise ValueError("expected `low` to be above 0 where `log` is true")
        return self

    @property
    def whole(self) -> bool:
        """Whether its numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def draw(self, random: Random) -> int | float:
        """A number of it; the same from the same state of `random`."""
        low, high = (self.low, self.high + 1) if self.whole else (self.low, self.high)
        share = random.random()
        value = math.exp(math.log(low) + share * math.log(high / low)) if self.log else low + share * (high - low)
        return min(int(value), int(self.high)) if self.whole else float(f"{value:.4g}")


class Sweep(Documented):
    """Several submissions in one: values that fields of `model` take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    over: dict[str, list[Any] | Range] = Field(default={})
    """Fields of `model` (`optimizer.learning_rate` for one below another): a list of values, or a range of numbers.
    Empty for other seeds alone."""
    method: Literal["grid", "random"] = "grid"
    """`grid` for every combination of lists; `random` for so many draws, the same every time."""
    trials: int | None = Field(default=None, ge=1, le=MAX_TRIALS)
    """Draws of `random`."""
    draw_seed: int = Field(default=0, ge=0)
    """Of the draws; other than the seeds that models run with."""
    seeds: list[int] = Field(default=[], max_length=100)
    """Seeds that each submission runs with, in place of `--seed`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Sweep:
        for name, values in self.over.items():
            if isinstance(values, list) and not values:
                raise ValueError(f"expected at least one value of {name}")
            if isinstance(values, Range) and self.method == "grid":
                raise ValueError(f"a grid takes lists, and {name} is a range; set method: random")
        if (self.method == "random") != (self.trials is not None):
            raise ValueError("`trials` belongs to method: random, which needs it")
        if self.method == "grid" and math.prod(len(v) for v in self.over.values() if isinstance(v, list)) > MAX_TRIALS:
            raise ValueError(f"the grid has more than {MAX_TRIALS} combinations")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise ValueError("expected seeds that differ and are not below 0")
        return self

    def settings(self) -> list[dict[str, Any]]:
        """What each submission sets: values by dotted field, without repeats, in order."""
        if self.method == "grid":
            found = [dict(zip(self.over, values, strict=True)) for values in product(*self._lists())]
        else:
            random = Random(self.draw_seed)
            found = [
                {n: v.draw(random) if isinstance(v, Range) else random.choice(v) for n, v in self.over.items()}
                for _ in range(self.trials or 0)
            ]
        return [setting for place, setting in enumerate(found) if setting not in found[:place]]

    def _lists(self) -> Iterator[list[Any]]:
        return (values for values in self.over.values() if isinstance(values, list))


def expanded(file: YamlFile, name: str, sweep: Sweep) -> Iterator[YamlFile]:
    """The file once for each submission, with the values in `model`, which stand on the sweep's lines."""
    for setting in sweep.settings():
        data = {key: value for key, value in file.data.items() if key != "sweep"}
        data["name"] = _name(name, setting)
        lines = dict(file.lines)
        for field, value in setting.items():
            path = tuple(field.split("."))
            data["model"] = _with(data["model"], path, value)
            lines[("model", *path)] = _line(file, field, value)
        yield replace(file, data=data, lines=lines)


def _with(section: Any, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    inner = dict(section) if isinstance(section, Mapping) else {}
    key, *rest = path
    return inner | {key: _with(inner.get(key), tuple(rest), value) if rest else value}


def _line(file: YamlFile, field: str, value: Any) -> int:
    over: KeyPath = ("sweep", "over", field)
    values = file.data["sweep"]["over"][field]
    place: KeyPath = (values.index(value),) if isinstance(values, list) else ()
    return file.lines[file.nearest((*over, *place))]


def _name(name: str, setting: Mapping[str, Any]) -> str:
    """The file's name, and what this one sets."""
    if not setting:
        return name
    return f"{name}: {', '.join(_shown(field, value) for field, value in setting.items())}"[:_LONGEST_NAME].rstrip()


def _shown(field: str, value: Any) -> str:
    label = field.rpartition(".")[2].replace("_", " ")
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return f"{label} {str(value).lower()}"
    return f"{label} {value:g}" if isinstance(value, int | float) else f"{label} {describe(value)}"
