"""The data flow of the paper's example, in all six languages, and what loops and several targets add to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.source_code.data_flow import data_flow
from harness.source_code.parsing import LANGUAGES, parse

THE_GREATER = {
    "python": "def f(a, b):\n    x = 0\n    if b > a:\n        x = b\n    else:\n        x = a\n    return x\n",
    "java": "int f(int a, int b) { int x = 0; if (b > a) { x = b; } else { x = a; } return x; }",
    "javascript": "function f(a, b) { let x = 0; if (b > a) { x = b; } else { x = a; } return x; }",
    "go": "func f(a int, b int) int { x := 0; if b > a { x = b } else { x = a }; return x }",
    "php": "function f($a, $b) { $x = 0; if ($b > $a) { $x = $b; } else { $x = $a; } return $x; }",
    "ruby": "def f(a, b)\n x = 0\n if b > a\n  x = b\n else\n  x = a\n end\n x\nend\n",
}


def edges(code: str, language: str = "python") -> list[tuple[str, list[str]]]:
    """Each variable with the variables that its value comes from, numbered by occurrence: x1, x2 …"""
    flow = data_flow(parse(code, language))
    times: dict[str, int] = {}
    names = {}
    for token in sorted(flow.sources):
        name = flow.tokens[token].lstrip("$")
        times[name] = times.get(name, 0) + 1
        names[token] = f"{name}{times[name]}"
    return [(names[token], [names[source] for source in sources]) for token, sources in sorted(flow.sources.items())]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_greater_of_two_comes_from_both_branches(language: str) -> None:
    """Figure 2 of the paper: what is returned comes from both assignments, and not from x = 0."""
    found = dict(edges(THE_GREATER[language], language))
    assert found["x4"] == ["x2", "x3"]
    assert (found["x2"], found["x3"]) == (["b3"], ["a3"])
    assert (found["b2"], found["a2"]) == (["b1"], ["a1"])
    assert found["a1"] == found["b1"] == found["x1"] == []


def test_without_else_the_old_value_may_stay() -> None:
    found = dict(edges("def f(a):\n    x = 0\n    if a:\n        x = a\n    return x\n"))
    assert found["x3"] == ["x1", "x2"]


def test_a_loop_comes_from_itself() -> None:
    found = dict(edges("def f(xs):\n    t = 0\n    for x in xs:\n        t = t + x\n    return t\n"))
    assert found["x1"] == ["xs2"]
    assert found["t3"] == ["t1", "t2"]
    assert found["t4"] == ["t1", "t2"]


def test_targets_are_paired_with_values() -> None:
    found = dict(edges("def f(p, q):\n    a, b = p, q\n    c, d = f(a)\n    return b\n"))
    assert (found["a1"], found["b1"]) == (["p2"], ["q2"])
    assert found["c1"] == found["d1"] == ["a2"]


def test_members_and_what_is_called_are_no_variables() -> None:
    assert [name for name, _ in edges("def f(a):\n    return a.size + g(a.h())\n")] == ["a1", "a2", "a3"]


def test_only_connected_variables_are_nodes() -> None:
    flow = data_flow(parse("def f(a, unused):\n    return a\n", "python"))
    assert [flow.tokens[token] for token in flow.connected()] == ["a", "a"]


def test_comments_are_no_tokens() -> None:
    assert data_flow(parse("x = 1  # x\n", "python")).tokens == ["x", "=", "1"]


@given(st.text(alphabet="abx=(){}[]:;,.\n if else for", max_size=60), st.sampled_from(LANGUAGES))
def test_any_code_is_survived(code: str, language: str) -> None:
    flow = data_flow(parse(code, language))
    assert all(0 <= place < len(flow.tokens) for place in [*flow.sources, *sum(flow.sources.values(), ())])
