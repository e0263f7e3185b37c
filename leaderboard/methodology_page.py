"""What each number means, from the project's own documentation.

Address: `/methodology?page=NAME`.
"""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from leaderboard import text

_DOCS = Path(__file__).parent.parent / "docs"
_LINK = re.compile(r"\]\((?!https?://)([\w.]+\.md)?(#[\w-]+)?\)")
_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./[^)]*\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n?")


def show() -> None:
    """Show the page that the address names, else what the numbers mean."""
    pages = {path.stem: path for path in sorted(_DOCS.glob("*.md"))}
    if not pages:
        text.title("What the numbers mean")
        text.paragraph("The documentation is not installed here; it is the folder docs/ of the project.")
        return
    asked = st.query_params.get("page")
    if "page" not in st.session_state and asked not in pages:
        st.session_state["page"] = "methodology" if "methodology" in pages else next(iter(pages))
    chosen = st.selectbox("Page", list(pages), index=None, required=True, key="page", bind="query-params", width=340)
    st.markdown(_linked(pages[chosen or next(iter(pages))].read_text(encoding="utf-8")))


def _linked(document: str) -> str:
    """The project's own text, not a stranger's; links between documents lead to this page."""
    inside = _OUTSIDE.sub(r"\1", _IMAGE.sub("", document))
    return _LINK.sub(lambda found: f"]({_address(found[1], found[2])})", inside)


def _address(file: str | None, anchor: str | None) -> str:
    page = f"?page={file.removesuffix('.md')}" if file else ""
    return f"{page}{anchor or ''}" or "#"


if __name__ == "__main__":
    show()
