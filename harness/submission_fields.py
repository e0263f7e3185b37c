"""What a submission file says beside its model: name, description, where to read more, licence."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field

from harness.config import Documented
from harness.errors import InputError
from harness.sweep import Sweep
from harness.yamlfile import describe

# Controls, surrogates, line and paragraph separators, and invisible marks such as those that reverse what follows.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # part of the spelling of some scripts, and of emoji
_LONGEST_NAME = 100
MAX_STAGES = 20


def _shown_text(text: str, allowed: str = "") -> str:
    for character in text:
        if unicodedata.category(character) in _HIDDEN and character not in _JOINERS and character not in allowed:
            raise ValueError(f"character U+{ord(character):04X} cannot be shown")
    return text


def _name(text: str) -> str:
    if text != text.strip():
        raise ValueError("expected no space at the start or the end")
    return _shown_text(text)


def check_name(name: str) -> str:
    """The name, if the leaderboard can show it. Raises `InputError` with the reason."""
    try:
        if not 1 <= len(_name(name)) <= _LONGEST_NAME:
            raise ValueError(f"expected 1 to {_LONGEST_NAME} characters")
    except ValueError as error:
        raise InputError(f"the name {describe(name)} cannot be used: {error}") from error
    return name


def _prose(text: str) -> str:
    return _shown_text(text.strip(), allowed="\n\t")


def _web_address(text: str) -> str:
    parts = urlsplit(_shown_text(text))
    is_address = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", text)
    if text and not is_address:
        raise ValueError("expected a web address that starts with http:// or https://")
    return text


class Fields(Documented):
    """A model for Equal Footing: `harness eval FILE` evaluates it."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Submission")

    name: Annotated[str, AfterValidator(_name)] = Field(min_length=1, max_length=_LONGEST_NAME)
    """Shown on the leaderboard, as text."""
    description: Annotated[str, AfterValidator(_prose)] = Field(default="", max_length=2000)
    """What a reader should know, as text."""
    url: Annotated[str, AfterValidator(_web_address)] = Field(
        default="", max_length=2000, json_schema_extra={"pattern": "^(https?://|$)"}
    )
    """Where to read more: http or https."""
    licence: Annotated[str, AfterValidator(_name)] = Field(default="", max_length=100)
    """Licence of the model, such as Apache-2.0."""
    floor: bool = False
    """True for a model that solves nothing, such as a majority vote: a line on the board, and what gains count from."""
    model: dict[str, Any] = Field(default={})
    """The model: its `kind`, and the settings of that kind."""
    stages: list[dict[str, Any]] = Field(default=[], min_length=1, max_length=MAX_STAGES)
    """In place of `model`: retrievers, and what reworks their rankings, each a `kind` with its settings."""
    sweep: Sweep | None = None
    """Makes the file stand for several submissions: the same model with other values of some fields."""
