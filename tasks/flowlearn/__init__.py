"""FlowLearn (Pan et al., 2024): questions on flowcharts, with a scorer and charts of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from harness.errors import DataError
from tasks.flowlearn.drawing.with_graphviz import Graphviz
from tasks.flowlearn.drawing.with_mermaid import Mermaid
from tasks.flowlearn.generated import Generated
from tasks.flowlearn.sources import Official, Source, TextFlow
from tasks.flowlearn.task import FlowTask

_STATEMENTS = ("is-true-a-to-b", "is-false-a-to-b", "is-true-between", "is-false-between", "a-to-b", "between")
_SIMULATED = ("num-nodes", "num-arrows", *_STATEMENTS, "to-mermaid", "to-description")
_SCIENTIFIC = ("ocr", "is-true", "is-false", "statements", "caption")
_QUESTIONS = ("num-nodes", "num-arrows", "a-to-b", "between")
"""What the average of a subset is over: each kind counts once, statements with true and false ones together."""

_SETS: dict[str, tuple[Source, tuple[str, ...], str]] = {
    "sim-word": (Official("word"), ("ocr", *_SIMULATED), "2,000 drawn charts with words in the nodes."),
    "sim-char": (Official("char"), ("ocr", *_SIMULATED), "2,000 drawn charts with letters in the nodes."),
    "scientific": (Official("scientific"), _SCIENTIFIC, "507 charts out of papers."),
    "scientific-100": (
        Official("scientific", most=100),
        _SCIENTIFIC,
        "The first 100 of these charts: those that GPT-4V and Claude were scored on.",
    ),
    "textflow-100": (
        TextFlow(),
        ("ocr", *_SIMULATED),
        "The first 100 charts of the word set: those that GPT-4V and Claude were scored on.",
    ),
    "textflow-last-50": (
        TextFlow(first=50),
        _SIMULATED,
        "The last 50 of these 100 charts, for what was tuned on the first 50.",
    ),
    "generated": (Generated(Graphviz()), ("ocr", *_SIMULATED), "200 charts of our own, drawn by Graphviz."),
    "generated-mermaid": (
        Generated(Mermaid()),
        ("ocr", *_SIMULATED),
        "200 charts of our own, drawn by Mermaid in Chromium.",
    ),
}


class FlowLearnFamily:
    """FlowLearn's three subsets, the 100 real charts that TextFlow copied, and charts of our own."""

    name = "flowlearn"

    def tasks(self) -> Sequence[Task]:
        return [
            FlowTask(
                subset=subset,
                kind=kind,
                source=source,
                about=about,
                licence="Apache-2.0" if isinstance(source, Generated) else "CC-BY-NC-SA-4.0",
                generated=isinstance(source, Generated),
            )
            for subset, (source, kinds, about) in _SETS.items()
            for kind in kinds
        ]

    def suites(self) -> Sequence[Suite]:
        """The questions with one right answer, for each subset of drawn charts."""
        from tasks.flowlearn.scorer import CountScorer

        accuracy = tuple(metric for metric in CountScorer.metrics if metric.name in ("accuracy", "strict_accuracy"))
        return [
            Suite(
                name=f"flowlearn/{subset}",
                members=tuple(f"flowlearn/{subset}/{kind}" for kind in _QUESTIONS),
                metrics=accuracy,
                description=f"Counts and statements. {about}",
            )
            for subset, (_, kinds, about) in _SETS.items()
            if set(_QUESTIONS) <= set(kinds)
        ]

    def open(self, path: Path) -> Task:
        """Raises `DataError`: the official folders are found below the data root."""
        raise DataError(
            f"{path}: FlowLearn has no tasks by path",
            hint="Put its folders below flowlearn/ of the data root; `harness tasks` says where.",
        )


FAMILY = FlowLearnFamily()
