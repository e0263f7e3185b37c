"""What an answer says: the text is read strictly, and leniently beside it.

Strict: the answer is what was asked for and nothing else, but for white space, quotes and a full stop around it.
Lenient: it may stand in a sentence. Version 1 of the rules; a change is a new protocol version.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from harness.flowcharts.chart import Chart, Pair
from harness.flowcharts.mermaid import MermaidError, read, read_leniently

MAX_CHARACTERS = 20_000
"""Of an answer; the rest is not read."""
MAX_COUNT = 1_000
"""No chart has as many nodes or arrows: a larger number is no count."""

_AROUND = " \t\r\n.\"'`*"
_PREFIX = re.compile(r"\s*(?:the answer is\b|answer(?=\s*:))\s*:?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w]|\.\d)")
_BOOLEAN = re.compile(r"\b(true|false)\b", re.IGNORECASE)
_FENCE = re.compile(r"```(?:mermaid)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_HEADER = re.compile(r"^[ \t]*(?:flowchart|graph)\b", re.MULTILINE)
_POINTS = re.compile(r"([^.\n]{1,120}?) points to ([^.\n]{1,120})")
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)


def fold(text: str) -> str:
    """Text as it is compared: composed characters, in lower case, white space as single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def cut(text: str) -> str:
    """As much of an answer as is read."""
    return text[:MAX_CHARACTERS]


def stripped(text: str) -> str:
    """An answer without `The answer is` and what stands around it."""
    found = _PREFIX.match(text)
    return (text[found.end() :] if found else text).strip(_AROUND)


def strict_number(text: str) -> int | None:
    """The count, if the answer is a number; None if not, or if it is above `MAX_COUNT`."""
    bare = text.strip(_AROUND)
    return _count(bare) if bare.isascii() and bare.isdigit() else None


def number(text: str) -> int | None:
    """The first whole number in the answer; None if there is none, or if it is above `MAX_COUNT`."""
    found = _NUMBER.search(text)
    return _count(found[0]) if found else None


def _count(digits: str) -> int | None:
    short = digits.lstrip("0") or "0"
    value = int(short) if len(short) <= len(str(MAX_COUNT)) else MAX_COUNT + 1
    return value if value <= MAX_COUNT else None


def strict_boolean(text: str) -> bool | None:
    """Whether the answer is true or false; None if it is more or less than that word."""
    word = text.strip(_AROUND).casefold()
    return word == "true" if word in ("true", "false") else None


def boolean(text: str) -> bool | None:
    """The first of the words true and false in the answer."""
    found = _BOOLEAN.search(text)
    return found[1].casefold() == "true" if found else None


@dataclass(frozen=True)
class ReadChart:
    """A chart found in an answer."""

    chart: Chart
    strict: bool
    """True if the answer is a chart and nothing else."""
    broken_lines: int = 0

    @property
    def found(self) -> bool:
        return bool(self.chart.nodes)


def mermaid(text: str) -> ReadChart:
    """The chart in the first fence, else from the first header on; lines that are no statement are counted."""
    fence = _FENCE.search(text)
    code = fence[1] if fence else text
    header = _HEADER.search(code)
    try:
        chart = read(code)
    except MermaidError:
        chart, broken = read_leniently(code[header.start() :] if header else code)
        return ReadChart(chart, strict=False, broken_lines=broken)
    return ReadChart(chart, strict=not fence or fence[0].strip() == text.strip())


def description(text: str) -> tuple[tuple[str, ...], tuple[Pair, ...], bool]:
    """Nodes and links of `a points to b. c points to d.`, folded, and whether the answer is that and nothing else.

    A sentence ends with a full stop or with its line; a bullet before it and quotes around a label are no part of them.
    """
    text = _BULLET.sub("", stripped(text))
    pairs = tuple((_label(a), _label(b)) for a, b in _POINTS.findall(text))
    nodes = tuple(dict.fromkeys(label for pair in pairs for label in pair))
    return nodes, pairs, bool(pairs) and not _POINTS.sub("", text).strip(_AROUND)


def _label(text: str) -> str:
    return fold(text.strip(_AROUND))
