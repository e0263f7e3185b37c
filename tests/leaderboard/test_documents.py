"""The pages that explain: what numbers mean, and where tasks and published scores come from."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from leaderboard import app


def at(file: str, **address: str) -> AppTest:
    shown = AppTest.from_file(app.__file__, default_timeout=30).run().switch_page(file)
    for name, value in address.items():
        shown.query_params[name] = value
    shown.run()
    assert not shown.exception
    return shown


def test_documents_link_to_each_other_on_the_page(filler, page):
    filler.run("one")
    (document,) = at("methodology_page.py", page="beir").markdown
    assert document.value.startswith("# ")
    assert "](?page=" in document.value and ".md)" not in document.value


def test_published_scores_stand_with_their_sources(filler, page):
    filler.run("one")
    tables = {table.proto.alt: table.value for table in at("references_page.py", family="beir").dataframe}
    assert tables["Published scores of beir"]["Source"].str.len().min() > 5
    assert "Thakur" in " ".join(tables["Citations of beir"]["Citation"])
