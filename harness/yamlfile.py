"""YAML that a stranger wrote: plain data, and the line that each value stands on.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2), which is what editors assume, and not YAML 1.1, PyYAML's
default: `no`, `on` and `2024-01-31` are text, `1e-3` is a number, `017` is seventeen and `1:30` is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml

from harness.errors import SubmissionError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

KeyPath: TypeAlias = tuple[str | int, ...]

_SHOWN_CHARACTERS = 60
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Neither can be written to a terminal, a database or a file name.
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


@dataclass(frozen=True)
class YamlFile:
    """The content of a file, whose top level is a mapping."""

    data: dict[str, Any]
    lines: Mapping[KeyPath, int]
    """Key path to line number (from 1): where the key or list item starts; `()` is the whole file."""

    def nearest(self, path: KeyPath) -> KeyPath:
        """The path of a value, or of the nearest around it if the file does not have it."""
        while path not in self.lines:
            path = path[:-1]
        return path


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML document of at most 256 KiB whose top level is a mapping.

    Raises `SubmissionError` ("file:line:column: what; hint") for a file that cannot be read, is too large or not
    UTF-8, for broken YAML, and for what a submission has no use for: anchors, aliases, merge keys, tags, duplicate
    keys, keys that are not text, several documents, values nested more than 20 deep, numbers that are not finite.
    """
    text = _decoded(path, _read_bounded(path))
    try:
        loader = _PlainLoader(text)
        root = loader.get_single_node()
        lines: dict[KeyPath, int] = {(): 1 if root is None else root.start_mark.line + 1}
        data = None if root is None else _plain(root, (), lines)
    except yaml.reader.ReaderError as error:
        raise _unprintable(path, text, error) from error
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from error
    if not isinstance(data, dict):
        what = f"expected a mapping of keys to values, found {describe(data)}"
        raise _error(path, lines[()], 1, what, "write `key: value`")
    return YamlFile(data, lines)


def describe(value: Any) -> str:
    """A value of a file in words that fit on a line and are safe to print."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}…"


def _read_bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SubmissionError(f"cannot read {path}: {reason}") from error
    if len(raw) > MAX_BYTES:
        limit = f"the limit is {MAX_BYTES // 1024} KiB"
        raise _error(path, 1, 1, f"the file is too large for a submission; {limit}", "name large files by their path")
    return raw


def _decoded(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise _error(path, line, column, what, "save the file as UTF-8") from error


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes and refuses, before it expands them, the features that plain data does not need."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self._next_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse(
                event.start_mark, "anchors and aliases (`&`, `*`) are not allowed", "write the value out, or quote it"
            )
        if getattr(event, "tag", None) is not None:
            _refuse(event.start_mark, f"tags are not allowed, found {event.tag!r}", "write plain values, or quote it")
        self._depth += isinstance(event, yaml.CollectionStartEvent)
        if self._depth > MAX_DEPTH:
            _refuse(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", "flatten it")
        node = super().compose_node(parent, index)
        self._depth -= isinstance(event, yaml.CollectionStartEvent)
        return node

    def _next_event(self) -> Any:
        try:
            return self.peek_event()  # type: ignore[no-untyped-call]
        except (ValueError, OverflowError):
            # PyYAML's scanner passes an escape such as "\UFFFFFFFF" to chr() unchecked.
            _refuse(self.get_mark(), "escape of a character that does not exist", "write the character itself")


def _plain(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    for position, item in enumerate(node.value):
        lines[*path, position] = item.start_mark.line + 1
    return [_plain(item, (*path, position), lines) for position, item in enumerate(node.value)]


def _mapping(node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            _refuse(key_node.start_mark, "expected a key that is text", "quote the key")
        if key == "<<":
            _refuse(key_node.start_mark, "merge keys (`<<`) are not allowed", "write the keys out")
        if key in data:
            _refuse(key_node.start_mark, f"key {key!r} again, first in line {lines[*path, key]}", "keep one of the two")
        lines[*path, key] = key_node.start_mark.line + 1
        data[key] = _plain(value_node, (*path, key), lines)
    return data


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    # JSON, which YAML includes, escapes a character beyond U+FFFF as two halves; PyYAML does not join them.
    text = _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), node.value)
    if unusable := _UNUSABLE.search(text):
        code = f"U+{ord(unusable.group()):04X}"
        _refuse(node.start_mark, f"character {code} is not allowed in text", "write the character itself, unescaped")
    is_plain = node.style is None
    if not is_plain:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) or _PREFIXED_INTEGER.fullmatch(text):
        return _integer(node, text)
    if _FLOAT.fullmatch(text):
        return _finite(node, text)
    return text


def _integer(node: yaml.Node, text: str) -> int:
    # Wide enough for 64 bits; thousands of digits would make int() raise.
    if len(text) > 20:
        _refuse(node.start_mark, "integer of more than 20 characters", "quote it if it is text")
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _finite(node: yaml.Node, text: str) -> float:
    number = math.inf if text[-1].isalpha() else float(text)
    if not math.isfinite(number):
        _refuse(node.start_mark, f"expected a finite number, found {text[:40]}", "quote it if it is text")
    return number


def _refuse(mark: yaml.Mark, what: str, hint: str) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=what, problem_mark=mark, note=hint)


def _broken(path: Path, error: yaml.MarkedYAMLError) -> SubmissionError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = error.problem or "not YAML"
    if error.context and error.context_mark:
        what = f"{error.context} from line {error.context_mark.line + 1}, {what}"
    return _error(path, line, column, what, error.note or _advice(what))


def _advice(what: str) -> str:
    if r"'\t'" in what:
        return "indent with spaces, not tabs"
    if "single document" in what:
        return "one file holds one submission: remove what follows `---`"
    return "check the indentation, and quote text that holds `: `, `#`, quotes or brackets"


def _unprintable(path: Path, text: str, error: yaml.reader.ReaderError) -> SubmissionError:
    before = text[: error.position]
    line, column = before.count("\n") + 1, error.position - before.rfind("\n")
    what = f"character U+{ord(text[error.position]):04X} is not allowed"
    return _error(path, line, column, what, "delete it, or save the file as plain text")


def _error(path: Path, line: int, column: int, what: str, hint: str) -> SubmissionError:
    return SubmissionError(f"{path}:{line}:{column}: {what}; {hint}")
