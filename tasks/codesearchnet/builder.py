"""Pairs of documentation and code out of Python sources, by the rules that CodeSearchNet's own extraction has.

Kept is a function or method, nested ones too, that has a docstring, but for (Husain et al. 2019, section 2, and
`parse_python_data.py`): names like `__add__`, and any with `test` in it; code of at most two lines; a first
paragraph of at most two words; code or documentation that another pair has already. Folders of tests are passed
over. Near duplicates, which the original finds by token overlap, stay. English is taken for what is ASCII in the
first paragraph.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LONGEST_CODE = 12_000
_TOKEN = re.compile(r"\w+|[^\w\s]")
_DUNDER = re.compile(r"__.+__")
_LEAST_LINES, _LEAST_WORDS = 3, 3
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements hold statements; a lambda's body is an expression."""
_TESTS = frozenset({"test", "tests"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Pair:
    """A record in CodeSearchNet's format."""

    repo: str
    path: str
    func_name: str
    original_string: str
    language: str
    code: str
    docstring: str
    docstring_tokens: list[str]
    sha: str
    url: str
    partition: str = "test"


@dataclass
class Skipped:
    """Files that could not be used, and the first of each fault."""

    unreadable: int = 0
    first: str = ""

    def add(self, path: Path, error: Exception) -> None:
        self.unreadable += 1
        self.first = self.first or f"{path}: {error}"


def pairs(root: Path, repo: str, files: Iterable[Path] | None = None, skipped: Skipped | None = None) -> Iterator[Pair]:
    """Every pair of the Python files below `root`, in the order of their paths; repeats are left in.

    A file that is not UTF-8 or does not parse is counted in `skipped` and passed over.
    """
    for path in sources(root) if files is None else files:
        try:
            source = path.read_bytes()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                tree = ast.parse(source)
            text = source.decode("utf-8-sig")
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            if skipped is not None:
                skipped.add(path, error)
            continue
        sha = hashlib.sha256(source).hexdigest()[:16]
        yield from _of_file(tree, text, repo, path.relative_to(root).as_posix(), sha)


def sources(root: Path) -> list[Path]:
    """The Python files below a folder that are not in a folder of tests."""
    return sorted(path for path in root.rglob("*.py") if not _TESTS & set(path.relative_to(root).parts[:-1]))


def distinct(found: Iterable[Pair]) -> list[Pair]:
    """Pairs whose code and documentation no earlier one has."""
    codes: set[str] = set()
    docs: set[str] = set()
    kept = []
    for pair in found:
        code, documentation = " ".join(pair.code.split()), " ".join(pair.docstring_tokens).lower()
        if code not in codes and documentation not in docs and len(pair.code) < LONGEST_CODE:
            kept.append(pair)
        codes.add(code)
        docs.add(documentation)
    return kept


def as_record(pair: Pair) -> dict[str, object]:
    """What is written as a line of JSON."""
    return asdict(pair)


def _of_file(tree: ast.Module, text: str, repo: str, path: str, sha: str) -> Iterator[Pair]:
    lines = text.splitlines(keepends=True)
    for name, node in _functions(tree, ""):
        documentation = ast.get_docstring(node) or ""
        if not _is_wanted(name, node, documentation):
            continue
        first = min((each.lineno for each in node.decorator_list), default=node.lineno)
        last = node.end_lineno or node.lineno
        code = "".join(lines[node.lineno - 1 : last]).rstrip("\n")
        yield Pair(
            repo=repo,
            path=f"{repo}/{path}",
            func_name=name,
            original_string="".join(lines[first - 1 : last]).rstrip("\n"),
            language="python",
            code=code,
            docstring=documentation,
            docstring_tokens=_TOKEN.findall(documentation.split("\n\n")[0]),
            sha=sha,
            url=f"{repo}/{path}#L{first}-L{last}",
        )


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, _Function]]:
    for block in _BLOCKS:
        for child in _listed(getattr(node, block, ())):
            if isinstance(child, _Function):
                yield f"{prefix}{child.name}", child
                yield from _functions(child, f"{prefix}{child.name}.")
            elif not isinstance(child, ast.expr):
                yield from _functions(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix)


def _listed(statements: Any) -> list[ast.AST]:
    return statements if isinstance(statements, list) else []


def _is_wanted(name: str, node: _Function, documentation: str) -> bool:
    own = name.rpartition(".")[2]
    if not documentation or _DUNDER.fullmatch(own) or "test" in own.lower():
        return False
    summary = documentation.split("\n\n")[0]
    if not summary.isascii() or len(summary.split()) < _LEAST_WORDS:
        return False
    return (node.end_lineno or node.lineno) - node.lineno + 1 >= _LEAST_LINES
