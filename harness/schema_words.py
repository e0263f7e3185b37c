"""What a setting may be, in words for people, from its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

_SIMPLE = {"boolean": "true or false", "integer": "whole number", "number": "number", "null": "nothing"}
_LIMITS = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}


def in_words(schema: Schema, definitions: Schema) -> str:
    """Such as `whole number, 1 to 100`; a value that may be left out is not said to be so.

    `definitions` are the `$defs` that its references lead to.
    """
    if "$ref" in schema:
        return in_words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "const" in schema or "enum" in schema:
        return _either([str(value) for value in schema.get("enum", [schema.get("const")])])
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        return _either([in_words(variant, definitions) for variant in variants if variant.get("type") != "null"])
    match schema.get("type"):
        case "string":
            return "path" if schema.get("format", "").endswith("path") else "text"
        case "array":
            return f"list of {in_words(schema.get('items', {}), definitions)}"
        case "object":
            return _mapping(schema, definitions)
        case str(simple) if simple in _SIMPLE:
            return ", ".join([_SIMPLE[simple], *_limits(schema)])
    return "any value"


def _mapping(schema: Schema, definitions: Schema) -> str:
    if "properties" in schema:
        return f"settings {', '.join(schema['properties'])}"
    names = in_words(schema["propertyNames"], definitions) if "propertyNames" in schema else "names"
    values = schema.get("additionalProperties")
    return f"{names}, each with {in_words(values if isinstance(values, Mapping) else {}, definitions)}"


def _limits(schema: Schema) -> list[str]:
    if "minimum" in schema and "maximum" in schema:
        return [f"{schema['minimum']:,} to {schema['maximum']:,}"]
    return [f"{word} {schema[name]:,}" for name, word in _LIMITS.items() if name in schema]


def _either(words: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return " or ".join([*([", ".join(distinct[:-1])] if len(distinct) > 1 else []), distinct[-1]]) or "text"
