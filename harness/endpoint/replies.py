"""What an endpoint's reply means: an answer, a prompt that is too long, a mistake of ours, or nothing yet."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.errors import InputError
from harness.plain import brief

_OVER_LIMIT = re.compile(
    r"context[_ -](length|window|size)|maximum context|exceed\w* (the |this )?(available |model'?s? )?context"
    r"|prompt is too long|too many tokens|input is too long",
    re.IGNORECASE,
)
_TRANSIENT = frozenset({408, 409, 425, 429})
_MOST_BYTES_PER_TOKEN = 12
"""Of text, on average over a prompt: an endpoint that counted fewer tokens did not read all of it."""
_LONG_PROMPT = 2_000


class Reply(msgspec.Struct, frozen=True):
    """An answer as it is kept: nothing of it says whose key was used."""

    text: str
    finish: str
    model: str
    fingerprint: str
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    seconds: float
    attempts: int


class Transient(Exception):
    """No answer yet; asking again may help."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds
        """As the endpoint asks, where it does."""


class OverLimit(Exception):
    """The prompt is longer than the model's context."""


class Refused(Exception):
    """The endpoint's filter, or the model, declined."""


class Rejected(InputError):
    """The endpoint will never answer this: a wrong name, no key, a field that it does not know."""


def check_status(status: int, headers: Mapping[str, str], body: bytes, *, key_name: str) -> None:
    """Pass a reply that holds an answer. Raises `Transient`, `OverLimit` or `Rejected` for any other."""
    if status == 200:
        return
    said = error_text(body)
    if status in _TRANSIENT or status >= 500:
        raise Transient(f"status {status}{said and f': {said}'}", retry_after(headers.get("retry-after")))
    if _OVER_LIMIT.search(said) or status == 413:
        raise OverLimit(said)
    hint = {
        401: f"Put the key into the environment variable {key_name}.",
        403: f"Put a key that may use this model into the environment variable {key_name}.",
        404: "Check base_url (it ends in /v1 as a rule) and the name of the model.",
    }.get(status, "Check the settings of the submission; extra fields go into the request as they are.")
    raise Rejected(f"the endpoint answered with status {status}{said and f': {said}'}", hint=hint)


def error_text(body: bytes) -> str:
    """What an error's body says, in as many words as fit a line."""
    text = body[:10_000].decode("utf-8", "replace")
    try:
        error = json.loads(text)
        error = error.get("error", error) if isinstance(error, dict) else error
        found = error.get("message", error) if isinstance(error, dict) else error
        code = error.get("code") if isinstance(error, dict) else None
        text = f"{found} ({code})" if isinstance(code, str) else str(found)
    except (ValueError, RecursionError):
        pass
    return brief(text.strip())


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def read_reply(body: bytes, *, prompt_bytes: int, seconds: float, attempts: int) -> Reply:
    """The answer of a chat completion. Raises `Transient` for what is none, `Refused`, or `OverLimit`.

    `prompt_bytes` is the length of a prompt that is text alone, else 0: some endpoints cut what is too long, silently.
    """
    try:
        reply: Any = msgspec.json.decode(body)
        choice = reply["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason") or ""
        text, refusal = message.get("content"), message.get("refusal")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Transient(f"a reply that is no JSON: {brief(str(error))}") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Transient(f"a reply without a choice: {error_text(body)}") from error
    if refusal or finish == "content_filter":
        raise Refused(brief(str(refusal or finish)))
    if text is None and finish == "length":
        text = ""  # all of the budget went into thoughts
    if not isinstance(text, str):
        raise Transient("a choice without a text")
    usage = reply.get("usage")
    used = usage if isinstance(usage, dict) else {}
    details = used.get("prompt_tokens_details")
    prompt_tokens = _count(used.get("prompt_tokens"))
    if prompt_tokens and prompt_bytes > max(_LONG_PROMPT, _MOST_BYTES_PER_TOKEN * prompt_tokens):
        raise OverLimit(f"the endpoint read {prompt_tokens:,} tokens of a prompt of {prompt_bytes:,} bytes: it was cut")
    return Reply(
        text=text,
        finish=str(finish),
        model=brief(str(reply.get("model") or "")),
        fingerprint=brief(str(reply.get("system_fingerprint") or "")),
        prompt_tokens=prompt_tokens,
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        output_tokens=_count(used.get("completion_tokens")),
        seconds=seconds,
        attempts=attempts,
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else 0
