"""Where the value of each variable comes from: the graph that GraphCodeBERT reads beside the code.

Guo et al. (2021), "GraphCodeBERT" (arXiv:2009.08366), section 3: a node for each occurrence of a variable, an edge to
each occurrence that its value comes from. Statements are followed in order; a branch may or may not be taken, so what
comes after it comes from both; the body of a loop is followed twice, for it may come from itself. One walk serves all
six languages, with a table of what their grammars call things; the published parser has a program for each, so details
of rarer statements differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.source_code.parsing import Parsed

if TYPE_CHECKING:
    from tree_sitter import Node

_ASSIGNMENTS: Mapping[str, tuple[str, str]] = {
    "assignment": ("left", "right"),
    "assignment_expression": ("left", "right"),
    "assignment_statement": ("left", "right"),
    "augmented_assignment": ("left", "right"),
    "augmented_assignment_expression": ("left", "right"),
    "operator_assignment": ("left", "right"),
    "named_expression": ("name", "value"),
    "short_var_declaration": ("left", "right"),
    "variable_declarator": ("name", "value"),
    "var_spec": ("name", "value"),
    "const_spec": ("name", "value"),
    "default_parameter": ("name", "value"),
    "range_clause": ("left", "right"),
}
_EACH: Mapping[str, tuple[str, str]] = {
    "for_statement": ("left", "right"),
    "for_in_clause": ("left", "right"),
    "for_in_statement": ("left", "right"),
    "enhanced_for_statement": ("name", "value"),
    "for": ("pattern", "value"),
}
_LOOPS = frozenset(
    {
        "for_statement",
        "for_in_statement",
        "enhanced_for_statement",
        "foreach_statement",
        "while_statement",
        "do_statement",
    }
    | {"for", "while", "until", "while_modifier", "until_modifier"}
)
_CLAUSES = frozenset(
    {"elif_clause", "else_clause", "else_if_clause", "elsif", "else", "when", "case_clause", "except_clause"}
    | {"catch_clause", "rescue", "finally_clause", "ensure", "switch_block_statement_group", "expression_case"}
)
"""What is taken or not as a whole."""
_ELSE = frozenset({"else_clause", "else"})
_BRANCHES = frozenset(
    {"if_statement", "if", "unless", "case", "switch_statement", "switch_expression", "expression_switch_statement"}
    | {"try_statement", "match_statement", "conditional_expression", "ternary_expression", "begin"}
)
_NAMES = frozenset(
    {"identifier", "field_identifier", "variable_name", "instance_variable", "shorthand_property_identifier"}
)
_WHOLE = frozenset(
    {"string", "string_literal", "interpreted_string_literal", "raw_string_literal", "encapsed_string"} | _NAMES
)
_PARTS = ("block", "body", "then", "statement")
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_MEMBERS = frozenset({"attribute", "field", "property", "function", "name"})
_DEFINED = frozenset(
    {"function_definition", "function_declaration", "method_declaration", "method", "class_definition"}
)

_State = dict[str, tuple[int, ...]]
"""Name → the tokens that it may have its value from."""


@dataclass
class DataFlow:
    """Tokens of a function, and for each that is a variable the tokens that its value comes from."""

    tokens: list[str] = field(default_factory=list)
    sources: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def connected(self) -> dict[int, tuple[int, ...]]:
        """The variables that have an edge at all, in the order of the text: the nodes that a model is given."""
        used = {source for sources in self.sources.values() for source in sources}
        return {token: its for token, its in sorted(self.sources.items()) if its or token in used}


def data_flow(parsed: Parsed) -> DataFlow:
    """Tokens without comments, and the data flow between them."""
    return _Walk(parsed).flow


class _Walk:
    def __init__(self, parsed: Parsed) -> None:
        self.flow = DataFlow()
        self._parsed = parsed
        self._places: dict[int, int] = {}
        for node in _leaves(parsed.root):
            if parsed.inner.start <= node.start_byte and node.end_byte <= parsed.inner.stop:
                self._places[node.id] = len(self.flow.tokens)
                self.flow.tokens.append(parsed.text(node))
        self._follow(parsed.root, {}, 0)

    def _follow(self, node: Node, state: _State, depth: int) -> _State:
        """What names have their values from after a node."""
        if depth > _DEEPEST:
            return state
        if node.id in self._places:
            return self._read(node, state)
        if node.type in _LOOPS:
            once = self._loop(node, state, depth)
            return _merged([state, self._loop(node, _merged([state, once]), depth)])
        if node.type in _ASSIGNMENTS and (right := _fields(node, _ASSIGNMENTS[node.type][1])):
            return self._assign(_fields(node, _ASSIGNMENTS[node.type][0]), right, state, depth)
        if node.type in _BRANCHES:
            return self._branch(node, state, depth)
        for child in node.children:
            state = self._follow(child, state, depth + 1)
        return state

    def _loop(self, node: Node, state: _State, depth: int) -> _State:
        left, right = ([], []) if node.type not in _EACH else tuple(_fields(node, name) for name in _EACH[node.type])
        done = {each.id for each in (*left, *right)}
        if left and right:
            state = self._assign(left, right, state, depth)
        for child in node.children:
            if child.id not in done:
                state = self._follow(child, state, depth + 1)
        return state

    def _branch(self, node: Node, state: _State, depth: int) -> _State:
        """The condition is always read; of what follows one part is taken, or none if there is no `else`."""
        ends, condition = [], state
        for child in node.children:
            if child.is_named and (child.type in _CLAUSES or child.type.endswith(_PARTS)):
                ends.append(self._follow(child, condition, depth + 1))
            else:
                condition = self._follow(child, condition, depth + 1)
        is_complete = node.child_by_field_name("alternative") is not None or any(c.type in _ELSE for c in node.children)
        return _merged(ends if ends and is_complete else [condition, *ends])

    def _assign(self, left: list[Node], right: list[Node], state: _State, depth: int) -> _State:
        for node in right:
            state = self._follow(node, state, depth + 1)
        sides = self._pairs(left, right)
        state = dict(state)
        for target, value in sides:
            froms = tuple(self._variables(value))
            for place in self._variables(target):
                self._add(place, froms)
                state[self.flow.tokens[place]] = (place,)
        return state

    @staticmethod
    def _pairs(left: list[Node], right: list[Node]) -> list[tuple[Node, Node]]:
        """`a, b = x, y` is two assignments; where the sides have other lengths every target comes from every value."""
        lists = [_elements(side) for side in (left, right)]
        if len(lists[0]) == len(lists[1]):
            return list(zip(*lists, strict=True))
        return [(target, value) for target in lists[0] for value in lists[1]]

    def _read(self, node: Node, state: _State) -> _State:
        place = self._places[node.id]
        if node.type not in _NAMES or not self._is_variable(node):
            return state
        name = self.flow.tokens[place]
        self._add(place, tuple(source for source in state.get(name, ()) if source != place))
        return state if name in state else {**state, name: (place,)}

    def _add(self, place: int, sources: tuple[int, ...]) -> None:
        self.flow.sources[place] = tuple(sorted({*self.flow.sources.get(place, ()), *sources}))

    def _variables(self, node: Node) -> Iterator[int]:
        """The variables in a piece of code, as tokens."""
        for leaf in _leaves(node):
            if leaf.id in self._places and leaf.type in _NAMES and self._is_variable(leaf):
                yield self._places[leaf.id]

    @staticmethod
    def _is_variable(node: Node) -> bool:
        """Not what a member or a function is called."""
        parent = node.parent
        if parent is None:
            return True
        if parent.type in _DEFINED:
            return parent.child_by_field_name("name") != node
        is_member = parent.type in {"attribute", "field_access", "member_expression", "selector_expression", "call"}
        return not (is_member and any(parent.child_by_field_name(name) == node for name in _MEMBERS))


_DEEPEST = 400


def _leaves(node: Node) -> Iterator[Node]:
    """Tokens in the order of the text; a string or a PHP variable is one, comments are none."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type in _COMMENTS:
            continue
        if current.type in _WHOLE or not current.children:
            if current.end_byte > current.start_byte:
                yield current
        else:
            stack += reversed(current.children)


def _fields(node: Node, name: str) -> list[Node]:
    return [child for child in node.children_by_field_name(name) if child.is_named]


def _elements(side: list[Node]) -> list[Node]:
    """What stands between the commas of one side."""
    if len(side) == 1 and side[0].type in {
        "pattern_list",
        "expression_list",
        "tuple",
        "tuple_pattern",
        "left_assignment_list",
    }:
        return side[0].named_children
    return side


def _merged(states: list[_State]) -> _State:
    names = {name for state in states for name in state}
    return {name: tuple(sorted({s for state in states for s in state.get(name, ())})) for name in names}
