"""The base of every model kind's configuration: the `model:` section of a submission file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.contract import Model
from harness.errors import SubmissionError


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    try:
        return path if folder is None else Path(folder) / path.expanduser()
    except RuntimeError as error:  # ~name of nobody; pydantic names the line of a ValueError
        raise ValueError(str(error)) from error


@contextmanager
def in_field(*path: str | int) -> Iterator[None]:
    """A `SubmissionError` of the block is the fault of this field of the settings, whose line it will name.

    Blocks may be nested, the outer one for the setting that holds the inner one's.
    """
    try:
        yield
    except SubmissionError as error:
        error.field = (*path, *error.field)
        raise


LocalPath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path in a submission, relative to the file that names it."""


class Documented(BaseModel):
    """Settings whose docstrings, below each field, are their descriptions in the JSON Schema.

    Read from the source only when asked for: pydantic's own way does it at import, which costs every run.
    """

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def field_docs(cls) -> dict[str, str]:
        """The docstring of each field that has one, by name."""
        docs: dict[str, str] = {}
        for owner in reversed(cls.__mro__):
            if issubclass(owner, Documented) and owner is not Documented:
                docs |= _docstrings_below_fields(owner)
        return docs

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in cls.field_docs().items():
            if name in properties:
                properties[name]["description"] = text
        return schema


def _docstrings_below_fields(owner: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError):  # a class without a source file
        return {}
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value).replace("\n", " ")
        for field, below in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


class ModelConfig(Documented):
    """Settings of a model kind; unknown keys are errors, field docstrings are the documentation.

    No field may be a set: its order in JSON would change from run to run, and with it the submission's digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    """Examples per predict call; the default suits the kind."""

    def artifacts(self) -> dict[str, str]:
        """Content digests of the files that the model is made of (weights, code, runs); part of its digest.

        Paths are resolved by then. Raises `harness.errors.SubmissionError` if one is missing, in a block of
        `in_field` that says which field names it.
        """
        return {}


class ModelKind(Protocol):
    """A class registered under `equal_footing.models`: how a `kind:` becomes a model.

    The constructor must be cheap: no heavy import, no file read, no stranger's code. All that is for `prepare`.
    """

    kind: ClassVar[str]
    version: ClassVar[str]
    """Changes when the same configuration would give other predictions; part of a submission's digest."""
    runs_code: ClassVar[bool]
    """True if the submission brings code of its own, which needs `--allow-code`."""
    observes_cost: ClassVar[bool]
    """False if the answers were made elsewhere: what is observed here is not their cost. Optional, default True."""
    Config: ClassVar[type[ModelConfig]]

    def __call__(self, config: Any, seed: int) -> Model: ...
