"""What rules without a model reach on questions over a haystack: the lines that every score is held against.

Each short cut gives as many values as the question names keys, one at least, for it knows no more. Where it draws at
random its score is the expected one, over all draws.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from harness.contract import Line
from tasks.needle_threading.answers import judge
from tasks.needle_threading.questions import Question

Pairs = Sequence[tuple[str, str]]
"""Of an object, in order; a key may stand several times."""

_ABOUT = {
    "last value": "The last values of the object.",
    "random value": "Values of the object drawn evenly.",
    "value that is no key": "Values that are no key, ends of threads where there are any, drawn evenly.",
}
_LOOKUP = "The right answers as the scorer judges them: what a dictionary finds, the ceiling."


class Asked(Protocol):
    """The part of a question that rules can be held against."""

    @property
    def asked(self) -> Sequence[str]:
        """The keys that it names."""
        ...

    @property
    def answers(self) -> Sequence[str]:
        """The values that are due."""
        ...


def pairs_of(text: str) -> Pairs:
    """The pairs of a JSON object of texts."""
    pairs: Pairs = json.loads(text, object_pairs_hook=list)
    return pairs


def shares(pairs: Pairs, questions: Sequence[Asked]) -> list[tuple[float, ...]]:
    """For each question the share of its values that each short cut finds, in the order of the lines."""
    values = [value for _, value in pairs]
    ends = _ends(pairs)
    found: list[tuple[float, ...]] = []
    for question in questions:
        count, due = max(1, len(question.asked)), question.answers
        last = set(values[-count:])
        found.append(
            (
                sum(value in last for value in due) / len(due),
                min(1.0, count / len(values)),
                min(1.0, count / len(ends)) * sum(value in ends for value in due) / len(due) if ends else 0.0,
            )
        )
    return found


def lines(found: Sequence[tuple[float, ...]]) -> list[Line]:
    """The floors of a task, of the shares of all its questions."""
    means = [sum(column) / len(column) for column in zip(*found, strict=True)]
    return [Line(name, mean, "floor", about) for (name, about), mean in zip(_ABOUT.items(), means, strict=False)]


def ceiling(questions: Sequence[Question]) -> Line:
    """What the right answers score."""
    right = [json.dumps(q.answers[0] if q.one else q.answers) for q in questions]
    scores = [judge(text, question, ()).accuracy for text, question in zip(right, questions, strict=True)]
    return Line("lookup", sum(scores) / len(scores), "rung", _LOOKUP)


def _ends(pairs: Pairs) -> set[str]:
    """Final values of threads; all values that are no key if there is no thread."""
    keys, values = {key for key, _ in pairs}, {value for _, value in pairs}
    loose = [(key, value) for key, value in pairs if value not in keys]
    return {value for key, value in loose if key in values} or {value for _, value in loose}
