"""A prompt as the messages of a chat request; images travel within it, as data URLs."""

from __future__ import annotations

import base64
from typing import Any

from harness.contract import Image, Prompt
from harness.errors import DataError

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def messages(prompt: Prompt) -> list[dict[str, Any]]:
    """The system's message if there is one, and the user's: images first, in their order, then the text."""
    content: Any = prompt.text
    if prompt.images:
        pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in prompt.images]
        content = [*pictures, {"type": "text", "text": prompt.text}]
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": content}]


def data_url(image: Image) -> str:
    """The file as a data URL. Raises `DataError` if it is gone, or of no kind that endpoints read."""
    try:
        data = image.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {image.path}: {error.strerror}") from error
    kind = next((name for begin, name in _SIGNATURES.items() if data.startswith(begin)), None)
    if kind is None:
        raise DataError(f"{image.path} is neither PNG nor JPEG, GIF or WebP")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
