"""What `harness serve` starts: the pages of app.py, and the same results as JSON below /api/v1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from leaderboard import api

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
