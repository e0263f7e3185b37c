"""Charts drawn by Mermaid itself in a headless Chromium: what FlowLearn's charts were drawn with.

`mermaid.min.js` is not part of this project: `make mermaid` fetches it with npm, or the variable HARNESS_MERMAID names
the file. The page reaches no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.flowcharts.mermaid import write
from tasks.flowlearn.drawing import Box, Rendered
from tasks.flowlearn.generator import Drawn

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_CHARTS_PER_PAGE = 200
"""A page that has drawn many hundreds dies."""
_TIMEOUT_MS = 30_000
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_DRAW = """async ([id, code, background]) => {
    document.body.style.background = background;
    const { svg } = await mermaid.render(id, code);
    document.body.innerHTML = '<div id="chart" style="display: inline-block; padding: 8px">' + svg + '</div>';
    const drawn = document.querySelector('#chart svg');
    drawn.style.width = drawn.style.maxWidth;  // else as wide as the page
    const origin = document.querySelector('#chart').getBoundingClientRect();
    const boxes = {};
    for (const node of document.querySelectorAll('g.node')) {
        const box = node.querySelector('rect, .label-container').getBoundingClientRect();
        const name = node.dataset.id || node.id.split('flowchart-')[1].replace(/-\\d+$/, '');
        boxes[name] = [box.left - origin.left, box.top - origin.top, box.right - origin.left, box.bottom - origin.top];
    }
    return boxes;
}"""


class Mermaid:
    """Mermaid in Chromium, driven by Playwright."""

    name = "mermaid"

    def missing(self) -> str:
        if not find_spec("playwright"):
            return "Install Playwright: pip install 'equal-footing[vision]'."
        if not _chromium():
            return "Install Chromium (Debian: apt-get install chromium), or name its file in HARNESS_CHROMIUM."
        if not _script().is_file():
            return (
                "Fetch Mermaid with `make mermaid`, or name its mermaid.min.js in HARNESS_MERMAID (npm pack mermaid)."
            )
        return ""

    def version(self) -> str:
        """Chromium's version, and the sha256 of Mermaid's script."""
        import subprocess

        told = subprocess.run([_chromium(), "--version"], capture_output=True, text=True, timeout=60, check=False)
        return f"{told.stdout.strip()}, mermaid {hashlib.sha256(_script().read_bytes()).hexdigest()[:16]}"

    def render(self, charts: Sequence[Drawn], progress: Callable[[int], None]) -> Iterator[Rendered]:
        from playwright.sync_api import Error, sync_playwright

        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=_chromium(), args=list(_FLAGS))
                for first in range(0, len(charts), _CHARTS_PER_PAGE):
                    page = _page(browser)
                    for number, drawn in enumerate(charts[first : first + _CHARTS_PER_PAGE], start=first):
                        yield _rendered(page, drawn)
                        progress(number + 1)
                    page.close()
                browser.close()
        except Error as error:
            raise DataError(
                f"Chromium could not draw a chart: {str(error)[:300]}", hint="Run it again; `chromium --version` works?"
            ) from error


def _page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1600, "height": 1600})
    page.set_default_timeout(_TIMEOUT_MS)
    page.route("**/*", lambda route: route.abort())
    page.set_content("<!doctype html><body style='margin: 0'></body>")
    page.add_script_tag(path=_script())
    page.evaluate("mermaid.initialize({ startOnLoad: false, theme: 'default', securityLevel: 'strict' })")
    return page


def _rendered(page: Page, drawn: Drawn) -> Rendered:
    found = page.evaluate(_DRAW, [f"c{drawn.key}", write(drawn.chart), drawn.background])
    png = page.locator("#chart").screenshot(type="png")
    boxes: dict[str, Box] = {}
    for name, (left, top, right, bottom) in found.items():
        boxes[name] = (round(left), round(top), round(right), round(bottom))
    return Rendered(png, boxes)


def _chromium() -> str:
    named = os.environ.get("HARNESS_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""


def _script() -> Path:
    named = os.environ.get("HARNESS_MERMAID")
    return Path(named) if named else Path(sys.prefix) / "share" / "mermaid" / "mermaid.min.js"
