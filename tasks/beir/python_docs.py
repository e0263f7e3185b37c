"""`beir/python-docs`: known-item search in the docstrings of the running Python's standard library.

A document is the signature and explanation of a function, class or method; its query is the one-sentence
summary that was cut off it. Everything is chosen by hash, so one Python always gives the same bytes.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import platform
import re
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.contract import DataStatus, Document, Places, TaskCard, Workload
from harness.errors import DataError
from tasks.beir.folder import PROTOCOL, load_folder
from tasks.beir.layout import Layout
from tasks.beir.qrels import HEADER

MAX_DOCUMENTS = 1000
MAX_QUERIES = 200

_RECIPE = "1"
"""Changes when the same sources would give other files."""
_MIN_BODY = 60
_QUERY_WORDS = range(4, 26)
# Tests and data; and what some systems ship in packages of its own, so that the task would differ there.
_SKIPPED = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "lib-dynload", "encodings", "ensurepip", "pydoc_data"}
    | {"idlelib", "lib2to3", "distutils", "tkinter", "turtledemo", "turtle.py"}
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class PythonDocs:
    """The embedded retrieval task: no download, made once and kept in the cache."""

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name="beir/python-docs",
            family="beir",
            protocol=PROTOCOL,
            primary_metric="nDCG@10",
            needs=frozenset({"ranking"}),
            description=(
                "Known-item search, made from the standard library of the Python that runs: find the "
                f"function, class or method by the summary of its documentation ({MAX_DOCUMENTS:,} documents, "
                f"{MAX_QUERIES} queries at most). Another Python version is another task."
            ),
            generated=True,
            licence="PSF-2.0",
            url="https://docs.python.org/3/library/",
        )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", str(places.cache / "generated"))

    def load(self, places: Places) -> Workload:
        """Make the files if this Python's are not in the cache yet, and read them. Raises `DataError`."""
        version = platform.python_version()
        sources = _sources(Path(sysconfig.get_path("stdlib")))
        folder = places.cache / "generated" / f"beir-python-docs-{version}-{_fingerprint(sources)}"
        layout = Layout(folder, "test")
        if not folder.is_dir():
            _materialise(layout, sources)
        workload = load_folder(layout, places.progress)
        return replace(workload, facts={**workload.facts, "python": version})


@dataclass(frozen=True)
class _Source:
    module: str
    path: Path
    size: int


@dataclass(frozen=True)
class _Entry:
    """Something documented: its qualified name, summary sentence, and explanation."""

    name: str
    summary: str
    body: str
    node: _Definition

    @property
    def rank(self) -> str:
        """Decides who is chosen."""
        return hashlib.sha256(self.name.encode()).hexdigest()


def _sources(root: Path) -> list[_Source]:
    """The public modules of the standard library, by name."""
    found = []
    for folder, children, files in os.walk(root):
        children[:] = filter(_is_public, children)
        for name in files:
            if name.endswith(".py") and (name == "__init__.py" or _is_public(name)):
                path = Path(folder, name)
                parts = path.relative_to(root).with_suffix("").parts
                module = ".".join(part for part in parts if part != "__init__")
                found.append(_Source(module, path, path.stat().st_size))
    if not found:
        raise DataError(
            f"the sources of the standard library are not in {root}",
            hint="beir/python-docs is made from them; use a Python that ships its .py files.",
        )
    return sorted(found, key=lambda source: source.module)


def _is_public(name: str) -> bool:
    return name not in _SKIPPED and not name.startswith(("_", "config-"))


def _fingerprint(sources: list[_Source]) -> str:
    """Tells one set of sources from another without reading them."""
    listing = "\n".join(f"{source.module} {source.size}" for source in sources)
    return hashlib.sha256(f"{_RECIPE}\n{listing}".encode()).hexdigest()[:12]


def _entries(sources: list[_Source]) -> list[_Entry]:
    """The chosen documents, each name and each explanation once."""
    candidates: dict[str, _Entry] = {}
    bodies: set[str] = set()
    for source in sources:
        for name, node in _public(source.module, ast.parse(source.path.read_bytes())):
            entry = _entry(name, node)
            if entry and name not in candidates and entry.body not in bodies:
                candidates[name] = entry
                bodies.add(entry.body)
    return sorted(candidates.values(), key=lambda entry: entry.rank)[:MAX_DOCUMENTS]


def _public(prefix: str, node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, _Definition]]:
    for child in node.body:
        if isinstance(child, _Definition) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}"
            yield name, child
            if isinstance(child, ast.ClassDef):
                yield from _public(name, child)


def _entry(name: str, node: _Definition) -> _Entry | None:
    """The entry, if its documentation is a summary and an explanation."""
    summary, _, body = (ast.get_docstring(node) or "").partition("\n\n")
    body = inspect.cleandoc(body)
    return _Entry(name, " ".join(summary.split()), body, node) if len(body) >= _MIN_BODY else None


def _queries(entries: list[_Entry]) -> list[_Entry]:
    """The entries to ask for: the summary is a sentence, does not name the entry, and is no other's."""
    times = Counter(_words(entry.summary) for entry in entries)
    return [entry for entry in entries if times[_words(entry.summary)] == 1 and _asks(entry)][:MAX_QUERIES]


def _asks(entry: _Entry) -> bool:
    own_name = entry.name.rpartition(".")[2].lower()
    return len(_words(entry.summary)) in _QUERY_WORDS and own_name not in entry.summary.lower()


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def _signature(entry: _Entry) -> str:
    node, name = entry.node, entry.name.rpartition(".")[2]
    if isinstance(node, ast.ClassDef):
        return f"class {name}({', '.join(map(ast.unparse, node.bases))})"
    return f"{name}({ast.unparse(node.args)})"


def _materialise(layout: Layout, sources: list[_Source]) -> None:
    """Write the folder, whole or not at all."""
    folder = layout.folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".python-docs-", dir=folder.parent) as scratch:
            draft = Layout(Path(scratch) / "content", layout.split)
            draft.qrels.parent.mkdir(parents=True)
            _write(draft, _entries(sources))
            try:
                draft.folder.rename(folder)
            except OSError:
                # Another run made the same files meanwhile.
                if not folder.is_dir():
                    raise
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error}", hint="Set HARNESS_CACHE to a folder you may write."
        ) from error


def _write(layout: Layout, entries: list[_Entry]) -> None:
    encode = msgspec.json.Encoder().encode
    asked = sorted((_query_id(entry), entry) for entry in _queries(entries))
    documents = sorted(entries, key=lambda entry: entry.name)
    with layout.corpus.open("wb") as corpus:
        for entry in documents:
            text = f"{_signature(entry)}\n{entry.body}"
            corpus.write(encode(Document(id=entry.name, title=entry.name, text=text)) + b"\n")
    with layout.queries.open("wb") as queries:
        for query_id, entry in asked:
            queries.write(encode({"_id": query_id, "text": entry.summary}) + b"\n")
    rows = [f"{query_id}\t{entry.name}\t1\n" for query_id, entry in asked]
    layout.qrels.write_bytes(f"{HEADER}\n{''.join(rows)}".encode())


def _query_id(entry: _Entry) -> str:
    """Made from the question: models are shown this id, and it must not tell the answer."""
    return "q" + hashlib.sha256(entry.summary.encode()).hexdigest()[:12]
