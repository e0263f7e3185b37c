"""Flowcharts of Mermaid: what FlowLearn uses of the language, written and read.

The grammar, statements on lines or between semicolons (`%%` begins a comment):

    chart     = ("flowchart" | "graph") [direction] { statement }
    statement = group { arrow group }  |  word of `_KEYWORDS` and what follows it, which draws no node and no arrow
    group     = node { "&" node }
    node      = id [ "(" label ")" ] [ ":::" class ]      and the other brackets of Mermaid: [ ] { } (( )) ([ ]) …
    label     = text | '"' text '"'                       quoted, it may hold brackets; <br/> is a blank
    arrow     = ["<"] line [">" | "o" | "x"] ["|" text "|"]  and the long form of it: -- text -->
    line      = "--" {"-"} | "==" {"="} | "-." {"."} "-"          solid, thick, dotted

Code of an answer is hostile: every pattern takes time in proportion to what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import get_args

from harness.flowcharts.chart import Chart, Direction, Link, Node, Style

MAX_CHARACTERS = 100_000
"""Of code; a chart that needs more is none of ours."""
MAX_LINKS = 10_000
"""Of a chart: `a & b --> c & d` is a product."""

_ARROWS: dict[Style, str] = {"solid": "-->", "thick": "==>", "dotted": "-..->"}
_HEADER = re.compile(r"(?:flowchart|graph)(?:[ \t]+([A-Za-z]{2}))?[ \t]*(?:;|\Z)")
_KEYWORDS = re.compile(
    r"(?:subgraph|end|direction|style|classDef|class|click|linkStyle|accTitle|accDescr)\b(?![ \t]*[-=<&(\[{])"
)
_ID = re.compile(r"[^\W]+(?:[-.](?=\w)\w+)*")
_LABELLED = re.compile(r"(\w{1,40})[(\[{]{1,3}([^()\[\]{}\n]{1,120})[)\]}]")
_BRACKETS = (
    *(("(((", ")))"), ("((", "))"), ("([", "])"), ("[[", "]]"), ("[(", ")]"), ("{{", "}}")),
    *(("[/", "/]"), ("[\\", "\\]"), ("[/", "\\]"), ("[\\", "/]"), ("(", ")"), ("[", "]"), ("{", "}"), (">", "]")),
)
_ARROW = re.compile(
    r"<?(?:(?P<thick>==+)|(?P<dotted>-\.+-)|(?P<solid>--+))(?:>|[ox](?=[\s|])|(?<=---)|(?<====)|(?<=\.-))"
)
# The text of a long form holds none of what ends it, so that there is one way only to read it.
_LONG = re.compile(
    r"<?(?:(?P<thick>==)(?=[ \t])(?:[^=|]|=(?!=))+==+|(?P<dotted>-\.)(?=[ \t])(?:[^.|]|\.(?![.-]))+\.+-"
    r"|(?P<solid>--)(?=[ \t])(?:[^-|]|-(?!-))+--+)>?"
)
_TEXT = re.compile(r"\|[^|]*\|")
_CLASS = re.compile(r":::[\w-]+")
_AND, _END, _SPACE = re.compile("&"), re.compile(";"), re.compile(r"\s*")
_BREAK = re.compile(r"<br\s{0,3}/?>", re.IGNORECASE)


class MermaidError(ValueError):
    """Code that is not a chart, with the line at fault."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def write(chart: Chart) -> str:
    """The code of a chart, as FlowLearn writes it: a line for each node, then one for each link."""
    nodes = (f"{node.id}({node.label})" for node in chart.nodes)
    links = (f"{link.source} {_ARROWS[link.style]} {link.target}" for link in chart.links)
    return "\n".join([f"flowchart {chart.direction}", *nodes, *links])


def read(code: str) -> Chart:
    """The chart of some code. Raises `MermaidError` for whatever the grammar does not have."""
    reader = _Reader()
    lines = iter(_lines(code))
    number, first = next(lines, (1, ""))
    rest = reader.header(first)
    if rest is None:
        raise MermaidError(number, f"expected flowchart or graph and a direction, found {first[:40]!r}")
    reader.statements(number, rest)
    for number, line in lines:
        reader.statements(number, line)
    return reader.chart()


def read_leniently(code: str) -> tuple[Chart, int]:
    """The chart of the lines that can be read, and how many cannot; never an error.

    Of a line that cannot be read, nodes with their brackets are kept; a word alone on a line is no node.
    """
    reader, broken = _Reader(lone_words=False), 0
    for number, line in _lines(code[:MAX_CHARACTERS]):
        rest = reader.header(line)
        try:
            reader.statements(number, line if rest is None else rest)
        except MermaidError:
            broken += 1
            reader.salvage(line)
    return reader.chart(), broken


