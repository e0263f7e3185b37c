"""What is wrong with a submission file, all of it at once, a line each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.config import ModelConfig, ModelKind
from harness.errors import InputError, SubmissionError, nearest
from harness.models.pipeline import Pipeline, PlanError, StageSpec, plan
from harness.registry import model_kind, model_kind_names
from harness.yamlfile import KeyPath, YamlFile, describe

_Checked = TypeVar("_Checked", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "indented keys and values below it",
}


@dataclass(frozen=True)
class Part:
    """`model`, or one of `stages`, found valid."""

    at: KeyPath
    name: str
    """Of the kind."""
    kind: ModelKind
    config: ModelConfig
    """Settings, an instance of the kind's own class; paths are resolved beside the file."""
    settings: Mapping[str, Any]
    """The same as plain JSON values, defaults filled in, text (and so paths) as written."""


class Check:
    """Collects everything wrong with a file, each with its line."""

    def __init__(self, path: Path, file: YamlFile) -> None:
        self.path, self.file = path, file
        self._found: list[tuple[int, str]] = []

    def validate(self, schema: type[_Checked], data: Mapping[str, Any], at: KeyPath = ()) -> _Checked | None:
        """The data as an instance of its class. Strict JSON rules: no number from text, no text from a number."""
        context = {"folder": self.path.absolute().parent}
        try:
            return schema.model_validate_json(json.dumps(data), strict=True, context=context)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._explain(detail, schema, at)
            return None

    def parts(self) -> list[Part]:
        """What `model` or `stages` names, valid; all if nothing is wrong with the file."""
        data = self.file.data
        if "model" in data and "stages" in data:
            self.add(("stages",), "the file has a `model` too", "keep one of the two")
        elif "stages" in data:
            stages = data["stages"] if isinstance(data["stages"], list) else []
            parts = [self._part(("stages", number), stage) for number, stage in enumerate(stages)]
            found = [part for part in parts if part]
            if len(found) == len(parts):
                self._plan(found)
            return found
        elif "model" not in data:
            self.add(("model",), "missing", "")
        elif part := self._part(("model",), data["model"]):
            self._check_alone(part)
            return [part]
        return []

    def artifacts(self, part: Part) -> dict[str, str]:
        """Digests of the part's files. Raises `SubmissionError` for a missing one, in the line that names it."""
        try:
            return part.config.artifacts()
        except InputError as error:
            self.add((*part.at, *getattr(error, "field", ())), error.message, error.hint)
            raise self.error() from error

    @property
    def found(self) -> bool:
        """Whether anything is wrong."""
        return bool(self._found)

    def error(self) -> SubmissionError:
        """A line for each thing wrong, in the order of the file."""
        return SubmissionError("\n".join(f"{self.path}:{line}: {what}" for line, what in sorted(self._found)))

    def _part(self, at: KeyPath, section: Any) -> Part | None:
        if not isinstance(section, dict):
            return None  # which the fields' own types have told of
        kind = self._kind(at, section)
        if kind and section["kind"] == Pipeline.kind:
            why = f"`{Pipeline.kind}` is not written as a kind"
            self.add((*at, "kind"), why, "list the stages under `stages:`, in place of `model:`")
            return None
        settings = {key: value for key, value in section.items() if key != "kind"}
        config = self.validate(kind.Config, settings, at=at) if kind else None
        if kind is None or config is None:
            return None
        return Part(at, section["kind"], kind, config, _as_written(config.model_dump(mode="json"), settings))

    def _kind(self, at: KeyPath, section: Mapping[str, Any]) -> ModelKind | None:
        kind = section.get("kind")
        if isinstance(kind, str):
            try:
                return model_kind(kind)
            except InputError as error:
                self.add((*at, "kind"), error.message, error.hint)
        else:
            what = "missing" if "kind" not in section else f"expected a name, found {describe(kind)}"
            self.add((*at, "kind"), what, f"one of {', '.join(model_kind_names())}")
        return None

    def _plan(self, parts: Sequence[Part]) -> None:
        try:
            plan([StageSpec(part.name, part.kind, part.config) for part in parts])
        except PlanError as error:
            self.add(parts[error.stage].at, str(error), "")

    def _check_alone(self, part: Part) -> None:
        if hasattr(part.kind, "takes"):
            why = f"`{part.name}` reworks rankings"
            self.add((*part.at, "kind"), why, "put it into `stages:`, below what makes them")
        elif "first" in part.config.model_fields_set:
            self.add((*part.at, "first"), "there is no stage above", "it belongs into `stages:`")

    def _explain(self, detail: ErrorDetails, schema: type[BaseModel], at: KeyPath) -> None:
        location = (*at, *detail["loc"])
        # Pydantic adds to it, such as the branch of a union.
        known = self.file.nearest(location)
        if detail["type"] == "missing":
            self.add((*known, location[-1]), "missing", "")
        elif detail["type"] == "extra_forbidden":
            self.add(known, "unknown key", _nearest_key(str(location[-1]), schema, nested=len(detail["loc"]) > 1))
        else:
            self.add(known, _expectation(detail), _advice(detail))

    def add(self, field: KeyPath, what: str, hint: str) -> None:
        """Something wrong, with the line of the field."""
        where = f"{_dotted(field)}: " if field else ""
        hint = hint.replace("Did", "did", 1) if hint.startswith("Did you mean") else hint
        self._found.append((self.file.lines[self.file.nearest(field)], f"{where}{what}{'; ' if hint else ''}{hint}"))


def _dotted(field: KeyPath) -> str:
    return ".".join(str(part) if re.fullmatch(r"[\w-]+", str(part)) else describe(part) for part in field)


def _expectation(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    expected = re.sub("^Input should be (?=greater|less)", "expected a value ", message)
    expected = re.sub("^Input should be", "expected", expected)
    expected = re.sub(r"^List should have at least 1 item\b.*", "expected at least one item", expected)
    expected = re.sub(r"^List should have at most (\d+) items\b.*", r"expected at most \1 items", expected)
    if detail["type"] in _EXPECTED:
        expected = f"expected {_EXPECTED[detail['type']]}"
    return f"{expected}, found {describe(detail['input'])}"


def _advice(detail: ErrorDetails) -> str:
    expected, found = detail["type"], detail["input"]
    if expected == "string_type" and isinstance(found, int | float):
        return "put it in quotes"
    return "write it without quotes" if isinstance(found, str) and _is_number(found, expected) else ""


def _is_number(text: str, expected: str) -> bool:
    readers = {"int_type": int, "float_type": float}
    try:
        return expected in readers and isfinite(readers[expected](text))
    except ValueError:
        return False


def _nearest_key(key: str, schema: type[BaseModel], nested: bool) -> str:
    whole = schema.model_json_schema()
    places = whole.get("$defs", {}).values() if nested else [whole]
    known = sorted({name for place in places for name in place.get("properties", {})})
    near = nearest(key, known)
    return f"did you mean {near!r}?" if near else f"known keys: {', '.join(known)}"


def _as_written(value: Any, written: Any) -> Any:
    """Settings with their defaults and types from validation, but text as the file has it: it may be a path."""
    if isinstance(value, dict) and isinstance(written, dict):
        return {key: _as_written(item, written.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        return [_as_written(item, original) for item, original in zip(value, written, strict=True)]
    return written if isinstance(written, str) else value
