"""Profiles that people write: hardware and stacks in YAML files, with errors that name the line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import InputError, nearest
from harness.yamlfile import KeyPath, YamlFile, read_yaml

_Profile = TypeVar("_Profile", bound=BaseModel)


class UnknownProfile(InputError):
    """A hardware profile, software stack or dtype that does not exist; suggests the nearest, or lists all."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = list(known)
        lowered = {known_name.lower(): known_name for known_name in names}
        near = nearest(name.lower(), lowered)
        hint = f"Did you mean {lowered[near]!r}?" if near else f"Known are {', '.join(names)}."
        super().__init__(f"there is no {what} {name!r}", hint=hint)


def read_profile(path: Path, schema: type[_Profile]) -> _Profile:
    """A profile from a file of its own.

    Raises `harness.errors.InputError` naming file, line and field for a file that is missing or breaks the schema.
    """
    return validated(read_yaml(path), path, schema)


def validated(content: YamlFile, path: Path, schema: type[_Profile], *, at: KeyPath = (), **defaults: Any) -> _Profile:
    """The part of a file below the key path `at`, checked against a schema; `defaults` fill what it does not say."""
    data: Any = content.data
    for key in at:
        data = data[key]
    if not isinstance(data, dict):
        raise InputError(
            f"{path}:{content.lines[content.nearest(at)]}: expected keys and values", hint="See docs/efficiency.md."
        )
    try:
        return schema.model_validate({**defaults, **data})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = (*at, *(part for part in first["loc"]))
        line = content.lines[content.nearest(where)]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}:{line}: {field}: {first['msg'].lower()}",
            hint=f"docs/efficiency.md lists the fields of a {schema.__name__.lower()}.",
        ) from error
