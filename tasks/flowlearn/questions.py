"""The kinds of questions, how they are put, and a question with its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.flowcharts.chart import Chart

Form = Literal["text", "count", "boolean", "graph", "caption"]
"""What kind of answer is asked for: it decides the scorer."""

_BOOLEAN = "Is the following statement about the flowchart true or false? {statement} Answer with true or false only."
_A_TO_B = "Arrow points from node '{a}' to node '{b}'."
_BETWEEN = "Arrow exists between node '{a}' and node '{b}'."


@dataclass(frozen=True)
class Kind:
    """A kind of question."""

    name: str
    form: Form
    published: str
    """Its name in the published results."""
    prompt: str = ""
    statement: str = ""
    answer: str = ""
    """Where all questions of the kind have the same."""
    output_tokens: int = 100

    def put(self, statement: str = "") -> str:
        """The text of the question."""
        return self.prompt.format(statement=statement)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ocr", "text", "ocr", "What is the text inside the red box? Answer with exactly its letters."),
        Kind("num-nodes", "count", "Num_Nodes", "How many nodes are in the flowchart? Answer with a number only."),
        Kind("num-arrows", "count", "Num_Arrows", "How many arrows are in the flowchart? Answer with a number only."),
        Kind("is-true-a-to-b", "boolean", "Flowchart-isTrue-AtoB", _BOOLEAN, _A_TO_B, "true"),
        Kind("is-false-a-to-b", "boolean", "Flowchart-isFalse-AtoB", _BOOLEAN, _A_TO_B, "false"),
        Kind("is-true-between", "boolean", "Flowchart-isTrue-betweenAB", _BOOLEAN, _BETWEEN, "true"),
        Kind("is-false-between", "boolean", "Flowchart-isFalse-betweenAB", _BOOLEAN, _BETWEEN, "false"),
        Kind("is-true", "boolean", "Flowchart-isTrue", _BOOLEAN, answer="true"),
        Kind("is-false", "boolean", "Flowchart-isFalse", _BOOLEAN, answer="false"),
        Kind(
            "to-mermaid",
            "graph",
            "Flowchart-to-Mermaid",
            "Write Mermaid code for the flowchart: its direction, a line entity0(text) for each node and a line "
            "entity0 --> entity1 for each arrow (==> if it is thick, -..-> if dotted). Answer with the code only.",
            output_tokens=500,
        ),
        Kind(
            "to-description",
            "graph",
            "Flowchart-to-Description",
            "Describe the flowchart: for each arrow, a sentence such as: first node points to second node.",
            output_tokens=500,
        ),
        Kind("caption", "caption", "Flowchart-to-Caption", "Write a caption for the flowchart.", output_tokens=500),
    )
}

JOINT = {
    "a-to-b": ("is-true-a-to-b", "is-false-a-to-b"),
    "between": ("is-true-between", "is-false-between"),
    "statements": ("is-true", "is-false"),
}
"""Tasks of true and of false statements together: one kind alone rewards whoever always says the same."""


@dataclass(frozen=True)
class Picture:
    """An image file of a chart, and where it was looked for if it is not there."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Question:
    """A question on a chart, with its answer."""

    subset: str
    """Of the charts: `word`, `char`, `scientific` …"""
    chart_key: str
    kind: str
    text: str
    """Empty where only answers were published."""
    answer: str
    corrected: str = ""
    """What the chart says, where that may differ from the official answer."""
    chart: Chart | None = None
    picture: Picture | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return question_id(self.subset, self.kind, self.chart_key)


def question_id(subset: str, kind: str, chart_key: str) -> str:
    """A name that does not show the kind, which is the answer of a statement."""
    return "q" + hashlib.sha256(f"{subset} {kind} {chart_key}".encode()).hexdigest()[:16]


def statement(kind: str, a: str, b: str) -> str:
    """The statement of a kind on two nodes."""
    return KINDS[kind].statement.format(a=a, b=b)


def chart_groups(chart: Chart) -> dict[str, str]:
    """Subgroups by what is drawn: direction, size and link styles."""
    count = len(chart.nodes)
    styles = sorted({link.style for link in chart.links})
    return {
        "direction": "TB" if chart.direction == "TD" else chart.direction,
        "nodes": "3-5" if count <= 5 else "6-7" if count <= 7 else "8-10",
        "style": styles[0] if len(styles) == 1 else "mixed",
    }
