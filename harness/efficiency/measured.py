"""Measured times as rows of CSV tables, published or a user's own, and the phases that each of them timed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from harness.efficiency import search_work
from harness.efficiency.counts import Placed
from harness.efficiency.gpt_shapes import Shape, decode, encode, prefill
from harness.efficiency.hardware import hardware
from harness.errors import InputError, nearest

if TYPE_CHECKING:
    from harness.efficiency.stacks import StackForm

_PUBLISHED_ON = "A100-80GB-SXM"
_MOST_BYTES = 16 * 2**20
_HINT = "docs/efficiency.md lists the columns."


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    source: str
    hardware: str = _PUBLISHED_ON
    repeats: int = 1
    """How often it was measured; the seconds are the least."""
    spread: float = 1.0
    """The slowest repeat over the fastest."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise ValueError(f"{name} is {value}, but has to be a number that is not negative")
        if not self.seconds:
            raise ValueError("seconds is 0: nothing takes no time")


class ModelRow(_Row, frozen=True, kw_only=True):
    """A time of a model. A prefill makes the first token; a decode step is one further token at a context."""

    quantity: Literal["prefill", "decode_step", "request", "encode"]
    model: str
    accelerators: int = 1
    batch: int
    prompt_tokens: int
    """The context, for a decode step."""
    output_tokens: int = 1
    dtype: str = "float16"
    architecture: str | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    ffn: int | None = None
    vocabulary: int | None = None
    qkv: Literal["joint", "separate"] | None = None
    attention: Literal["fused", "eager"] | None = None
    """None for the stack's."""

    def phases(self, stack: StackForm) -> Iterator[tuple[Placed, int]]:
        """What was timed, and how often each phase ran; the decode steps of a request at their mean context."""
        shape = self.shape(stack.attention)
        reduced = self.batch * shape.hidden * shape.element_bytes
        if self.quantity == "encode":
            found = encode(shape, self.batch, self.prompt_tokens)
            yield Placed(found, self.accelerators, float(reduced * self.prompt_tokens)), 1
            return
        if self.quantity != "decode_step":
            prompt = prefill(shape, self.batch, self.prompt_tokens, logits_of_all_tokens=stack.logits_of_all_tokens)
            yield Placed(prompt, self.accelerators, float(reduced * self.prompt_tokens)), 1
        steps = 1 if self.quantity == "decode_step" else self.output_tokens - 1
        if steps:
            context = self.prompt_tokens + (self.output_tokens / 2 if self.quantity == "request" else 0)
            yield Placed(decode(shape, self.batch, context), self.accelerators, float(reduced)), steps

    def shape(self, attention: Literal["fused", "eager"] = "fused") -> Shape:
        """The sizes of the model: the row's own, else those published. Raises `InputError` if one is missing."""
        known: dict[str, Any] = {"attention": attention, **shapes().get(self.model, {})}
        known |= {field: value for field in Shape.__struct_fields__ if (value := getattr(self, field)) is not None}
        try:
            return msgspec.convert(known, Shape, strict=False)
        except msgspec.ValidationError as error:
            raise InputError(
                f"the sizes of {self.model!r} are not known: {_sentence(error)}",
                hint="Add the columns architecture, layers, hidden, heads, kv_heads, ffn and vocabulary.",
            ) from error


class SearchRow(_Row, frozen=True, kw_only=True):
    """A time of one query, on average over several, on a corpus: BM25 postings, or a scan of all vectors."""

    quantity: Literal["postings", "flat_scan"]
    corpus: str
    documents: int
    depth: int
    queries: str = ""
    """Which, in words."""
    terms: float = 0.0
    postings: float = 0.0
    scored: float = 0.0
    dimensions: int = 0

    def phases(self, stack: StackForm) -> Iterator[tuple[Placed, int]]:
        """What was timed."""
        if self.quantity == "flat_scan":
            yield Placed(search_work.flat_scan(self.documents, self.dimensions, depth=self.depth)), 1
            return
        yield (
            Placed(
                search_work.inverted_index_search(self.documents, self.depth, self.terms, self.postings, self.scored)
            ),
            1,
        )


MeasuredRow: TypeAlias = ModelRow | SearchRow
Rows: TypeAlias = tuple[MeasuredRow, ...]


@dataclass(frozen=True)
class Line:
    """A row, and where it stands."""

    row: MeasuredRow
    where: str
    """File and line."""


@cache
def measured_rows(table: str) -> Rows:
    """The rows of a table that ships, such as `megatron-2022`."""
    return tuple(line.row for line in _lines(_shipped(table), table))


def read_lines(path: Path) -> tuple[Line, ...]:
    """A user's own table. Raises `InputError` naming file and line for one that cannot be used."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than {_MOST_BYTES >> 20} MiB", hint="It should be a few hundred rows.")
        lines = tuple(_lines(path.read_text(encoding="utf-8-sig"), str(path)))
    except OSError as error:
        raise InputError(f"cannot read the measurements in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8", hint="Save it as CSV in UTF-8.") from error
    if not lines:
        raise InputError(f"{path} has no measurements", hint=_HINT)
    return lines


@cache
def shapes() -> dict[str, dict[str, str]]:
    """Sizes of the published models by name."""
    rows = csv.DictReader(_shipped("models").splitlines())
    return {row["model"]: {k: v for k, v in row.items() if k != "model" and v} for row in rows}


def _shipped(table: str) -> str:
    return (resources.files("harness.efficiency") / "measurements" / f"{table}.csv").read_text(encoding="utf-8")


def _lines(text: str, file: str) -> Iterator[Line]:
    reader = csv.DictReader(text.splitlines(), restkey="", strict=True)
    try:
        kind = _kind(reader.fieldnames or [], file)
        for cells in reader:
            where = f"{file}:{reader.line_num}"
            yield Line(_row(cells, kind, where), where)
    except csv.Error as error:
        raise InputError(f"{file}:{reader.reader.line_num}: not CSV: {error}", hint=_HINT) from error


def _kind(header: Sequence[str], file: str) -> type[MeasuredRow]:
    """What the rows are, by the names of the columns. Raises `InputError` for a name that is none."""
    kind: type[MeasuredRow] = SearchRow if "corpus" in header else ModelRow
    for column in header:
        if column not in kind.__struct_fields__:
            near = nearest(column, kind.__struct_fields__)
            hint = f"Did you mean {near!r}?" if near else _HINT
            raise InputError(f"{file}:1: there is no column {column!r}", hint=hint)
    return kind


def _row(cells: dict[str, Any], kind: type[MeasuredRow], where: str) -> MeasuredRow:
    if "" in cells or None in cells.values():
        raise InputError(f"{where}: it has not as many cells as the first line has names", hint=_HINT)
    try:
        row = msgspec.convert({name: cell for name, cell in cells.items() if cell != ""}, kind, strict=False)
        if isinstance(row, ModelRow):
            _profile(row.hardware).peak(row.dtype)
            row.shape()
        return row
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_sentence(error)}", hint=_HINT) from error
    except InputError as error:
        raise InputError(f"{where}: {error.message}", hint=error.hint) from error


def _sentence(error: msgspec.ValidationError) -> str:
    """`Expected `float`, got `str` - at `$.seconds`` with the column first."""
    message, _, column = str(error).partition(" - at `$.")
    return f"{column.rstrip('`')}: {message[0].lower()}{message[1:]}" if column else str(error)


_profile = cache(hardware)
