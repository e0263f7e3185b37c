"""How much may be under way at an endpoint: tokens in flight, and requests a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Shared by all requests of a run. Tokens are what is limited, for 64 requests of 128k are 8 million."""

    def __init__(self, tokens_in_flight: int, requests_per_minute: float | None) -> None:
        self._most, self._spacing = tokens_in_flight, 60 / requests_per_minute if requests_per_minute else 0.0
        self._in_flight, self._next_start = 0, 0.0
        self._changed = threading.Condition()

    @contextmanager
    def request(self, tokens: int) -> Iterator[None]:
        """Wait until a request of so many tokens may be made; one that is larger than the limit goes alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._in_flight or self._in_flight + tokens <= self._most)
            self._in_flight += tokens
            start = max(time.monotonic(), self._next_start)
            self._next_start = start + self._spacing
        try:
            time.sleep(max(0.0, start - time.monotonic()))
            yield
        finally:
            with self._changed:
                self._in_flight -= tokens
                self._changed.notify_all()
