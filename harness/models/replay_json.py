"""Rankings as one JSON object, as BEIR and MTEB keep them: each query with the scores of its documents.

BEIR's retrieval returns `{query: {document: score}}`, which people dump as it is; MTEB's `prediction_folder` puts that
under subset and split, beside `mteb_model_meta`. Python's parser is used because it shows keys that are there twice.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import SubmissionError

_META = "mteb_model_meta"
_FIRST_IS_OBJECT = re.compile(rb'\s*\{\s*(?:\}|"(?!(?:id|scores)")(?:[^"\\]|\\.)*"\s*:\s*\{)')
_HUGE = 1e300
"""More than float32 holds, so it is refused; whole numbers of JSON may be beyond float64."""
_SHAPE = 'It should be {query: {document: score}}, or MTEB\'s {"default": {"test": {query: {document: score}}}}.'


@dataclass(frozen=True)
class Scored:
    """The documents of a query: positions in the sorted corpus ids and scores, in the order of the file."""

    documents: array[int]
    scores: array[float]
    stranger: str | None
    """The first document that is not in the corpus, if any."""


def looks_like_results(head: bytes) -> bool:
    """Whether a file that begins so is one object of queries, rather than JSON lines."""
    return _FIRST_IS_OBJECT.match(head) is not None


def read_results(content: bytes, path: Path, positions: Mapping[str, int]) -> dict[str, Scored]:
    """Query → its documents. Raises `SubmissionError` for what is malformed, there twice, or several runs in one."""

    def object_of(pairs: list[tuple[str, Any]]) -> Scored | dict[str, Any]:
        if all(type(value) in (int, float) for _, value in pairs):
            return _scored(pairs, positions)
        named = dict(pairs)
        if len(named) < len(pairs):
            [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
            raise SubmissionError(f"{path}: {repeated!r} is there twice", hint="Keep one of them.")
        return named

    try:
        found = json.loads(content, object_pairs_hook=object_of)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        raise SubmissionError(f"{where}: {error.msg}", hint="It may be half-written.") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, an integer of thousands of digits, nested without end
        raise SubmissionError(f"{path} is not JSON that can be read: {error}", hint=_SHAPE) from error
    return _run(found, path)


def _scored(pairs: list[tuple[str, Any]], positions: Mapping[str, int]) -> Scored:
    places = [positions.get(document, -1) for document, _ in pairs]
    stranger = pairs[places.index(-1)][0] if -1 in places else None
    scores = array("d", (min(max(score, -_HUGE), _HUGE) for _, score in pairs))
    return Scored(array("i", places), scores, stranger)


def _run(found: Any, path: Path) -> dict[str, Scored]:
    """The one run in it, below MTEB's subset and split if they are there."""
    if isinstance(found, dict) and _META in found:
        found = {key: value for key, value in found.items() if key != _META}
    for level in ("subset", "split"):
        if not isinstance(found, dict) or not found or any(isinstance(value, Scored) for value in found.values()):
            break
        if len(found) > 1:
            names = ", ".join(list(found)[:5])
            raise SubmissionError(f"{path} holds more than one {level}: {names}", hint="Keep one of them in a file.")
        (found,) = found.values()
    if isinstance(found, Scored) and not found.documents:
        return {}
    if not isinstance(found, dict):
        raise SubmissionError(f"{path} does not hold queries with the scores of their documents", hint=_SHAPE)
    for query, value in found.items():
        if not isinstance(value, Scored):
            problem = f"{path}: query {query!r} is without an object of numbers"
            raise SubmissionError(problem, hint=_SHAPE)
    return found
