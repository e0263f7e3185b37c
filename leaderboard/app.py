"""The app's frame: page settings, the list of pages, and a page for what cannot be shown.

`harness serve` runs this file; the database is named by HARNESS_DB. A page is a file beside this one.
"""

from __future__ import annotations

import streamlit as st

from harness.errors import HarnessError
from leaderboard import text
from leaderboard.rows import NoResults

_ICON = (
    '<svg viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0072B2"/>'
    '<path d="M8 12.5h16M8 19.5h16" stroke="#fff" stroke-width="3.2" stroke-linecap="round"/></svg>'
)
_NEXT_COMMAND = "harness eval submissions/bm25.yaml submissions/random.yaml --task beir/python-docs"


def show() -> None:
    """Show the page that the address asks for; an error that we can explain is a page, not a traceback."""
    st.set_page_config(page_icon=_ICON, layout="wide")
    text.style()
    pages = [
        st.Page("frontier_page.py", title="Frontier", default=True),
        st.Page("board.py", title="Tasks", url_path="board"),
        st.Page("suite_page.py", title="Suites", url_path="suite"),
        st.Page("compare_page.py", title="Compare", url_path="compare"),
        st.Page("submit_page.py", title="Submit", url_path="submit"),
        st.Page("methodology_page.py", title="What numbers mean", url_path="methodology"),
        st.Page("references_page.py", title="References", url_path="references"),
        st.Page("history_page.py", title="History", url_path="history"),
        st.Page("run_page.py", title="A run", url_path="run", visibility="hidden"),
    ]
    page = st.navigation(pages, position="top")
    st.set_page_config(page_title="Equal Footing" if page == pages[0] else f"{page.title} · Equal Footing")
    try:
        page.run()
    except NoResults as error:
        _say_what_to_run(error)
    except HarnessError as error:
        text.section("The results cannot be shown")
        text.paragraph(error.message)
        text.paragraph(error.hint)


def _say_what_to_run(error: NoResults) -> None:
    text.section("There are no results yet")
    text.paragraph(error.message)
    text.note("This evaluates two baselines on a task that needs no data. Reload the page when it is done.")
    st.code(_NEXT_COMMAND, language=None)


if __name__ == "__main__":
    show()