def _lines(code: str) -> Iterator[tuple[int, str]]:
    if len(code) > MAX_CHARACTERS:
        raise MermaidError(1, f"there are {len(code):,} characters; at most {MAX_CHARACTERS:,} are read")
    for number, line in enumerate(code.split("\n"), start=1):
        text = line.partition("%%")[0].strip()
        if text:
            yield number, text


@dataclass
class _Reader:
    """Collects nodes and links, statement by statement."""

    labels: dict[str, str | None] = field(default_factory=dict)
    """By id, in order; None until a bracket says what stands in the node."""
    links: list[Link] = field(default_factory=list)
    direction: Direction = "TB"
    lone_words: bool = True
    """Whether an id that stands alone, without brackets and arrows, is a node."""

    def header(self, line: str) -> str | None:
        """What follows the first words of a chart on their line; None if the line does not begin with them."""
        found = _HEADER.match(line)
        if not found or (found[1] and found[1] not in get_args(Direction)):
            return None
        self.direction = found[1] or "TB"  # type: ignore[assignment]
        return line[found.end() :].strip()

    def statements(self, number: int, line: str) -> None:
        """Take in the statements of a line, each whole or not at all. Raises `MermaidError`."""
        for nodes, links in _Line(number, line).statements():
            if len(self.links) + len(links) > MAX_LINKS:
                raise MermaidError(number, f"there are more than {MAX_LINKS:,} links")
            if not links and not self.lone_words and all(label is None for _, label in nodes):
                raise MermaidError(number, f"expected an arrow or a bracket, found {line[:40]!r}")
            for id, label in nodes:
                if label is not None or id not in self.labels:
                    self.labels[id] = label
            self.links += links

    def salvage(self, line: str) -> None:
        for found in _LABELLED.finditer(line):
            self.labels[found[1]] = _bare(found[2])

    def chart(self) -> Chart:
        """A node that only links name has its id for a label, as Mermaid draws it."""
        nodes = tuple(Node(id, id if label is None else label) for id, label in self.labels.items())
        return Chart(nodes, tuple(self.links), self.direction)


def _bare(label: str) -> str:
    return _BREAK.sub(" ", label).strip().strip('"`').strip()


_Statement = tuple[list[tuple[str, str | None]], list[Link]]
"""Nodes with what stands in their brackets, and links."""


class _Line:
    """A line of statements, read from left to right."""

    def __init__(self, number: int, text: str) -> None:
        self._number, self._text, self._at = number, text, 0
        self._nodes: list[tuple[str, str | None]] = []

    def statements(self) -> Iterator[_Statement]:
        while self._at < len(self._text):
            if _KEYWORDS.match(self._text, self._at):
                return
            if not self._take(_END):
                yield self._statement()

    def _statement(self) -> _Statement:
        self._nodes = []
        groups, styles = [self._group()], []
        while self._at < len(self._text) and not self._take(_END):
            styles.append(self._arrow())
            groups.append(self._group())
        if sum(len(sources) * len(targets) for sources, targets in pairwise(groups)) > MAX_LINKS:
            raise self._error(f"there are more than {MAX_LINKS:,} links in it")
        links = [
            Link(source, target, style)
            for style, (sources, targets) in zip(styles, pairwise(groups), strict=True)
            for source in sources
            for target in targets
        ]
        return self._nodes, links

    def _group(self) -> list[str]:
        ids = [self._node()]
        while self._take(_AND):
            ids.append(self._node())
        return ids

    def _node(self) -> str:
        id = self._take(_ID)
        if id is None:
            raise self._error("expected the id of a node")
        self._nodes.append((id[0], self._label()))
        self._take(_CLASS)
        return id[0]

    def _label(self) -> str | None:
        closing = ""
        for opening, closing in _BRACKETS:
            begins = self._at + len(opening)
            if self._text.startswith(opening, self._at):
                quoted = self._text.startswith('"', begins)
                ends = self._text.find('"' + closing if quoted else closing, begins + quoted)
                if ends >= 0:
                    self._at = ends + quoted + len(closing)
                    self._skip()
                    return _bare(self._text[begins + quoted : ends])
        if self._text[self._at : self._at + 1] in ("(", "[", "{"):
            raise self._error("expected the bracket that ends a label")
        return None

    def _arrow(self) -> Style:
        found = self._take(_LONG) or self._take(_ARROW)
        if found is None:
            raise self._error("expected an arrow")
        self._take(_TEXT)
        style: Style = found.lastgroup  # type: ignore[assignment]
        return style

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
            self._skip()
        return found

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _error(self, message: str) -> MermaidError:
        return MermaidError(self._number, f"{message}, found {self._text[self._at :][:40]!r}")
