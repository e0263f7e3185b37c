"""Scores that were made elsewhere, for the board of a task: a row for each model and source, never ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.plain import plain
from harness.reference.published import KINDS, ReportedScore
from harness.reference.reproduction import Reproduction


@dataclass(frozen=True)
class Reported:
    """What one source says of one model."""

    label: str
    verification: str
    """`published` or `self-reported`."""
    how: str
    """How the source gives it, such as `read off a figure of its source`; empty for a self-reported one."""
    metrics: Mapping[str, float]
    source: str
    note: str

    @property
    def citation(self) -> str:
        """The source, and what a reader must know before comparing."""
        return " · ".join(part for part in (self.source, self.how, self.note) if part)


def gathered(scores: Iterable[ReportedScore]) -> list[Reported]:
    """The scores of one task, gathered by model and source."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for score in scores:
        key = (score.model, score.verification, score.kind, score.source, score.note)
        found.setdefault(key, {})[score.metric] = score.value
    return [
        Reported(
            label=plain(model),
            verification=verification,
            how="" if kind in ("", "published") else KINDS[kind],
            metrics=metrics,
            source=plain(source),
            note=plain(note),
        )
        for (model, verification, kind, source, note), metrics in found.items()
    ]


def tolerance(found: Reproduction) -> str:
    """What our score is held against, and what counts as the same."""
    return (
        f"{found.model}, published as {found.value:.{min(found.digits, 5)}f}: OK up to a difference of "
        f"{found.tolerance:g} in {found.digits} decimals, close up to {found.close:g}."
    )
