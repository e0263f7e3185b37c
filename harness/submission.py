"""A submission file: a model described in YAML, checked strictly and named by a digest of what it means.

name: bm25                # up to 100 characters, shown as text
description: …            # optional, as are url (http or https) and licence
model:
  kind: bm25              # what `harness models` lists; its settings follow
  k1: 0.9
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.config import Documented, ModelConfig, ModelKind
from harness.contract import Model
from harness.errors import InputError, SubmissionError, nearest
from harness.registry import model_kind, model_kind_names, model_kinds
from harness.yamlfile import KeyPath, YamlFile, describe, read_yaml

_Checked = TypeVar("_Checked", bound=BaseModel)

# Controls, surrogates, line and paragraph separators, and invisible marks such as those that reverse what follows.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # part of the spelling of some scripts, and of emoji

_LONGEST_NAME = 100

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
class Submission:
    """A submission file that was found valid."""

    path: Path
    """The file, absolute."""
    name: str
    description: str
    url: str
    licence: str
    kind: str
    config: ModelConfig
    """Settings, an instance of the kind's own class; paths are resolved beside the file."""
    normalised: Mapping[str, Any]
    """The file as plain JSON values: defaults filled in, text (and so paths) as written."""
    artifacts: Mapping[str, str]
    """Content digests of the files that the model is made of."""
    digest: str
    """sha256 over name, kind, version of the kind, settings and artifacts; nothing else of the file changes it."""
    runs_code: bool
    """True if the model is code that comes with the file."""
    observes_cost: bool
    """False if its answers were made elsewhere, so that their cost is unknown."""

    @property
    def folder(self) -> Path:
        """What paths in the file are relative to."""
        return self.path.parent

    @property
    def config_json(self) -> str:
        """The settings as JSON, paths as written; `config` is this, validated beside the file."""
        return _canonical({key: value for key, value in self.normalised["model"].items() if key != "kind"})

    def model(self, seed: int = 0) -> Model:
        """The model, not yet prepared."""
        return model_kind(self.kind)(self.config, seed)


def load(path: Path) -> Submission:
    """Read and check a submission file, and digest the files that the model is made of.

    Raises `SubmissionError`: for a missing file with the nearest one there is, for broken YAML as `read_yaml` does,
    else with a line "file:line: field: what was wrong; hint" for each thing wrong.
    """
    _check_is_file(path)
    check = _Check(path, read_yaml(path))
    fields = check.validate(_Fields, check.file.data)
    kind = check.kind()
    config = check.validate(kind.Config, check.settings, at=("model",)) if kind else None
    if fields is None or kind is None or config is None:
        raise check.error()
    artifacts = check.artifacts(config)
    name: str = check.section["kind"]
    settings = _as_written(config.model_dump(mode="json"), check.settings)
    identity = {"name": fields.name, "kind": name, "version": kind.version, "config": settings, "artifacts": artifacts}
    return Submission(
        path=path.absolute(),
        **fields.model_dump(exclude={"model"}),
        kind=name,
        config=config,
        normalised={**fields.model_dump(), "model": {"kind": name, **settings}},
        artifacts=artifacts,
        digest=hashlib.sha256(_canonical(identity).encode()).hexdigest(),
        runs_code=kind.runs_code,
        observes_cost=getattr(kind, "observes_cost", True),
    )


