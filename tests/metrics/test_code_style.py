"""Code style similarity by the paper's definition and by the published code's, checked by hand."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.code_style import CodeStyle, Definition, directed, tree_distance
from harness.source_code.style import TypeTree, names_and_tree

FIRST = "def f(numbers):\n    total = sum(numbers)\n    return total\n"
SECOND = "def g(values):\n    total = max(values)\n    return total\n"
NOTHING = "pass"


def compared(one: str, other: str, definition: Definition, language: str = "python") -> tuple[float | None, ...]:
    (style,) = CodeStyle([(one, other)], language, definition).styles()
    return style.variables, style.calls, style.tree


@pytest.mark.parametrize("definition", ["paper", "repo"])
def test_a_function_is_like_itself(definition: Definition) -> None:
    assert compared(FIRST, FIRST, definition) == (1, 1, 1)


def test_names_are_found_where_they_are_variables() -> None:
    code = "def f(snake_case):\n    import os\n    x = snake_case.attribute(y)\n    return os.path.join(x)\n"
    names, _ = names_and_tree(code, "python")
    assert names.variables == {"f", "snake", "case", "x", "y"}
    assert names.calls == {"attribute", "join"}


def test_java_knows_what_a_method_is_called_on() -> None:
    code = "int f(List items) { return items.size() + this.count(other.next()); }"
    names, _ = names_and_tree(code, "java")
    assert {"items", "other"} <= names.variables
    assert names.calls == {"size", "count", "next"}
    outer, _ = names_and_tree(code, "java", nested=False)
    assert outer.calls == {"size", "count"}


def test_names_that_are_not_ascii_are_whole() -> None:
    names, _ = names_and_tree("def größe(länge):\n    return zähle(länge)\n", "python")
    assert names.variables == {"größe", "länge"}
    assert names.calls == {"zähle"}


def test_rare_names_weigh_more() -> None:
    assert directed(["ab", "xy"], ["ab"], {"ab": 1.0, "xy": 3.0}) == pytest.approx(0.25)
    assert directed(["ab", "xy"], ["ab"], {}) == 0.5, "without weights names weigh the same"


def test_the_definitions_differ_in_direction_and_weights() -> None:
    """Variables f, numbers, total against g, values, total; both have `total`: ln(N / df) is 0."""
    one, other = ["f", "numbers", "total"], ["g", "values", "total"]
    paper = {name: log(2) for name in {*one, *other} - {"total"}} | {"total": 0.0}
    repo = {name: log(6) for name in {*one, *other} - {"total"}} | {"total": log(3)}
    both = directed(one, other, paper), directed(other, one, paper)
    assert compared(FIRST, SECOND, "paper")[0] == pytest.approx(sum(both) / 2)
    both = directed(one, other, repo), directed(other, one, repo)
    assert compared(FIRST, SECOND, "repo")[0] == pytest.approx(min(both))


def test_a_side_without_names_is_unlike_or_left_out() -> None:
    assert compared(NOTHING, FIRST, "paper")[:2] == (0, 0)
    assert compared(NOTHING, NOTHING, "paper")[:2] == (1, 1)
    assert compared(NOTHING, FIRST, "repo")[:2] == (None, None)
    (style,) = CodeStyle([(NOTHING, FIRST)], "python", "repo").styles()
    assert style.similarity == style.tree


def test_the_distance_of_trees_is_counted_in_nodes() -> None:
    chain = TypeTree(["a", "b", "c"], [[1], [2], []])
    assert tree_distance(chain, chain) == 0
    assert tree_distance(chain, TypeTree(["a", "c"], [[1], []])) == pytest.approx(1 / 3)
    assert tree_distance(chain, TypeTree(["a", "x", "c"], [[1], [2], []])) == pytest.approx(1 / 3)


def test_other_languages_are_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        CodeStyle([("x", "y")], "go", "paper").styles()


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["paper", "repo"]))
def test_every_part_is_between_nothing_and_all(one: str, other: str, definition: Definition) -> None:
    parts = [part for part in compared(one, other, definition) if part is not None]
    assert all(-1e-9 <= part <= 1 + 1e-9 for part in parts)
    assert compared(other, one, definition) == pytest.approx(compared(one, other, definition))
