"""Predictions made elsewhere: a TREC run, JSON lines or a results JSON, checked and then scored like any model's.

A file may have been made by anyone, so every complaint names the file and the line, and sizes are limited.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal, TypeAlias, cast

import msgspec
import numpy as np

from harness.config import LocalPath, ModelConfig, in_field
from harness.contract import Classes, Example, Output, Prediction, Prepared, Ranking, Resources, Texts
from harness.errors import SubmissionError
from harness.models.replay_json import looks_like_results, read_results

if TYPE_CHECKING:
    import numpy.typing as npt

    Ordered: TypeAlias = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]

_BATCH_SIZE = 256
_MAX_FILE_BYTES = 4 << 30
"""Size of a file once decompressed."""
_MAX_LINE_BYTES = 64 << 20
_MAX_OBJECT_BYTES = 1 << 30
_HEAD_BYTES = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_TREC_COLUMNS = 6


class ReplayConfig(ModelConfig):
    """A file of predictions."""

    path: LocalPath
    """A TREC run (`query Q0 document rank score tag`), JSON lines, or one object of BEIR or MTEB; may be gzipped."""
    format: Literal["auto", "trec", "jsonl", "json"] = "auto"
    """`auto` takes what starts with `{` for JSON lines, or for one object if its first value is an object as well."""
    ignore_unknown_queries: bool = False
    """Pass over queries that the task does not ask, for a file that covers other splits too."""

    def artifacts(self) -> dict[str, str]:
        """The file's sha256."""
        with in_field("path"):
            if not self.path.is_file():
                raise SubmissionError(
                    f"there is no file {self.path}", hint="it is relative to the folder of the submission file"
                )
            try:
                with self.path.open("rb") as file:
                    return {"path": hashlib.file_digest(file, "sha256").hexdigest()}
            except OSError as error:
                raise SubmissionError(f"cannot read {self.path}: {error.strerror}") from error


class Replay:
    """Answers from a file; an example that the file does not answer is left out, so it lowers coverage.

    A ranking holds all documents that the file gives for the query, in trec_eval's order (score as float32, then
    id, both descending). Until it is asked for it takes 12 bytes a document.
    """

    kind: ClassVar[str] = "replay"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    observes_cost: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = ReplayConfig
    offers = frozenset({"ranking", "classes", "texts", "sequences", "rows", "images"})
    uncounted: ClassVar[str] = "the answers were made elsewhere, and reading them is not what they cost"

    def __init__(self, config: ReplayConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._rankings: dict[str, Ordered] = {}
        self._others: dict[str, Output] = {}
        self._document_ids: list[str] = []

    def prepare(self, resources: Resources) -> Prepared:
        """Read the whole file. Raises `SubmissionError`, with file and line, for what is malformed, repeated,
        unknown to the task or not finite, for a file without an answer to the task, and for one above 4 GiB.
        """
        path = self._config.path
        reader = _Reader(path, resources, self._config.ignore_unknown_queries)
        match _format(self._config):
            case "json":
                reader.read_json(_whole(path))
            case "jsonl":
                reader.read_jsonl(_lines(path))
            case "trec":
                reader.read_trec(_lines(path))
        self._rankings, self._others = reader.rankings(), reader.others
        self._document_ids = list(reader.positions) if self._rankings else []
        if not self._rankings and not self._others:
            raise SubmissionError(
                f"{path} answers none of the task's {len(resources.example_ids)} examples",
                hint="It may belong to another task or split.",
            )
        answers = len(self._rankings) + len(self._others)
        return Prepared(facts={"answers": answers, "ignored_queries": len(reader.ignored)})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The file's answers to those examples that it has any for."""
        outputs = ((example.id, self._output(example.id)) for example in examples)
        return [Prediction(id, output) for id, output in outputs if output is not None]

    def _output(self, example_id: str) -> Output | None:
        if example_id not in self._rankings:
            return self._others.get(example_id)
        documents, scores = self._rankings[example_id]
        return Ranking([self._document_ids[i] for i in documents.tolist()], scores.tolist())


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of JSON: an id and one kind of answer."""

    id: str
    ranking: list[tuple[str, float]] | None = None
    label: str | None = None
    scores: dict[str, float] = {}
    text: str | None = None
    texts: list[str] | None = None


@dataclass
class _Rows:
    """A query's documents as they come: position in the sorted corpus ids, score, and line if the file has lines."""

    documents: array[int] = field(default_factory=lambda: array("i"))
    scores: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))

    def add(self, document: int, score: float, line: int) -> None:
        self.documents.append(document)
        self.scores.append(score)
        self.lines.append(line)

    def line(self, places: npt.NDArray[np.int64]) -> int | None:
        """That of the first of some entries."""
        return self.lines[places.min()] if self.lines else None