def to_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a submission file, with every model kind that loads, for editors."""
    schema = _Fields.model_json_schema()
    kinds = {name: _kind_schema(name, kind) for name, kind in model_kinds().items()}
    definitions = {key: value for kind in kinds.values() for key, value in kind.pop("$defs", {}).items()}
    section = schema["properties"]["model"]
    section |= {
        "properties": {"kind": {"enum": list(kinds), "description": "What `harness models` lists."}},
        "required": ["kind"],
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": kind}
            for name, kind in kinds.items()
        ],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}


def check_name(name: str) -> str:
    """The name, if the leaderboard can show it. Raises `InputError` with the reason."""
    try:
        if not 1 <= len(_name(name)) <= _LONGEST_NAME:
            raise ValueError(f"expected 1 to {_LONGEST_NAME} characters")
    except ValueError as error:
        raise InputError(f"the name {describe(name)} cannot be used: {error}") from error
    return name


def _kind_schema(name: str, kind: ModelKind) -> dict[str, Any]:
    schema = kind.Config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    schema["$defs"] = {f"{name}.{key}": value for key, value in schema.get("$defs", {}).items()}
    schema["properties"] = {"kind": {"const": name}, **schema.get("properties", {})}
    schema["description"] = (kind.__doc__ or name).strip().partition("\n")[0]
    return schema


def _shown_text(text: str, allowed: str = "") -> str:
    for character in text:
        if unicodedata.category(character) in _HIDDEN and character not in _JOINERS and character not in allowed:
            raise ValueError(f"character U+{ord(character):04X} cannot be shown")
    return text


def _name(text: str) -> str:
    if text != text.strip():
        raise ValueError("expected no space at the start or the end")
    return _shown_text(text)


def _prose(text: str) -> str:
    return _shown_text(text.strip(), allowed="\n\t")


def _web_address(text: str) -> str:
    parts = urlsplit(_shown_text(text))
    is_address = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", text)
    if text and not is_address:
        raise ValueError("expected a web address that starts with http:// or https://")
    return text


class _Fields(Documented):
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
    model: dict[str, Any]
    """The model: its `kind`, and the settings of that kind."""


class _Check:
    """Collects everything wrong with a file, each with its line."""

    def __init__(self, path: Path, file: YamlFile) -> None:
        self.path, self.file = path, file
        section = file.data.get("model")
        self.section: dict[str, Any] = section if isinstance(section, dict) else {}
        self.settings = {key: value for key, value in self.section.items() if key != "kind"}
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

    def kind(self) -> ModelKind | None:
        """The class of the model's kind."""
        kind = self.section.get("kind")
        if isinstance(kind, str):
            try:
                return model_kind(kind)
            except InputError as error:
                self._add(("model", "kind"), error.message, error.hint)
        elif self.section or self.file.data.get("model") == {}:
            what = "missing" if "kind" not in self.section else f"expected a name, found {describe(kind)}"
            self._add(("model", "kind"), what, f"one of {', '.join(model_kind_names())}")
        return None

    def artifacts(self, config: ModelConfig) -> dict[str, str]:
        """Digests of the model's files; a missing one is an error in the line of the field that names it, if known."""
        try:
            return config.artifacts()
        except InputError as error:
            self._add(("model", *getattr(error, "field", ())), error.message, error.hint)
            raise self.error() from error

    def error(self) -> SubmissionError:
        """A line for each thing wrong, in the order of the file."""
        return SubmissionError("\n".join(f"{self.path}:{line}: {what}" for line, what in sorted(self._found)))

    def _explain(self, detail: ErrorDetails, schema: type[BaseModel], at: KeyPath) -> None:
        location = (*at, *detail["loc"])
        # Pydantic adds to it, such as the branch of a union.
        known = self.file.nearest(location)
        if detail["type"] == "missing":
            self._add((*known, location[-1]), "missing", "")
        elif detail["type"] == "extra_forbidden":
            self._add(known, "unknown key", _nearest_key(str(location[-1]), schema, nested=len(detail["loc"]) > 1))
        else:
            self._add(known, _expectation(detail), _advice(detail))

    def _add(self, field: KeyPath, what: str, hint: str) -> None:
        where = f"{_dotted(field)}: " if field else ""
        self._found.append((self.file.lines[self.file.nearest(field)], f"{where}{what}{'; ' if hint else ''}{hint}"))


def _dotted(field: KeyPath) -> str:
    return ".".join(str(part) if re.fullmatch(r"[\w-]+", str(part)) else describe(part) for part in field)


def _expectation(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    expected = re.sub("^Input should be (?=greater|less)", "expected a value ", message)
    expected = re.sub("^Input should be", "expected", expected)
    if detail["type"] in _EXPECTED:
        expected = f"expected {_EXPECTED[detail['type']]}"
    return f"{expected}, found {describe(detail['input'])}"


def _advice(detail: ErrorDetails) -> str:
    expected, found = detail["type"], detail["input"]
    if expected == "string_type" and isinstance(found, int | float):
        return "put it in quotes"
    return "write it without quotes" if expected in ("int_type", "float_type") and isinstance(found, str) else ""


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


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _check_is_file(path: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SubmissionError(f"there is no file {path}", hint=_did_you_mean(path)) from error
    except OSError:
        return  # reading it gives the reason
    if is_folder:
        raise SubmissionError(f"{path} is a folder, not a submission file", hint=f"Name its files: {path}/*.yaml")


def _did_you_mean(path: Path) -> str:
    files = {file.name: file for folder in (Path("submissions"), path.parent) for file in folder.glob("*.y*ml")}
    near = nearest(path.name, files)
    return f"Did you mean {files[near]}?" if near else "A submission is a YAML file, such as submissions/bm25.yaml."
