"""A walk over every page, on real results: to the answer, to the evidence, to a file, and back by a permalink.

On each page the rules of axe-core are checked. With HARNESS_SCREENSHOTS=docs/images and HARNESS_DB=results.db the walk
is over that database, and leaves the pictures of the documentation.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboard.serving import chromium, served, tab_of, tick_row

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
_SUBMISSIONS = Path(__file__).parents[2] / "submissions"
_PICTURES = os.environ.get("HARNESS_SCREENSHOTS")
_TASK = "beir/scifact" if _PICTURES else "beir/python-docs"
_PAGES = {
    "/": "Best within the limits",
    f"/board?task={_TASK}": "against cost",
    "/suite": "Averages over suites",
    f"/compare?task={_TASK}": "Runs, the first against the others",
    "/submit": "What runs of kind bm25 took here",
    "/methodology": "What each number means",
    "/references": "Published scores",
    f"/history?task={_TASK}": "a version is what the submission file says",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two baselines and chance, evaluated for this on a task that needs no data, and served."""
    if _PICTURES:
        with served(Path(os.environ["HARNESS_DB"]).resolve()) as address:
            yield address
        return
    database = tmp_path_factory.mktemp("walk") / "results.db"
    files = [str(_SUBMISSIONS / f"{name}.yaml") for name in ("bm25", "static", "random")]
    command = [sys.executable, "-m", "harness.cli", "eval", *files, "--task", _TASK, "--db", str(database)]
    subprocess.run(command, check=True, cwd=database.parent, capture_output=True)
    with served(database) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def test_from_the_answer_to_the_evidence_to_a_file_and_back(address: str, browser: Any, tmp_path: Path) -> None:
    tab = tab_of(browser)
    tab.goto(f"{address}/?over={_TASK}")
    tab.get_by_text("Best within the limits").wait_for()
    tab.get_by_text("Against the next").wait_for()
    _picture(tab, "frontier")
    tab.get_by_label("At most, ms an example").fill("0.0001")
    tab.get_by_label("At most, ms an example").press("Enter")
    tab.get_by_text("Nothing is within these limits").wait_for()
    assert "ms=0.0001" in tab.url

    tab.get_by_role("link", name="Tasks").click()
    tab.get_by_text("against cost").wait_for()
    _picture(tab, "board")
    tab.get_by_role("button", name="Filters").click()
    tab.get_by_label("Words in name, kind, settings or marks").fill("bm25")
    tab.keyboard.press("Enter")
    tab.get_by_text("runs pass the filters").wait_for()
    tab.keyboard.press("Escape")
    for button, file in (("Download CSV", "board.csv"), ("LaTeX", "board.tex"), ("JSON", "board.json")):
        with tab.expect_download() as saved:
            tab.get_by_role("button", name=button).click()
        assert saved.value.suggested_filename == file
        saved.value.save_as(tmp_path / file)
    with tab.expect_download() as saved:
        # Shown where the mouse is over the chart, which may take the click for itself.
        tab.get_by_role("button", name="Download as PNG").first.dispatch_event("click")
    saved.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((tmp_path / "board.json").read_text())
    assert rows and all("bm25" in json.dumps(row).casefold() for row in rows)

    tick_row(tab.get_by_test_id("stDataFrame").first, 0)
    tab.get_by_text("How this number was made").wait_for()
    _check_rules(tab)
    _picture(tab, "run")
    run = tab.url
    tick_row(tab.locator(".st-key-examples"), 0)
    tab.get_by_role("heading", name=re.compile("^Example .")).wait_for()
    _picture(tab, "example")

    fresh = tab_of(browser)
    fresh.goto(tab.url)
    fresh.get_by_role("heading", name=re.compile("^Example .")).wait_for()
    assert fresh.url == tab.url != run
    fresh.close()

    tab.goto(f"{address}/board?task={_TASK}")
    tab.get_by_role("link", name="Compare runs").click()
    tab.get_by_text("Why they may differ").wait_for()
    tab.get_by_text("score differently").wait_for()
    assert tab.get_by_label("Task").input_value() == _TASK
    _check_rules(tab)
    _picture(tab, "compare")
    assert tab.get_by_test_id("stException").count() == 0
    tab.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_keeps_the_rules_of_accessibility(address: str, browser: Any, theme: str) -> None:
    tab = tab_of(browser, theme=theme)
    for path, said in _PAGES.items():
        tab.goto(f"{address}{path}")
        tab.get_by_text(said).first.wait_for()
        _check_rules(tab)
    tab.close()


def test_every_page_fits_a_phone(address: str, browser: Any) -> None:
    tab = tab_of(browser, width=390)
    for path, said in _PAGES.items():
        tab.goto(f"{address}{path}")
        tab.get_by_text(said).first.wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, path
    tab.close()


def _check_rules(tab: Any) -> None:
    """No serious or critical violation in the page's content; the frame around it is Streamlit's own."""
    from axe_playwright_python.sync_playwright import Axe

    _settle(tab)
    found = Axe().run(tab, context="[data-testid='stMain']").response["violations"]
    severe = [
        (rule["id"], node["html"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert not severe, (tab.url, severe)


def _settle(tab: Any) -> None:
    """Wait until the script has run: axe must see the whole page."""
    tab.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()


def _picture(tab: Any, name: str) -> None:
    if _PICTURES:
        _settle(tab)
        tab.wait_for_timeout(2000)
        tab.screenshot(path=Path(_PICTURES) / f"{name}.png")
