"""What a setting may be is said in words, whatever its kind: ours or a stranger's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue

from harness import registry
from harness.config import LocalPath, ModelConfig
from harness.schema_words import in_words


class Stage(BaseModel):
    depth: int = 100
    model: str = ""


class Config(ModelConfig):
    yes: bool = False
    path: LocalPath | None = None
    file: Path = Path("x")
    whole: Annotated[int, Field(ge=1, le=100_000)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1
    either: int | Literal["auto"] = "auto"
    pooling: Literal["mean", "cls", "last"] = "mean"
    only: Literal["x"] = "x"
    stages: list[Stage]
    options: dict[str, JsonValue]
    weights: dict[Literal["title", "text"], float]
    pair: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yes", "true or false"),
        ("path", "path"),
        ("file", "path"),
        ("whole", "whole number, 1 to 100,000"),
        ("share", "number, above 0, at most 1"),
        ("either", "whole number or auto"),
        ("pooling", "mean, cls or last"),
        ("only", "x"),
        ("stages", "list of settings depth, model"),
        ("options", "names, each with any value"),
        ("weights", "title or text, each with number"),
        ("pair", "list of whole number"),
    ],
)
def test_a_schema_in_words(name: str, words: str) -> None:
    whole = Config.model_json_schema()
    assert in_words(whole["properties"][name], whole["$defs"]) == words


@pytest.mark.parametrize("kind", registry.model_kind_names())
def test_no_setting_that_ships_is_described_in_python(kind: str) -> None:
    whole = registry.model_kind(kind).Config.model_json_schema()
    for name, schema in whole["properties"].items():
        words = in_words(schema, whole.get("$defs", {}))
        assert words != "any value", name
        assert not {"None", "int", "str", "bool", "dict"} & set(words.replace(",", "").split()), name
