"""Parsing functions of the six languages of CodeSearchNet with tree-sitter.

Offsets of nodes are bytes of UTF-8, never characters: texts are cut as bytes and decoded afterwards. A function that
stands alone is not always a program of its language (a PHP method needs a class around it), so some are wrapped; the
wrapping is taken off again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LANGUAGES = ("python", "java", "javascript", "go", "php", "ruby")
_WRAPPINGS = {"php": (("<?php class C {", "}"), ("<?php ", ""))}
"""What is put around a function, the first that parses without an error, else the last."""


@dataclass(frozen=True)
class Parsed:
    """A tree, and the bytes that its offsets count."""

    root: Node
    source: bytes
    inner: slice
    """Where the function itself is in `source`."""

    @property
    def is_broken(self) -> bool:
        """Whether a part of it could not be understood."""
        return self.root.has_error

    def text(self, node: Node) -> str:
        """What a node spans."""
        return self.source[node.start_byte : node.end_byte].decode(errors="replace")

    def nodes(self) -> Iterator[Node]:
        """All nodes, each before its children."""
        return walk(self.root)


def parse(code: str, language: str) -> Parsed:
    """The tree of a function; one that is broken is parsed as far as it goes. Raises `KeyError` for other languages."""
    parsed: Parsed | None = None
    body = code.encode(errors="replace")
    for before, after in _WRAPPINGS.get(language, (("", ""),)):
        source = before.encode() + body + after.encode()
        inner = slice(len(before), len(before) + len(body))
        parsed = Parsed(_parser(language).parse(source).root_node, source, inner)
        if not parsed.is_broken:
            break
    assert parsed is not None
    return parsed


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the text; without recursion, for generated code nests deep."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack += reversed(current.children)


@cache
def _parser(language: str) -> Parser:
    from tree_sitter import Language, Parser

    if language not in LANGUAGES:
        raise KeyError(language)
    grammar = import_module(f"tree_sitter_{language}")
    start = grammar.language_php if language == "php" else grammar.language
    return Parser(Language(start()))