class _Reader:
    """Collects the answers of one file, and holds them against what the task asks."""

    def __init__(self, path: Path, resources: Resources, ignore_unknown_queries: bool) -> None:
        self.others: dict[str, Output] = {}
        self.ignored: set[str] = set()
        self._path = path
        self._corpus = resources.inputs.corpus
        self._asked = frozenset(resources.example_ids)
        self._ignore_unknown_queries = ignore_unknown_queries
        self._rows: dict[str, _Rows] = {}

    def read_trec(self, lines: Iterable[tuple[int, bytes]]) -> None:
        for number, line in lines:
            columns = line.split()
            if len(columns) != _TREC_COLUMNS:
                raise self._error(
                    number,
                    f"a TREC run has 6 columns, this line has {len(columns)}",
                    "The columns are: query Q0 document rank score tag, with white space between.",
                )
            query, document = self._text(number, columns[0]), self._text(number, columns[2])
            if self._is_asked(number, query):
                rows = self._rows.get(query) or self._rows.setdefault(query, _Rows())
                rows.add(self._position(number, document), self._score(number, columns[4]), number)

    def read_jsonl(self, lines: Iterable[tuple[int, bytes]]) -> None:
        decode = msgspec.json.Decoder(_Record).decode
        seen: set[str] = set()
        for number, line in lines:
            try:
                record = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                expected = (
                    '{"id": …, "ranking": [[document, score], …]}, {"id": …, "label": …, "scores": {…}}, '
                    '{"id": …, "text": …} or {"id": …, "texts": […]}'
                )
                raise self._error(number, str(error), f"A line is {expected}.") from error
            if record.id in seen:
                raise self._error(number, f"{record.id!r} is answered a second time", "Keep one line for an id.")
            seen.add(record.id)
            if self._is_asked(number, record.id):
                self._keep(number, record)

    def read_json(self, content: bytes) -> None:
        for query, found in read_results(content, self._path, self.positions).items():
            if self._is_asked(None, query):
                if found.stranger is not None:
                    raise self._stranger(None, f"document {found.stranger!r} of query {query!r}")
                self._rows[query] = _Rows(found.documents, found.scores)

    def _keep(self, number: int, record: _Record) -> None:
        given = [name for name in ("ranking", "label", "text", "texts") if getattr(record, name) is not None]
        match given:
            case ["ranking"]:
                rows = self._rows[record.id] = _Rows()
                for document, score in record.ranking or []:
                    rows.add(self._position(number, document), score, number)
            case ["label"]:
                self.others[record.id] = Classes(record.label or "", record.scores)
            case ["text"]:
                self.others[record.id] = Texts([record.text or ""])
            case ["texts"]:
                self.others[record.id] = Texts(record.texts or [])
            case _:
                problem = f"{record.id!r} has {' and '.join(given) or 'no answer'}"
                raise self._error(number, problem, 'Give one of "ranking", "label", "text" and "texts".')

    def rankings(self) -> dict[str, Ordered]:
        """Query id → its documents (positions in the sorted corpus ids) and scores, best first."""
        return {query: self._ordered(query, rows) for query, rows in self._rows.items()}

    def _ordered(self, query: str, rows: _Rows) -> Ordered:
        documents, scores = np.array(rows.documents, np.int32), np.array(rows.scores, np.float64)
        with np.errstate(over="ignore"):
            keys = scores.astype(np.float32)
        broken = np.flatnonzero(~np.isfinite(keys))
        if broken.size:
            problem = f"the score {scores[broken[0]]} of query {query!r} is not a finite number of 32 bits"
            raise self._error(rows.line(broken), problem, "trec_eval keeps scores as float32.")
        by_document = np.argsort(documents, kind="stable")
        repeats = by_document[1:][np.diff(documents[by_document]) == 0]
        if repeats.size:
            problem = f"query {query!r} has one of its documents a second time"
            raise self._error(rows.line(repeats), problem, "Keep the best-scored of its entries.")
        order = np.lexsort((-documents, -keys))
        return documents[order], scores[order]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Document id → position in sorted order, which settles ties as the ids themselves do."""
        ids = sorted(document.id for document in self._corpus) if self._corpus else []
        return {id: position for position, id in enumerate(ids)}

    def _position(self, number: int, document: str) -> int:
        position = self.positions.get(document)
        if position is None:
            raise self._stranger(number, f"document {document!r}")
        return position

    def _stranger(self, number: int | None, what: str) -> SubmissionError:
        hint = "The run may be of another data set, or of another version of this one."
        return self._error(number, f"{what} is not in the task's corpus", hint)

    def _is_asked(self, number: int | None, query: str) -> bool:
        if query in self._asked:
            return True
        if not self._ignore_unknown_queries:
            hint = "Set `ignore_unknown_queries: true` if the file covers more than this split or --limit."
            raise self._error(number, f"the task does not ask query {query!r}", hint)
        self.ignored.add(query)
        return False

    def _text(self, number: int, column: bytes) -> str:
        try:
            return column.decode()
        except UnicodeDecodeError as error:
            raise self._error(number, f"not UTF-8 text: {error}", "Is it a run file at all?") from error

    def _score(self, number: int, column: bytes) -> float:
        try:
            return float(column)
        except ValueError as error:
            problem = f"the score {column[:40].decode(errors='replace')!r} is not a number"
            raise self._error(number, problem, "The fifth column is the score.") from error

    def _error(self, number: int | None, problem: str, hint: str) -> SubmissionError:
        where = "" if number is None else f", line {number}"  # one object has no line for a query
        return SubmissionError(f"{self._path}{where}: {problem}", hint=hint)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line that is not blank."""
    number = total = 0
    blank = True
    try:
        with _opened(path) as file:
            while line := file.readline(_MAX_LINE_BYTES + 1):
                number, total = number + 1, total + len(line)
                if len(line) > _MAX_LINE_BYTES or total > _MAX_FILE_BYTES:
                    raise SubmissionError(
                        f"{path}, line {number}: more than {_MAX_LINE_BYTES:,} bytes on a line or "
                        f"{_MAX_FILE_BYTES:,} in the (decompressed) file",
                        hint="Split the run, or keep fewer documents for each query.",
                    )
                if not line.isspace():
                    blank = False
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise SubmissionError(f"cannot read {path}, after line {number}: {error}") from error
    if blank:
        raise _empty(path)


def _format(config: ReplayConfig) -> Literal["trec", "jsonl", "json"]:
    """As asked, else what the file begins like."""
    if config.format != "auto":
        return config.format
    head = _start(config.path, _HEAD_BYTES)
    if looks_like_results(head):
        return "json"
    return "jsonl" if head.lstrip().startswith(b"{") else "trec"


def _whole(path: Path) -> bytes:
    content = _start(path, _MAX_OBJECT_BYTES + 1)
    if len(content) > _MAX_OBJECT_BYTES:
        raise SubmissionError(
            f"{path} is one JSON object of more than {_MAX_OBJECT_BYTES:,} bytes, too much to hold in memory",
            hint="Write it as a TREC run: those are read line by line.",
        )
    if not content.strip():
        raise _empty(path)
    return content


def _start(path: Path, size: int) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise SubmissionError(f"cannot read {path}: {error}") from error


def _empty(path: Path) -> SubmissionError:
    return SubmissionError(f"{path} is empty", hint="It should hold predictions.")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")
