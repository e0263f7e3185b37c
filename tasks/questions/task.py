"""A file of questions as a task: prompts as lines of JSON, each with the answers that are accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.contract import DataStatus, Example, Inputs, Line, Places, Prompt, Request, TaskCard, Workload
from harness.digest import combined_digest, file_digest
from harness.errors import DataError
from harness.records import read_jsonl
from tasks.questions.scorer import QuestionsScorer, normalised

PROTOCOL = "questions-1"
_HINT = 'Each line is such as {"id": "q1", "prompt": "7 × 8 = ?", "answers": ["56"]}.'
_MOST_SAMPLES = 1_000


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file."""

    id: str
    prompt: str
    answers: list[str]
    """Any of them is right."""
    system: str = ""
    samples: int = 1
    """Independent answers to ask for; the same in every line."""
    max_output_tokens: int = 256
    """Of an answer; the task allows the most of all lines."""


@dataclass(frozen=True)
class QuestionsTask:
    """A file of questions, as a task named `questions:<name of the file>`."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> QuestionsTask:
        """Raises `DataError` if there is no such file."""
        path = path.expanduser().resolve()
        if not path.is_file():
            raise DataError(f"there is no file {path}", hint=_HINT)
        return cls(path)

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=f"questions:{self.path.stem}",
            family="questions",
            protocol=PROTOCOL,
            primary_metric="exact_match",
            needs=frozenset({"texts"}),
            description="Questions of the user's own, each with the answers that are accepted.",
        )

    def status(self, places: Places) -> DataStatus:
        if self.path.is_file():
            return DataStatus("here", str(self.path))
        return DataStatus("manual", str(self.path), "the file is gone")

    def load(self, places: Places) -> Workload:
        """Raises `DataError` with file and question for what is no question, or asks for other samples."""
        questions = list(read_jsonl(self.path, Question))
        if not questions:
            raise DataError(f"{self.path} holds no questions", hint=_HINT)
        self._check(questions)
        samples = questions[0].samples
        request = Request(max_output_tokens=max(q.max_output_tokens for q in questions), samples=samples)
        return Workload(
            inputs=Inputs(request=request),
            examples=[Example(q.id, Prompt(q.prompt, system=q.system)) for q in questions],
            scorer=QuestionsScorer({q.id: q.answers for q in questions}, samples),
            digest=combined_digest(protocol=PROTOCOL, questions=file_digest(self.path)),
            facts={"questions": len(questions), "samples": samples},
            lines=[_majority(questions)],
        )

    def _check(self, questions: Sequence[Question]) -> None:
        known: set[str] = set()
        for question in questions:
            where = f"{self.path}, question {question.id!r}"
            if question.id in known:
                raise DataError(f"{where}: the id stands twice", hint="Give each question an id of its own.")
            known.add(question.id)
            if not any(map(normalised, question.answers)):
                raise DataError(f"{where}: no answer is accepted that has a letter or digit", hint=_HINT)
            if question.samples != questions[0].samples or not 1 <= question.samples <= _MOST_SAMPLES:
                raise DataError(
                    f"{where}: {question.samples} samples; the first question asks for {questions[0].samples}",
                    hint=f"Give every line the same number, from 1 to {_MOST_SAMPLES:,}.",
                )
            if question.max_output_tokens < 1:
                raise DataError(f"{where}: max_output_tokens is {question.max_output_tokens}", hint="Allow 1 at least.")


def _majority(questions: Sequence[Question]) -> Line:
    """Always the same answer: the one that is accepted most often."""
    accepted = Counter(answer for q in questions for answer in {normalised(text) for text in q.answers} - {""})
    answer, count = min(accepted.items(), key=lambda item: (-item[1], item[0]))
    return Line("majority", count / len(questions), "floor", f"Always the answer that scores best: {answer[:60]}")
