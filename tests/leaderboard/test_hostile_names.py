"""Names from strangers are text on every page: no markup, no link, no formula, nothing that turns the line around."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from leaderboard import text
from tests.leaderboard.conftest import BAD, GOOD

HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "markdown": "![x](https://example.com/beacon.png) [here](javascript:alert(1)) :material/delete:",
    "formula": '=HYPERLINK("https://example.com","x")',
    "right-to-left": "safe\u202egnp.exe",
    "control": "bell\x07 and\x1b[31m red\nnext line",
}
MARKDOWN = ("markdown", "caption", "warning", "error", "info", "success")


@pytest.fixture(params=HOSTILE)
def name(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


@pytest.fixture
def runs(filler: Any, name: str) -> tuple[str, str]:
    """Two runs on a task with submissions, data and an audit that are all called so."""
    filler.card = dataclasses.replace(filler.card, name=f"beir/{name}", family="beir", description=name, licence=name)
    filler.model = {"kind": name, "path": name}
    filler.titles = {"d1": name}
    filler.audit = {name: [{name: name}]}
    return filler.run(name, GOOD, log=name), filler.run(f"{name} again", BAD)


def rendered(app: Any) -> Iterator[str]:
    """What Streamlit would take for markdown: texts and the labels of everything."""
    for element in app.main:
        yield from _of(element)


def _of(element: Any) -> Iterator[str]:
    proto = getattr(element, "proto", None)
    for field in ("label", "help", "caption"):
        if isinstance(value := getattr(proto, field, None), str):
            yield value
    if element.type in MARKDOWN:
        yield str(element.value)
    for child in getattr(element, "children", {}).values():
        yield from _of(child)


def every_page(page: Callable[..., Any], runs: tuple[str, str], task: str) -> Iterator[Any]:
    yield page(file="frontier_page.py")
    yield page(file="board.py", task=task)
    yield page(file="run_page.py", run=runs[0], example="q1")
    yield page(file="history_page.py")


def test_names_are_text_on_every_page(runs: tuple[str, str], name: str, page: Callable[..., Any]) -> None:
    for shown in every_page(page, runs, f"beir/{name}"):
        for said in rendered(shown.app):
            assert "](" not in said
            assert "<img" not in said
        for html in shown.app.get("html"):
            assert "<img" not in html.proto.body
        for said in [shown.text, *(code.value for code in shown.app.code)]:
            assert not {"\u202e", "\x07", "\x1b"} & set(said)
        for table in shown.app.dataframe:
            assert not {"\u202e", "\x07", "\x1b"} & set(table.value.to_string())


def test_a_label_holds_no_link_and_no_picture(name: str) -> None:
    shown = text.label(name)
    assert "](" not in shown
    assert "://" not in shown
    assert "<" not in shown
    assert shown.isprintable()
