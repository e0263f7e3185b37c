"""Replies on disk, so that no request is paid for twice: not after a crash, nor by a second run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from harness.durable import written_whole
from harness.endpoint.replies import Reply


class ResponseCache:
    """Keyed by the endpoint and the whole body of the request: model, prompt and images, budget, temperature, seed.

    Only answers are kept, never an error, and never a key.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder / "responses", url

    def find(self, body: Mapping[str, Any]) -> Reply | None:
        """The reply to this request, if there was one; what cannot be read is as good as none."""
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(self._path(body).read_bytes(), type=Reply)
        return None

    def keep(self, body: Mapping[str, Any], reply: Reply) -> None:
        """Write the reply, whole or not at all."""
        path = self._path(body)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(reply))

    def _path(self, body: Mapping[str, Any]) -> Path:
        whole = msgspec.json.encode({"version": 1, "url": self._url, "body": body}, order="sorted")
        name = hashlib.sha256(whole).hexdigest()
        return self._folder / name[:2] / f"{name}.json"
