"""The address and the browser's Back: each page keeps its own parameters and drops those of other pages."""

from __future__ import annotations

import streamlit as st

_OF_SOME_PAGE = ("task", "over", "suite", "run", "runs", "example", "submission")


def came_back(own: str) -> None:
    """To be called first by a page whose choice is the parameter `own`.

    The browser's Back leads to it with the parameters of the page that the reader went to, and without its own. They
    mean nothing here, and what was chosen before is chosen again.
    """
    foreign = [name for name in _OF_SOME_PAGE if name != own and name in st.query_params]
    for name in foreign:
        del st.query_params[name]
    if foreign and own not in st.query_params and (chosen := st.session_state.get(_key(own))):
        st.session_state[own] = chosen
        st.rerun()  # while it goes back, Streamlit holds the address above what is set here


def remembers(own: str) -> bool:
    """True if this reader has seen the page already."""
    return _key(own) in st.session_state


def remember(own: str, chosen: str | None) -> None:
    """Keep what the page's box chose, which Streamlit forgets when another page is shown."""
    st.session_state[_key(own)] = chosen


def _key(own: str) -> str:
    return f"{own} shown"
