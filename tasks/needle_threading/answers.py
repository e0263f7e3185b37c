"""Reading answers: as the paper's sample does, and as a person would; and what went wrong with a wrong one."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tasks.needle_threading.questions import Question

CLASSES = {
    "right": "everything that was asked for, in the form that the paper's parser reads",
    "badly_formatted": "the right values, in a form that the paper's parser refuses",
    "partial": "some of the values",
    "truncated": "cut off: the answer budget was used up, or the text ends within a UUID",
    "key_echoed": "no UUID but those of the question",
    "on_the_way": "a value from the way to the answer: some hops were right",
    "wrong_value": "something else that stands in the haystack",
    "invented": "a UUID that is nowhere in the haystack",
    "no_uuid": "no UUID at all",
    "over_limit": "the prompt is longer than the model's context",
    "refused": "the model declined",
    "unanswered": "no answer",
}
"""What becomes of an answer; each is of exactly one class."""
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")
_ENDS_WITHIN_UUID = re.compile(r"(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f-]{0,26}$")
_READ = 1_000_000
"""Characters of an answer that are looked at, the last ones; the longest right answer has about a thousand."""
_LITERAL = 10_000
"""Characters that a Python literal may have."""


@dataclass(frozen=True)
class Verdict:
    """How an answer scores."""

    accuracy: float
    """Share of the values asked for among the last UUIDs of the answer."""
    strict: float
    """The same, as the paper's parser reads the answer."""
    hops: float
    """Share of each thread that the answer followed, averaged."""
    outcome: str
    """One of `CLASSES`."""


def judge(text: str, question: Question, haystack: Collection[str], *, out_of_budget: bool = False) -> Verdict:
    """Score an answer to a question whose haystack holds these UUIDs.

    Lenient: UUIDs of the text without those that the question names; of these the last k different ones, where k
    values were asked for, in any order and any letter case. So an answer may reason first, but not list the haystack.
    """
    found = uuids(text[-_READ:])
    new = [value for value in found if value not in question.asked]
    wanted = question.answers
    given = set(_last(new, len(wanted)))
    accuracy = sum(value in given for value in wanted) / len(wanted)
    strict = strict_score(text, question)
    return Verdict(
        accuracy=accuracy,
        strict=strict,
        hops=_hops(new, question.paths),
        outcome=_outcome(text, question, haystack, accuracy, strict, found, given, out_of_budget),
    )


def uuids(text: str) -> list[str]:
    """The UUIDs of a text in order, in lower case."""
    found: list[str] = _UUID.findall(text.lower())
    return found


def strict_score(text: str, question: Question) -> float:
    """As the README's sample: the answer is a Python literal.

    One value: its first characters are the value. Several (the paper gives no rule; ours): a list, and the share of
    values that stand in it, at their place where an order was asked for. Longer lists do not score more.
    """
    literal = _literal(text)
    wanted = question.answers
    if question.one:
        return float(isinstance(literal, str) and literal.startswith(wanted[0]))
    if not isinstance(literal, list | tuple) or len(literal) > len(wanted):
        return 0.0
    if question.ordered:
        return sum(bool(a == b) for a, b in zip(literal, wanted, strict=False)) / len(wanted)
    return sum(value in literal for value in wanted) / len(wanted)


def _literal(text: str) -> object:
    text = text.strip()
    if len(text) > _LITERAL or text[:1] not in ("'", '"', "[", "("):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _last(values: Sequence[str], count: int) -> list[str]:
    return list(dict.fromkeys(reversed(values)))[:count]


def _hops(values: Sequence[str], paths: Sequence[Sequence[str]]) -> float:
    """How far along each path the answer got, by as many of its last UUIDs as there are hops."""
    told = set(_last(values, sum(map(len, paths))))
    reached = [max((hop for hop, value in enumerate(path, 1) if value in told), default=0) for path in paths]
    return sum(hop / len(path) for hop, path in zip(reached, paths, strict=True)) / len(paths)


def _outcome(
    text: str,
    question: Question,
    haystack: Collection[str],
    accuracy: float,
    strict: float,
    found: Sequence[str],
    given: Collection[str],
    out_of_budget: bool,
) -> str:
    if accuracy == 1 or strict == 1:
        return "right" if strict == 1 else "badly_formatted"
    if out_of_budget or _ENDS_WITHIN_UUID.search(text[-40:].lower()):
        return "truncated"
    if accuracy > 0:
        return "partial"
    if not found:
        return "no_uuid"
    if not given:
        return "key_echoed"
    if any(value in given for path in question.paths for value in path):
        return "on_the_way"
    return "wrong_value" if any(value in haystack for value in given) else "invented"
