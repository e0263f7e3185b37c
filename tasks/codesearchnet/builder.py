"""Pairs of documentation and code out of Python sources, by the rules that CodeSearchNet's own extraction has.

Kept is a function or method, nested ones too, that has a docstring and does something, but for (Husain et al. 2019,
section 2; `parse_python_data.py` and `dedup_split.py` of its repository): names like `__add__`, and any with `test` in
it; code of at most two lines; a first paragraph of fewer than three tokens; code (without its docstring) or
documentation that another pair has already; fewer than ten identifiers; near duplicates. Files with `test` in their
path are passed over. English is taken for what is ASCII in the first paragraph.

`python -m tasks.codesearchnet.builder FOLDER… > pairs.jsonl` makes a set of your own; a folder is a package.
"""

from __future__ import annotations

import ast
import hashlib
import keyword
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tasks.codesearchnet.near_duplicates import originals

LONGEST_CODE = 12_000
_TOKEN = re.compile(r"\w+|[^\w\s]")
_STRING = (
    r"""[bBfFrRuU]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
)
_CODE_TOKEN = re.compile(rf"#[^\n]*|{_STRING}|\d[\w.]*|\w+|[-+*/%&|^@:=!<>]=|\*\*|//|->|<<|>>|[^\w\s]", re.DOTALL)
_DUNDER = re.compile(r"__.+__")
_LEAST_LINES, _LEAST_TOKENS, _LEAST_NAMES = 3, 3, 10
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements hold statements; a lambda's body is an expression."""
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
    code_tokens: list[str]
    """Without the docstring, and without comments."""
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
    """The Python files below a folder that are no tests, nor help with tests."""
    return sorted(path for path in root.rglob("*.py") if "test" not in path.relative_to(root).as_posix().lower())


def distinct(found: Iterable[Pair]) -> list[Pair]:
    """Pairs whose tokens of code and of documentation no earlier one has."""
    codes: set[str] = set()
    docs: set[str] = set()
    kept = []
    for pair in found:
        code, documentation = " ".join(pair.code_tokens), " ".join(pair.docstring_tokens).lower()
        if code not in codes and documentation not in docs and len(pair.code) < LONGEST_CODE:
            kept.append(pair)
        codes.add(code)
        docs.add(documentation)
    return kept


def without_near_duplicates(found: Sequence[Pair]) -> list[Pair]:
    """Pairs of at least ten identifiers, and of those that are nearly the same the first."""
    bags = [Counter(filter(_is_name, pair.code_tokens)) for pair in found]
    long = [place for place, bag in enumerate(bags) if bag.total() >= _LEAST_NAMES]
    return [found[long[place]] for place in originals([bags[place] for place in long])]


def _of_file(tree: ast.Module, text: str, repo: str, path: str, sha: str) -> Iterator[Pair]:
    # As bytes, for characters such as a form feed end no line of Python's.
    lines = [line.decode() for line in text.encode().splitlines(keepends=True)]
    for name, node in _functions(tree, ""):
        documentation = ast.get_docstring(node) or ""
        if not _is_wanted(name, node, documentation):
            continue
        stated = node.body[0]
        bare = lines[node.lineno - 1 : stated.lineno - 1] + lines[stated.end_lineno or stated.lineno : node.end_lineno]
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
            code_tokens=[token for token in _CODE_TOKEN.findall("".join(bare)) if not token.startswith("#")],
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
    if len(node.body) < 2 or not documentation or _DUNDER.fullmatch(own) or "test" in own.lower():
        return False
    summary = documentation.split("\n\n")[0]
    if not summary.isascii() or len(_TOKEN.findall(summary)) < _LEAST_TOKENS:
        return False
    return (node.end_lineno or node.lineno) - node.lineno + 1 >= _LEAST_LINES


def _is_name(token: str) -> bool:
    return token.isidentifier() and not keyword.iskeyword(token)


def main(folders: Sequence[Path]) -> None:
    """Write the pairs of packages as lines of JSON; what was skipped goes to stderr."""
    skipped = Skipped()
    found = distinct(pair for folder in folders for pair in pairs(folder, folder.resolve().name, skipped=skipped))
    for pair in without_near_duplicates(found):
        sys.stdout.buffer.write(msgspec.json.encode(pair) + b"\n")
    if skipped.unreadable:
        print(f"left out {skipped.unreadable} files that are no Python; the first: {skipped.first}", file=sys.stderr)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
