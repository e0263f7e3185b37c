"""Showing stored text, which strangers wrote: as itself, in HTML, tables and files, and never as markup.

Streamlit's markdown loads images, makes links and turns `:name:` into icons even where it is escaped, so stored
text does not go through it: only through the functions here, `st.code`, `st.text`, or a table made by `frame`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from harness.plain import plain

_STYLE = """
<style>
.block-container { padding: 4.2rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 86rem; }
[data-testid="stPageLink"] a { padding-left: 0; }
.ef-title { font-size: 1.75rem; font-weight: 650; line-height: 1.25; letter-spacing: -.01em; margin: 0;
            overflow-wrap: anywhere; }
.ef-section { font-size: 1.08rem; font-weight: 600; margin: .9rem 0 0; }
.ef-text { margin: 0; max-width: 60rem; overflow-wrap: anywhere; white-space: pre-line; }
.ef-note { margin: 0; max-width: 60rem; font-size: .87rem; opacity: .72; overflow-wrap: anywhere; }
.ef-title + .ef-note { margin-top: .2rem; }
.ef-facts { display: flex; flex-wrap: wrap; gap: .55rem 2.2rem; margin: .1rem 0 !important; padding: 0 !important; }
.ef-facts div, .ef-facts dt, .ef-facts dd { margin: 0 !important; padding: 0 !important; }
.ef-facts dt { font-size: .8rem; font-weight: 400; opacity: .72; }
.ef-facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.ef-large dd { font-size: 1.4rem; font-weight: 600; line-height: 1.3; }
.ef-large dd small { display: block; font-size: .8rem; font-weight: 400; opacity: .72; }
.ef-mark { display: inline-block; font-size: .8rem; padding: .05rem .5rem; border-radius: .3rem; margin-right: .35rem;
           border: 1px solid currentColor; opacity: .85; }
</style>
"""
GREYS = {"light": "#6b7280", "dark": "#8b95a3"}
"""The colour of what was made elsewhere, by theme: readable, and behind what was made here."""
_MOST_GREYED = 1000  # rows: they get their colour through pandas' Styler, which is slow


def style() -> None:
    """Put the app's own styles on the page; colours are the theme's, so dark and light both work."""
    st.html(_STYLE)


def theme() -> str:
    """`light` or `dark`, as the reader has it; `light` for what is written to files."""
    is_page = get_script_run_ctx(suppress_warning=True) is not None
    return "dark" if is_page and st.context.theme.type == "dark" else "light"


def title(text: object, below: object = "") -> None:
    """The page's heading, and a line of small print below it."""
    small = f'<p class="ef-note">{escaped(below)}</p>' if below else ""
    st.html(f'<h1 class="ef-title">{escaped(text)}</h1>{small}')


def section(text: object) -> None:
    """The heading of a part of the page."""
    st.html(f'<h2 class="ef-section">{escaped(text)}</h2>')


def paragraph(text: object) -> None:
    """Running text; nothing is shown for an empty one."""
    if text:
        st.html(f'<p class="ef-text">{escaped(text, lines=True)}</p>')


def note(text: object) -> None:
    """Small print that explains what stands above it."""
    st.html(f'<p class="ef-note">{escaped(text)}</p>')


def marks(names: Sequence[object]) -> None:
    """Short labels in a row, such as `own code`."""
    if names:
        st.html("".join(f'<span class="ef-mark">{escaped(name)}</span>' for name in names))


def facts(pairs: Mapping[str, object]) -> None:
    """Names and values in a row that wraps."""
    items = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in pairs.items())
    st.html(f'<dl class="ef-facts">{items}</dl>')


def figures(items: Iterable[tuple[str, str, str]]) -> None:
    """The numbers that matter most: (name, value, small print below the value)."""
    shown = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}<small>{escaped(below)}</small></dd></div>"
        for name, value, below in items
    )
    st.html(f'<dl class="ef-facts ef-large">{shown}</dl>')


def escaped(text: object, *, lines: bool = False) -> str:
    """The text for use inside HTML, with control characters written out."""
    return html.escape(plain(text, lines=lines))


def label(text: object) -> str:
    """The text for where Streamlit insists on markdown: links and images in it are no longer any."""
    return plain(text).replace("](", "] (").replace("://", ": //").replace("][", "] [").replace("<", "‹")


def frame(records: Sequence[Mapping[str, Any]]) -> Any:
    """A pandas table of the records with the text of every cell made plain, ready for `st.dataframe`."""
    import pandas as pd

    return pd.DataFrame([{plain(name): _cell(value) for name, value in record.items()} for record in records])


def greyed(table: Any, grey: Sequence[bool], *, pinned: Sequence[str] = ()) -> Any:
    """The table with some of its rows in grey, for `st.dataframe`; a very long one stays as it is.

    Cells of pinned columns stay as they are: Streamlit fades them already.
    """
    if not any(grey) or len(table) > _MOST_GREYED:
        return table
    colour = f"color: {GREYS[theme()]}"
    columns = [name for name in table.columns if name not in pinned]
    return table.style.apply(lambda column: [colour if is_grey else "" for is_grey in grey], subset=columns)


def readable(name: str) -> str:
    """A field name as words: `dangling_judgements` is shown as `Dangling judgements`."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)  # the store's times are UTC, and the column's name says so
    return value
