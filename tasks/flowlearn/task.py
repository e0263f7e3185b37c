"""A task: one kind of question on the charts of one subset, or statements that are true and false together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.contract import DataStatus, Example, Image, Inputs, Line, Places, Prompt, Request, TaskCard, Workload
from harness.digest import combined_digest
from harness.errors import DataError
from tasks.flowlearn.questions import JOINT, KINDS, Question
from tasks.flowlearn.scorer import best_constant, scorer_class
from tasks.flowlearn.sources import Source

PROTOCOL = "flowlearn-2"
CITATION = (
    "Pan, Zhang, Caragea, Dragut, Latecki (2024): FlowLearn: Evaluating Large Vision-Language Models on Flowchart "
    "Understanding. ECAI 2024, arXiv:2407.05183"
)
URL = "https://github.com/Jo-Pan/FlowLearn"


@dataclass(frozen=True, kw_only=True)
class FlowTask:
    """Questions of one kind, or of the two kinds that `JOINT` puts together."""

    subset: str
    kind: str
    source: Source
    about: str
    """A sentence on the charts."""
    licence: str
    generated: bool

    @property
    def name(self) -> str:
        return f"flowlearn/{self.subset}/{self.kind}"

    @property
    def kinds(self) -> tuple[str, ...]:
        return JOINT.get(self.kind, (self.kind,))

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=self.name,
            family="flowlearn",
            protocol=PROTOCOL,
            primary_metric=scorer_class(self.kinds).metrics[0].name,
            needs=frozenset({"texts", "images"}),
            description=f"{_ABOUT[self.kind]} {self.about}",
            generated=self.generated,
            on_request=self.kind in _ONE_SIDED,
            marks=("one answer is always right",) if self.kind in _ONE_SIDED else (),
            licence=self.licence,
            citation=CITATION,
            url=URL,
        )

    def status(self, places: Places) -> DataStatus:
        return self.source.status(places)

    def load(self, places: Places) -> Workload:
        """Read or make the charts and ask the questions. Raises `DataError`."""
        questions = [question for kind in self.kinds for question in self.source.questions(kind, places)]
        if not questions:
            raise DataError(f"{self.name}: there is no question of this kind in the data")
        if len(self.kinds) > 1:
            # By chart, and within one by an id that does not show what is true.
            places_of = {key: place for place, key in enumerate(dict.fromkeys(q.chart_key for q in questions))}
            questions.sort(key=lambda question: (places_of[question.chart_key], question.id))
        contradicted = [q for q in questions if q.corrected and q.corrected != q.answer]
        without = [q for q in questions if q.picture is None or not q.picture.sha256]
        return Workload(
            inputs=Inputs(request=Request(max_output_tokens=KINDS[self.kinds[0]].output_tokens)),
            examples=[_example(question) for question in questions],
            scorer=scorer_class(self.kinds)(questions),
            digest=combined_digest(protocol=PROTOCOL, questions=_content(questions)),
            facts={"questions": len(questions), "without_image": len(without), "contradicted": len(contradicted)},
            notes=[*_notes(without, len(questions))],
            lines=_floors(questions, self.kinds),
            audit=_audit(questions, contradicted),
        )


_ONE_SIDED = frozenset(kind for kinds in JOINT.values() for kind in kinds)

_ABOUT = {
    "ocr": "Read the text in a red box.",
    "num-nodes": "Count the nodes.",
    "num-arrows": "Count the arrows.",
    "is-true-a-to-b": "Statements `arrow points from a to b` that are true: read with the false ones.",
    "is-false-a-to-b": "Statements `arrow points from a to b` that are false: read with the true ones.",
    "is-true-between": "Statements `arrow exists between a and b` that are true: read with the false ones.",
    "is-false-between": "Statements `arrow exists between a and b` that are officially false: read with the true ones.",
    "is-true": "Statements on a chart that are true: read with the false ones.",
    "is-false": "Statements on a chart that are false: read with the true ones.",
    "a-to-b": "Does an arrow point from one node to the other? True and false statements together.",
    "between": "Is there an arrow between two nodes? True and false statements together.",
    "statements": "Are statements on a chart true? True and false ones together.",
    "to-mermaid": "Write the chart as Mermaid code.",
    "to-description": "Describe the chart, arrow by arrow.",
    "caption": "Write the caption of a figure.",
}


def _floors(questions: Sequence[Question], kinds: Sequence[str]) -> list[Line]:
    constant, score = best_constant(questions, kinds)
    said = " ".join(constant.split())[:60]
    lines = [Line("majority", score, "floor", f"Always the answer that scores best: {said}")]
    choices = len({question.answer for question in questions})
    if KINDS[kinds[0]].form in ("count", "boolean"):
        lines.append(Line("random", 1 / choices, "floor", f"One of the {choices} answers that occur, drawn evenly."))
    return lines


def _example(question: Question) -> Example:
    picture = question.picture
    images = (Image(str(picture.path), picture.sha256),) if picture and question.text else ()
    groups = {"question": question.kind, **question.groups}
    return Example(question.id, Prompt(question.text, images), groups=groups)


def _notes(without: Sequence[Question], total: int) -> list[str]:
    if not without:
        return []
    if all(not question.text for question in without):
        return ["The pictures are not here, only the answers to them: answers made elsewhere can be scored, no more."]
    first = without[0].picture
    where = f", the first {first.path}" if first else ""
    return [f"{len(without)} of {total} images are missing{where}: a model that looks at them will fail."]


def _audit(questions: Sequence[Question], contradicted: Sequence[Question]) -> dict[str, list[dict[str, Any]]]:
    if not any(question.corrected for question in questions):
        return {}
    kinds = dict.fromkeys(question.kind for question in questions)
    return {
        "Official answers that the chart contradicts": [
            {
                "kind": kind,
                "questions": sum(q.kind == kind for q in questions),
                "contradicted": sum(q.kind == kind for q in contradicted),
                "first": next((q.chart_key for q in contradicted if q.kind == kind), None),
            }
            for kind in kinds
        ]
    }


def _content(questions: Sequence[Question]) -> str:
    """What is asked, of which image, and the answers; not where it lies."""
    return json.dumps([[q.id, q.text, q.answer, q.corrected, q.picture.sha256 if q.picture else ""] for q in questions])
