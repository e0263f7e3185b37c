"""Text from strangers (names, ids, answers, logs) made safe to show: no control character acts on the screen."""

from __future__ import annotations

import unicodedata

_CONTROLS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # also format characters such as right-to-left overrides

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def plain(text: object, *, lines: bool = False) -> str:
    """The text with control and format characters written out as escapes; `lines` keeps line breaks and tabs."""
    shown = str(text)
    if shown.isprintable():  # nearly always, and a hundred times faster to find out
        return shown
    kept = "\n\t" if lines else ""
    return "".join(c if c in kept or unicodedata.category(c) not in _CONTROLS else _escape(c) for c in shown)


def brief(text: str, limit: int = 2000) -> str:
    """The text cut to `limit` characters, saying so: a stranger's message may be of any length."""
    return text if len(text) <= limit else f"{text[:limit]} [... {len(text) - limit} more characters]"


def no_formula(value: object) -> object:
    """The value, with an apostrophe before text that a spreadsheet would run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
