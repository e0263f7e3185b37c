"""Taking out of a function what gives it away: its documentation, and its own name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.source_code.parsing import Parsed, parse

if TYPE_CHECKING:
    from tree_sitter import Node

MASK = "Func"
"""What AdvTest of CodeXGLUE calls every function."""

_BLOCKS = frozenset({"module", "block"})
_HOLD_BLOCKS = ("_definition", "_statement", "_clause", "ERROR")
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_NAMES = frozenset({"identifier", "field_identifier", "property_identifier", "name", "constant"})
_DEFINITIONS = frozenset(
    {"function_definition", "method_declaration", "constructor_declaration", "function_declaration"}
    | {"generator_function_declaration", "method_definition", "method", "singleton_method"}
)


def without_documentation(code: str, language: str) -> str:
    """A Python function without its docstrings; one of another language without its comments, which is where they
    stand there. What is left is otherwise byte for byte the same, less the lines that become blank."""
    parsed = parse(code, language)
    found = _docstrings(parsed.root) if language == "python" else filter(_is_comment, parsed.nodes())
    spans = [(node.start_byte, node.end_byte, b"") for node in found]
    return _edited(parsed, spans, drop_blank=True) if spans else code


def masked(code: str, language: str) -> str:
    """A function under the name `Func`, where it is defined and where it calls itself.

    Code without a definition (an anonymous function, a fragment) stays as it is.
    """
    parsed = parse(code, language)
    name = own_name(parsed)
    if not name:
        return code
    spans = [
        (node.start_byte, node.end_byte, MASK.encode())
        for node in parsed.nodes()
        if node.type in _NAMES and parsed.text(node) == name
    ]
    return _edited(parsed, spans)


def own_name(parsed: Parsed) -> str:
    """What the first function of the tree calls itself; empty if it does not."""
    for node in parsed.nodes():
        if node.type in _DEFINITIONS and (name := node.child_by_field_name("name")) is not None:
            return parsed.text(name)
    return ""


def _is_comment(node: Node) -> bool:
    return node.type in _COMMENTS


def _docstrings(node: Node) -> Iterator[Node]:
    """Strings that are the first statement of a block; no `pass` takes their place, for nothing runs the code."""
    stack = [node]
    while stack:
        current = stack.pop()
        inner = current.named_children
        if current.type in _BLOCKS:
            first = next((child for child in inner if child.type != "comment"), None)
            if first is not None and first.type == "expression_statement":
                kinds = {child.type for child in first.named_children}
                if kinds and kinds <= {"string", "concatenated_string"}:
                    yield first
        # Blocks are in statements and their clauses, never in expressions, which are most of a tree.
        stack += [child for child in reversed(inner) if child.type in _BLOCKS or child.type.endswith(_HOLD_BLOCKS)]


def _edited(parsed: Parsed, spans: list[tuple[int, int, bytes]], *, drop_blank: bool = False) -> str:
    """The function with spans replaced; lines that a removal leaves blank go as well."""
    pieces, at = [], parsed.inner.start
    for start, end, text in spans:
        if start < at or end > parsed.inner.stop:
            continue  # inside a span that is gone already, or in the wrapping
        pieces += [parsed.source[at:start], _GONE if drop_blank else text]
        at = end
    pieces.append(parsed.source[at : parsed.inner.stop])
    edited = b"".join(pieces).decode(errors="replace")
    if not drop_blank:
        return edited
    mark = _GONE.decode()
    return re.sub(rf"(?m)^[ \t]*(?:{mark}[ \t]*)+(?:\r?\n|\Z)", "", edited).replace(mark, "")


_GONE = b"\x00"
