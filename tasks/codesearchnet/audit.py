"""What is odd about queries and codes: leaks, duplicates, texts that encoders cut, code that does not parse."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.contract import AuditRow
from tasks.codesearchnet.pair_scorer import Twins

if TYPE_CHECKING:
    from tasks.codesearchnet.collection import Code, Collection, Query

QUERY_TOKENS, CODE_TOKENS = 128, 256
"""Where the encoders of the papers (UniXcoder, CoCoSoDa) cut."""
LEAKS_FROM = 0.1
"""The share of queries that stand word for word in their code from which a set is called leaking."""
_WORDS_TO_COUNT = 3
"""A query of fewer words stands in some code by chance."""
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


@dataclass
class Found:
    """Tables for the board, counts, and sentences."""

    tables: dict[str, list[AuditRow]] = field(default_factory=dict)
    facts: dict[str, int | float | str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def audit(collection: Collection, original: Collection) -> Found:
    """Look for leaks, duplicates, long texts and broken code. `original` is as it was before codes were rewritten."""
    found = Found()
    found.tables["Leaks"] = _leaks(collection, original, found)
    found.tables["Duplicates"] = _duplicates(collection)
    found.tables["Cut and broken"] = _lengths(collection)
    return found


def twins(collection: Collection) -> Twins:
    """Codes that are the same but for white space, and queries but for white space and case."""
    return Twins(
        _groups((code.id, " ".join(code.text.split())) for code in collection.codes),
        _groups((query.id, " ".join(query.text.lower().split())) for query in collection.queries),
    )


def _groups(texts: Iterable[tuple[str, str]]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    return {id: numbers.setdefault(text, len(numbers)) for id, text in texts}


def _leaks(collection: Collection, original: Collection, found: Found) -> list[AuditRow]:
    queries = [q for q in collection.queries if len(_WORD.findall(q.text)) >= _WORDS_TO_COUNT]
    total = len(queries)
    codes, before = ({code.id: code for code in each.codes} for each in (collection, original))
    rows = [_row("query stands word for word in its code", _quoted(queries, codes), total)]
    if original is not collection:
        rows.append(_row("… in its code as it was published", _quoted(queries, before), total))
    rows.append(_row("query has every word of its function's name", _named(queries, codes), total))
    share = rows[0]["share"]
    assert isinstance(share, float)
    found.facts["leaking_queries"] = share
    if share >= LEAKS_FROM:
        found.notes.append(
            f"LEAK: {share:.0%} of the queries stand word for word in their own code; a term match finds them without "
            "understanding anything"
        )
    return rows


def _quoted(queries: Sequence[Query], codes: Mapping[str, Code]) -> int:
    return sum(
        any(_words(query.text) in _words(codes[id].text) for id in _right(query) if id in codes) for query in queries
    )


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _right(query: Query) -> list[str]:
    return [id for id, grade in query.grades.items() if grade > 0]


def _named(queries: Sequence[Query], codes: Mapping[str, Code]) -> int:
    count = 0
    for query in queries:
        asked = {piece.lower() for piece in _PIECE.findall(query.text)}
        names = (_name_pieces(codes[id]) for id in _right(query) if id in codes)
        count += any(name and name <= asked for name in names)
    return count


def _name_pieces(code: Code) -> set[str]:
    from harness.source_code.leaks import MASK, own_name
    from harness.source_code.parsing import LANGUAGES, parse

    name = own_name(parse(code.text, code.language)) if code.language in LANGUAGES else ""
    return set() if name == MASK else {piece.lower() for piece in _PIECE.findall(name)}


def _duplicates(collection: Collection) -> list[AuditRow]:
    same = twins(collection)
    right = Counter(id for query in collection.queries for id in _right(query))
    return [
        _row("codes that another code repeats", _repeated(same.documents), len(collection.codes)),
        _row("queries that another query repeats", _repeated(same.queries), len(collection.queries)),
        _row("codes that are right for several queries", sum(n > 1 for n in right.values()), len(right)),
    ]


def _repeated(groups: Mapping[str, int]) -> int:
    return sum(times for times in Counter(groups.values()).values() if times > 1)


def _lengths(collection: Collection) -> list[AuditRow]:
    from harness.source_code.parsing import LANGUAGES, parse

    queries = sum(_tokens(query.text) > QUERY_TOKENS for query in collection.queries)
    codes = sum(_tokens(code.text) > CODE_TOKENS for code in collection.codes)
    known = [code for code in collection.codes if code.language in LANGUAGES]
    broken = sum(parse(code.text, code.language).is_broken for code in known)
    return [
        _row(f"queries of more than {QUERY_TOKENS} words and signs", queries, len(collection.queries)),
        _row(f"codes of more than {CODE_TOKENS} words and signs", codes, len(collection.codes)),
        _row("codes that do not parse whole", broken, len(known)),
    ]


def _tokens(text: str) -> int:
    """Words and signs: an encoder's own tokens are more."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _row(what: str, count: int, of: int) -> AuditRow:
    return {"check": what, "count": count, "of": of, "share": round(count / of, 4) if of else 0.0}
