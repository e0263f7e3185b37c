"""Text from strangers is shown as text: nothing in it acts on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plain import brief, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("naïve 日本語 😀", "naïve 日本語 😀"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ('=HYPERLINK("x")', '=HYPERLINK("x")'),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31mred", "\\x9b31mred"),
        ("over\rwritten", "over\\x0dwritten"),
        ("two\nlines\t", "two\\x0alines\\x09"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028separator", "line\\u2028separator"),
        ("\ud800", "\\ud800"),
        ("\U000e0041tag", "\\U000e0041tag"),
        (42, "42"),
        (None, "None"),
    ],
)
def test_shown_as(text: object, shown: str) -> None:
    assert plain(text) == shown


def test_line_breaks_and_tabs_are_kept_where_asked() -> None:
    assert plain("a\n\tb\x1b\r", lines=True) == "a\n\tb\\x1b\\x0d"


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = plain(text)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_ordinary_text_is_untouched(text: str) -> None:
    assert plain(text) == text


def test_brief_says_how_much_is_left_out() -> None:
    assert brief("x" * 10, limit=10) == "x" * 10
    assert brief("x" * 15, limit=10) == "x" * 10 + " [... 5 more characters]"
