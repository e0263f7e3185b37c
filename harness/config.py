"""The base of every model kind's configuration: the `model:` section of a submission file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from harness.contract import Model


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    try:
        return path if folder is None else Path(folder) / path.expanduser()
    except RuntimeError as error:  # ~name of nobody; pydantic names the line of a ValueError
        raise ValueError(str(error)) from error


LocalPath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path in a submission, relative to the file that names it."""


class ModelConfig(BaseModel):
    """Settings of a model kind; unknown keys are errors, field docstrings are the documentation.

    No field may be a set: its order in JSON would change from run to run, and with it the submission's digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    """Examples per predict call; the default suits the kind."""

    def artifacts(self) -> dict[str, str]:
        """Content digests of the files that the model is made of (weights, code, runs); part of its digest.

        Paths are resolved by then. Raises `harness.errors.SubmissionError` if one is missing.
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
    Config: ClassVar[type[ModelConfig]]

    def __call__(self, config: Any, seed: int) -> Model: ...
