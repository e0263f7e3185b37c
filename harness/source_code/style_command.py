"""`harness code-style`: how alike in style the two codes of each pair in a file are, by both definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from harness.errors import DataError
from harness.metrics.code_style import CodeStyle, Definition, Style
from harness.records import read_jsonl
from harness.source_code.parsing import parse
from harness.terminal import print_json, print_table

_PARTS = ("similarity", "variables", "calls", "tree")


class StylePair(msgspec.Struct, frozen=True):
    """A line of the file: a code, and the other one that it is held against."""

    code: str
    other: str
    id: int | str | None = None
    """Its name in the answer; its place in the file where there is none."""


def run(file: Path, *, language: str, each: bool, as_json: bool) -> None:
    """Print the means over all pairs, or the similarity of each. Raises `DataError` for a file without pairs."""
    pairs = list(read_jsonl(file, StylePair))
    if not pairs:
        raise DataError(f"{file} holds no pairs", hint='A line for each pair: {"code": "…", "other": "…"}.')
    codes = [(pair.code, pair.other) for pair in pairs]
    definitions: tuple[Definition, ...] = get_args(Definition)
    styles = {definition: CodeStyle(codes, language, definition).styles() for definition in definitions}
    broken = sum(parse(code, language).is_broken for pair in codes for code in pair)
    means = {definition: _means(its) for definition, its in styles.items()}
    rows = [
        {"id": place if pair.id is None else pair.id, **{name: its[place].similarity for name, its in styles.items()}}
        for place, pair in enumerate(pairs)
    ]
    if as_json:
        print_json({"language": language, "pairs": len(pairs), "broken_codes": broken, **means, "each": rows})
        return
    if each:
        print_table(["pair", *styles], [[str(row["id"]), *(row[name] for name in styles)] for row in rows])
    print_table(["CSSim by", *_PARTS], [[name, *its.values()] for name, its in means.items()], whole=["CSSim by"])
    said = f"; {broken:,} codes do not parse whole and are compared as far as they do" if broken else ""
    print(f"Means over {len(pairs):,} pairs of {language}{said}.")


def _means(styles: Sequence[Style]) -> dict[str, float | None]:
    """Of the similarity and of its parts, each over the pairs that have it."""
    found: dict[str, float | None] = {}
    for part in _PARTS:
        values: list[Any] = [getattr(style, part) for style in styles]
        known = [value for value in values if value is not None]
        found[part] = sum(known) / len(known) if known else None
    return found
