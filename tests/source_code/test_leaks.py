"""Documentation and names come out of functions of six languages, and nothing else does."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.source_code.leaks import masked, own_name, without_documentation
from harness.source_code.parsing import LANGUAGES, parse

PYTHON = '''\
    def grüße(self, name):
        """Say hello — in one of ½ dozen ways.

        Not a comment."""
        # keep this
        text = "not a docstring"
        return self.grüße(name) or text
'''
FUNCTIONS = {
    "java": "public int twice(int a) { /* doubles */ return a + twice(0); } // end",
    "javascript": "function twice(a) { // doubles\n return a + twice(0); }",
    "go": "func twice(a int) int { // doubles\n return a + twice(0) }",
    "php": "public function twice($a) { /* doubles */ return $a + twice(0); }",
    "ruby": "def twice(a)\n # doubles\n a + twice(0)\nend",
}


def test_a_python_docstring_goes_and_its_comments_stay() -> None:
    assert without_documentation(PYTHON, "python") == (
        "    def grüße(self, name):\n        # keep this\n"
        '        text = "not a docstring"\n        return self.grüße(name) or text\n'
    )


def test_docstrings_of_inner_functions_go_too() -> None:
    code = 'def f():\n    """A."""\n    def g():\n        "B."\n        return 1\n    return g\n'
    assert ast.get_docstring(ast.parse(without_documentation(code, "python")).body[0]) is None
    assert '"B."' not in without_documentation(code, "python")


def test_a_string_that_is_no_docstring_stays() -> None:
    code = 'def f(a):\n    a = "x"\n    "y"\n    return a\n'
    assert without_documentation(code, "python") == code


@pytest.mark.parametrize("language", FUNCTIONS)
def test_comments_go_in_other_languages(language: str) -> None:
    stripped = without_documentation(FUNCTIONS[language], language)
    assert "doubles" not in stripped
    assert "twice(0)" in stripped


@pytest.mark.parametrize("language", FUNCTIONS)
def test_a_function_is_masked_where_it_is_defined_and_called(language: str) -> None:
    code = masked(FUNCTIONS[language], language)
    assert code.count("Func") == 2
    assert "twice" not in code


def test_a_mask_counts_bytes_and_not_characters() -> None:
    code = masked(PYTHON, "python")
    assert "def Func(self, name):" in code
    assert "return self.Func(name) or text" in code
    assert "½ dozen" in code


def test_code_without_a_name_stays_as_it_is() -> None:
    assert masked("function(a) { return a; }", "javascript") == "function(a) { return a; }"
    assert masked("x = 1", "python") == "x = 1"


def test_code_that_does_not_parse_is_read_as_far_as_it_goes() -> None:
    broken = 'def f(x):\n    """Doc."""\n    print "python 2", x\n    return (x\n'
    assert parse(broken, "python").is_broken
    assert '"""Doc."""' not in without_documentation(broken, "python")
    assert "def Func(x)" in masked(broken, "python")


def test_other_languages_are_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        parse("x", "cobol")


@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_any_text_is_survived(text: str, language: str) -> None:
    masked(without_documentation(text, language), language)
    own_name(parse(text, language))
