"""Requests to an OpenAI-compatible endpoint, asked again where that may help; this is the only layer that does."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from harness.endpoint.pace import Pace
from harness.endpoint.replies import Rejected, Reply, Transient, check_status, read_reply
from harness.errors import RunFailed, nearest

if TYPE_CHECKING:
    import httpx2

_T = TypeVar("_T")

_MOST_REPLY_BYTES = 64 << 20
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 60.0
_ANY_MODEL = 500


@dataclass(frozen=True)
class Patience:
    """How long an answer is waited for."""

    timeout_seconds: float
    """Of one attempt, from its first byte to its last."""
    retries: int
    longest_wait_seconds: float
    """An endpoint that asks to wait longer has not answered."""


class NoAnswer(RunFailed):
    """The endpoint did not answer: missing work, and never a wrong answer."""


def key_name(url: str) -> str:
    """The environment variable of an endpoint's key, made of its host, so that no key is ever sent elsewhere.

    `https://api.openai.com/v1` has `HARNESS_KEY_API_OPENAI_COM`.
    """
    return "HARNESS_KEY_" + re.sub(r"[^A-Z0-9]+", "_", (urlsplit(url).hostname or "").upper()).strip("_")


class Endpoint:
    """One endpoint; used by many threads at once."""

    def __init__(self, url: str, patience: Patience, pace: Pace, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url, self.key_name = url.rstrip("/"), key_name(url)
        self._patience, self._pace, self._sleep = patience, pace, sleep
        self._key = os.environ.get(self.key_name, "")
        self._client = self._connected()

    def check(self, model: str) -> None:
        """Raise `Rejected` if the endpoint lists its models and this is none, `NoAnswer` if it is not there."""
        status, body = self._retried(lambda _: self._once("GET", "/models", None))
        if status != 200:
            return  # not every endpoint lists its models
        try:
            known = [str(entry["id"]) for entry in msgspec.json.decode(body)["data"]]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            return
        if known and model not in known and len(known) < _ANY_MODEL and f"{model}:latest" not in known:
            near = nearest(model, known)
            hint = f"Did you mean {near!r}?" if near else f"It has {', '.join(known[:10])}."
            raise Rejected(f"the endpoint has no model {model!r}", hint=hint)

    def chat(self, body: Mapping[str, Any], *, tokens: int, prompt_bytes: int) -> Reply:
        """The answer to a chat completion.

        `tokens` is about what it takes of the endpoint. Raises `OverLimit`, `Refused`, `Rejected`, or `NoAnswer` when
        patience has come to its end.
        """

        def attempt(number: int) -> Reply:
            begun = time.monotonic()
            with self._pace.request(tokens):
                _, content = self._once("POST", "/chat/completions", body)
            seconds = time.monotonic() - begun
            return read_reply(content, prompt_bytes=prompt_bytes, seconds=seconds, attempts=number)

        return self._retried(attempt)

    def _retried(self, attempt: Callable[[int], _T]) -> _T:
        for number in range(1, self._patience.retries + 2):
            try:
                return attempt(number)
            except Transient as error:
                wait = error.wait_seconds
                if wait is None:
                    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**number)
                    wait = random.uniform(longest / 2, longest)
                if number > self._patience.retries or wait > self._patience.longest_wait_seconds:
                    asked = f" and asks to wait {wait:.0f} s" if number <= self._patience.retries else ""
                    raise NoAnswer(
                        f"{self.url} gave no answer in {number} attempts{asked}: {self._without_key(str(error))}",
                        hint="Nothing is lost, and nothing was scored: run the same command again.",
                    ) from None
                self._sleep(wait)
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        import httpx2

        until = time.monotonic() + self._patience.timeout_seconds
        content = bytearray()
        try:
            with self._client.stream(method, self.url + path, json=body) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > _MOST_REPLY_BYTES:
                        raise Transient(f"a reply of over {_MOST_REPLY_BYTES >> 20} MB")
                    if time.monotonic() > until:
                        raise Transient(f"no whole reply in {self._patience.timeout_seconds:g} s")
        except httpx2.TimeoutException as error:
            raise Transient(f"no reply in {self._patience.timeout_seconds:g} s") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Transient(f"{type(error).__name__}: {error}") from error
        try:
            if method == "POST" or response.status_code in (401, 403) or response.status_code >= 500:
                check_status(response.status_code, response.headers, bytes(content), key_name=self.key_name)
        except Rejected as error:
            raise Rejected(self._without_key(error.message), hint=error.hint) from None
        return response.status_code, bytes(content)

    def _connected(self) -> httpx2.Client:
        import httpx2

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        local = (urlsplit(self.url).hostname or "") in ("localhost", "127.0.0.1", "::1")
        return httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(self._patience.timeout_seconds, connect=10.0, pool=None),
            follow_redirects=False,  # the key goes to this host and to no other
            trust_env=not local,
        )

    def _without_key(self, text: str) -> str:
        """Endpoints quote keys in their errors."""
        return text.replace(self._key, "[the key]") if self._key else text
