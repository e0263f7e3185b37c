"""What the style of a function is read off: its variables, the names that it calls, and the types of its tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.source_code.parsing import Parsed, parse

if TYPE_CHECKING:
    from tree_sitter import Node

_NOT_VARIABLES = {
    "python": frozenset({"attribute", "import_statement", "import_from_statement"}),
    "java": frozenset({"field_access", "modifiers", "import_declaration", "package_declaration"}),
}
_CALLS = {"python": "call", "java": "method_invocation"}


@dataclass(frozen=True)
class StyleNames:
    """Names as sets: parts of variables (between underscores: some are empty), and the last part of what is called."""

    variables: frozenset[str]
    calls: frozenset[str]


@dataclass(frozen=True)
class TypeTree:
    """Node types in the order of the text, and the places of each node's children."""

    types: list[str]
    children: list[list[int]]


def names_and_tree(code: str, language: str, *, nested: bool = True) -> tuple[StyleNames, TypeTree]:
    """Read a function of python or java; without `nested`, no calls in the arguments or objects of calls.

    Raises `KeyError` for another language.
    """
    parsed, call = parse(code, language), _CALLS[language]
    variables = {part for name in _variables(parsed, language) for part in name.split("_")}
    calls = {name.rpartition(".")[2] for name in _called(parsed, call, nested)}
    return StyleNames(frozenset(variables), frozenset(calls)), type_tree(parsed.root)


def type_tree(root: Node) -> TypeTree:
    """The concrete tree with punctuation, each node before its children."""
    types: list[str] = []
    children: list[list[int]] = []
    stack: list[tuple[Node, int]] = [(root, -1)]
    while stack:
        node, parent = stack.pop()
        place = len(types)
        types.append(node.type)
        children.append([])
        if parent >= 0:
            children[parent].append(place)
        stack += [(child, place) for child in reversed(node.children)]
    return TypeTree(types, children)


def _variables(parsed: Parsed, language: str) -> Iterator[str]:
    """Identifiers, but for those in attributes, imports and in what is called."""
    call, hidden = _CALLS[language], _NOT_VARIABLES[language]
    stack = [(parsed.root, False)]
    while stack:
        node, inactive = stack.pop()
        if node.type == "identifier" and not node.children and not inactive:
            yield parsed.text(node)
        for place, child in enumerate(node.children):
            # In Java what a method is called on comes first and may be a variable.
            is_callee = node.type == call and child.type != "argument_list" and (language == "python" or place > 0)
            stack.append((child, inactive or is_callee or node.type in hidden))


def _called(parsed: Parsed, call: str, nested: bool) -> Iterator[str]:
    stack = [parsed.root]
    while stack:
        node = stack.pop()
        if node.type == call:
            callee = node.child_by_field_name("function") or node.child_by_field_name("name")
            if callee is not None:
                yield parsed.text(callee)
        if nested or node.type != call:
            stack += node.children
