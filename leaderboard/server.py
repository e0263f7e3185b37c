"""What `harness serve` starts: the pages of app.py, and the same results as JSON below /api/v1.

What the landing page needs is imported, read and worked out at the start, so that the first reader need not wait.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from harness.efficiency import run_prices
from harness.errors import HarnessError
from leaderboard import api, frontier, kept, suite_page
from leaderboard.rows import opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


async def _with_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Streamlit sends none of these; without them another site may show the board inside its own page."""
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


app = st.App(
    Path(__file__).with_name("app.py"),
    routes=api.ROUTES,
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=_with_headers)],
)


def _prepare() -> None:
    """The view that the landing page opens with; what is wrong with the database is for the page to say."""
    try:
        with opened() as database:
            names = [*suite_page.with_results(database), *(t["name"] for t in kept.tasks(database) if t["done"])]
            if names:
                frontier.view(database, names[0], run_prices.reference())
    except HarnessError:
        pass


Thread(target=_prepare, daemon=True).start()
