"""Our scores against published ones of the same model: ours minus theirs, and whether that is near enough.

What is the same model is written down in `reproductions.yaml`, by kind and settings, so that no name is guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.reference.published import ReportedScore

_FILE = Path(__file__).parent / "reproductions.yaml"

Verdict = Literal["OK", "close", "off"]


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published model, and the kind and settings that make a submission the same model."""

    model: str
    kind: str
    settings: dict[str, Any]
    tolerance: float
    close: float

    def fits(self, kind: str, settings: Mapping[str, Any]) -> bool:
        """True if a submission is this model. A setting that was not there when it ran is as null."""
        return kind == self.kind and all(settings.get(name) == value for name, value in self.settings.items())


@dataclass(frozen=True)
class Reproduction:
    """A score of ours beside the published one of the same model."""

    model: str
    """The published name."""
    value: float
    difference: float
    """Ours minus theirs, at the digits that were published."""
    verdict: Verdict
    tolerance: float
    close: float
    digits: int
    source: str

    @property
    def short(self) -> str:
        """The verdict and the difference, such as `OK +0.0000`."""
        return f"{self.verdict} {self.difference:+.{min(self.digits, 5)}f}"


@cache
def matches() -> tuple[Match, ...]:
    """What is written down in `reproductions.yaml`."""
    import yaml

    return tuple(msgspec.convert(yaml.safe_load(_FILE.read_text()), list[Match], strict=False))


def with_reproductions(rows: Iterable[Mapping[str, Any]], scores: Iterable[ReportedScore]) -> list[dict[str, Any]]:
    """The rows of `harness.store.read.results` or `runs`, each with its `Reproduction`, or None, as `reproduced`."""
    published = {(s.task, s.model, s.metric): s for s in scores if s.verification == "published"}
    return [{**row, "reproduced": _reproduction(row, published)} for row in rows]


def _reproduction(
    row: Mapping[str, Any], published: Mapping[tuple[str, str, str], ReportedScore]
) -> Reproduction | None:
    """None for a run that is not done, or over a part of the task, or of a model that has no published score on it."""
    if row["value"] is None or row["n"] < row["task_examples"]:
        return None
    for match in matches():
        score = published.get((row["task"], match.model, row["metric"]))
        if score is not None and match.fits(row["kind"], row["settings"]):
            return _compared(row["value"], score, match)
    return None


def _compared(ours: float, score: ReportedScore, match: Match) -> Reproduction:
    difference = round(round(ours, score.digits) - score.value, score.digits)
    apart = abs(difference)
    return Reproduction(
        model=score.model,
        value=score.value,
        difference=difference,
        verdict="OK" if apart <= match.tolerance else "close" if apart <= match.close else "off",
        tolerance=match.tolerance,
        close=match.close,
        digits=score.digits,
        source=score.source,
    )
