"""The JSON Schema of submission files, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config import ModelKind
from harness.models.pipeline import Pipeline
from harness.registry import model_kinds
from harness.submission_fields import Fields


def to_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a submission file, with every model kind that loads."""
    schema = Fields.model_json_schema()
    kinds = {name: kind for name, kind in model_kinds().items() if name != Pipeline.kind}
    described = {name: _kind_schema(name, kind) for name, kind in kinds.items()}
    own = schema.pop("$defs", {})
    definitions = own | {key: value for kind in described.values() for key, value in kind.pop("$defs", {}).items()}
    alone = {name: kind for name, kind in described.items() if not hasattr(kinds[name], "takes")}
    schema["properties"]["model"] = schema["properties"]["model"] | _one_of(alone)
    schema["properties"]["stages"]["items"] = {"type": "object"} | _one_of(described)
    schema["oneOf"] = [{"required": ["model"]}, {"required": ["stages"]}]
    for section in ("model", "stages"):
        schema["properties"][section].pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}


def _one_of(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose `kind` decides which settings it has."""
    return {
        "properties": {"kind": {"enum": list(kinds), "description": "What `harness models` lists."}},
        "required": ["kind"],
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": kind}
            for name, kind in kinds.items()
        ],
    }


def _kind_schema(name: str, kind: ModelKind) -> dict[str, Any]:
    schema = kind.Config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    schema["$defs"] = {f"{name}.{key}": value for key, value in schema.get("$defs", {}).items()}
    schema["properties"] = {"kind": {"const": name}, **schema.get("properties", {})}
    schema["description"] = (kind.__doc__ or name).strip().partition("\n")[0]
    return schema
