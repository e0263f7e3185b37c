"""A stranger's own model: a class in a Python file beside the submission.

class Fixed:
    def prepare(self, resources):           # resources.corpus, .train, .request …
        self.best = [document.id for document in resources.corpus][:10]

    def predict(self, examples):            # one answer for each example, in order
        return [[(id, -rank) for rank, id in enumerate(self.best)] for example in examples]
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, JsonValue

from harness.config import LocalPath, ModelConfig, in_field
from harness.contract import (
    Capability,
    Classes,
    Example,
    Failure,
    LogLikelihood,
    Output,
    Prediction,
    Prepared,
    Ranking,
    Resources,
    Texts,
)
from harness.errors import InvalidPrediction, SubmissionError, nearest

_BATCH_SIZE = 32
_SIGNATURES = {"prepare": "def prepare(self, resources)", "predict": "def predict(self, examples)"}
_ANSWERS = (
    "Return for each example a list of (document id, score) pairs, a str, or a Ranking, Classes, Texts or "
    "Failure of harness.contract; or a list of its Prediction objects."
)


def _file_and_class(path: Path) -> Path:
    if not re.fullmatch(r"[^:]+\.py:[A-Za-z_]\w*", path.name):
        raise ValueError("expected FILE.py:Class, such as model.py:MyModel")
    return path


class PythonFileConfig(ModelConfig):
    """A class that implements `prepare` and `predict`."""

    path: Annotated[LocalPath, AfterValidator(_file_and_class)]
    """`FILE.py:Class`, relative to the submission. Modules it imports from its folder are not in the digest."""
    offers: Annotated[list[Capability], Field(min_length=1)]
    """What the model can answer with; decides which tasks it can run."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments of the class."""

    @property
    def file(self) -> Path:
        """The Python file."""
        return self.path.with_name(self.path.name.rpartition(":")[0])

    @property
    def class_name(self) -> str:
        """The class in the file."""
        return self.path.name.rpartition(":")[2]

    def artifacts(self) -> dict[str, str]:
        """The file's sha256, under the name of the class that is taken from it."""
        with in_field("path"):
            try:
                return {self.class_name: hashlib.sha256(self.file.read_bytes()).hexdigest()}
            except OSError as error:
                raise SubmissionError(
                    f"cannot read {self.file}: {error.strerror}",
                    hint="it is relative to the folder of the submission file",
                ) from error


class PythonFile:
    """Runs the class of a file; the file is imported in `prepare`, so in the worker."""

    kind: ClassVar[str] = "python"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = PythonFileConfig

    def __init__(self, config: PythonFileConfig, seed: int) -> None:
        self.offers: frozenset[str] = frozenset(config.offers)
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._seed = seed
        self._model: Any = None
        self._labels: tuple[str, ...] = ()

    def prepare(self, resources: Resources) -> Prepared | None:
        """Import the file, make the model and let it prepare. Raises `SubmissionError` if it cannot be used."""
        module = _imported(self._config.file)
        kind = _class_of(module, self._config)
        self._model = _made(kind, self._config, self._seed)
        for method in _SIGNATURES:
            _check_method(self._model, method, self._config)
        self._labels = resources.request.labels
        prepared = self._model.prepare(resources)
        if prepared is not None and not isinstance(prepared, Prepared):
            raise SubmissionError(
                f"{self._config.class_name}.prepare returned a {type(prepared).__name__}",
                hint="Return nothing, or harness.contract.Prepared.",
            )
        return prepared

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The model's answers as predictions. Raises `InvalidPrediction` for what is not an answer."""
        answers = self._model.predict(examples)
        if isinstance(answers, str | bytes | dict) or not hasattr(answers, "__iter__"):
            raise InvalidPrediction(f"predict returned a {type(answers).__name__}", hint=_ANSWERS)
        answers = list(answers)
        if all(isinstance(answer, Prediction) for answer in answers):
            return answers
        if len(answers) != len(examples):
            raise InvalidPrediction(
                f"predict returned {len(answers)} answers to {len(examples)} examples",
                hint="Return one for each, in order; or Prediction objects, which may leave examples out.",
            )
        return [self._prediction(*pair) for pair in zip(examples, answers, strict=True)]

    def _prediction(self, example: Example, answer: object) -> Prediction:
        if isinstance(answer, Prediction):
            return answer
        return Prediction(example.id, self._output(example, answer))

    def _output(self, example: Example, answer: object) -> Output:
        match answer:
            case Ranking() | Classes() | Texts() | LogLikelihood() | Failure():
                return answer
            case str() if self._labels:
                return Classes(answer)
            case str():
                return Texts([answer])
            case list():
                return _ranking(example, answer)
        raise InvalidPrediction(
            f"predict answered example {example.id!r} with an object of type {type(answer).__name__}", hint=_ANSWERS
        )


def _ranking(example: Example, pairs: list[Any]) -> Ranking:
    try:
        ids, scores = zip(*pairs, strict=True) if pairs else ((), ())
        if not all(isinstance(id, str) for id in ids) or any(isinstance(score, str) for score in scores):
            raise TypeError("a document id must be a str and a score a number")
        return Ranking(list(ids), [float(score) for score in scores])
    except (TypeError, ValueError) as error:
        raise InvalidPrediction(
            f"predict answered example {example.id!r} with a list that is not of pairs: {error}",
            hint=_ANSWERS,
        ) from error


def _imported(file: Path) -> ModuleType:
    name = f"submission_{file.stem}"
    loader = _FromSource(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        raise SubmissionError(f"{file} cannot be imported", hint="`path` must name a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look a class's module up there
    try:
        with _first_on_path(file.parent):
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SubmissionError(
            f"importing {_place(file, error)} failed: {type(error).__name__}: {error}",
            hint=f"`python {file.name}` in its folder should run without an error.",
        ) from error
    return module


class _FromSource(SourceFileLoader):
    """Compiles what the file holds now: a cached .pyc may be older, and the digest is of the source."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(str(folder))


def _place(file: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{file}" if line is None else f"{file}, line {line}"


def _class_of(module: ModuleType, config: PythonFileConfig) -> type[Any]:
    kind = getattr(module, config.class_name, None)
    if isinstance(kind, type):
        return kind
    classes = [name for name, value in vars(module).items() if isinstance(value, type)]
    near = nearest(config.class_name, classes)
    raise SubmissionError(
        f"{config.file} has no class {config.class_name!r}",
        hint=f"Did you mean {near!r}?" if near else f"Its classes are: {', '.join(classes) or 'none'}.",
    )


def _made(kind: type[Any], config: PythonFileConfig, seed: int) -> Any:
    signature = inspect.signature(kind)
    options: dict[str, Any] = dict(config.options)
    if "seed" in signature.parameters:
        options.setdefault("seed", seed)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise SubmissionError(
            f"the options do not fit {config.class_name}{signature}: {error}",
            hint="`options` holds the keyword arguments of the class.",
        ) from error
    return kind(**options)


def _check_method(model: Any, method: str, config: PythonFileConfig) -> None:
    function = getattr(model, method, None)
    try:
        if function is None:
            raise TypeError("there is none")
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise SubmissionError(
            f"{config.class_name} in {config.file} needs a method `{_SIGNATURES[method]}`: {error}",
            hint="A model has these two methods: " + "; ".join(_SIGNATURES.values()) + ".",
        ) from error
