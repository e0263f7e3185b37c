"""What all kinds that run a transformer let a submission choose: which weights, and how they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from harness.config import ModelConfig, in_field

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def _resolve(model: str, info: ValidationInfo) -> str:
    """A path is relative to the submission file; so is a name that is a folder there."""
    from harness.retrieval.encoder import PACKAGE

    if model.startswith(PACKAGE):
        return model
    path = Path((info.context or {}).get("folder") or ".") / Path(model).expanduser()
    is_path = model.startswith((".", "/", "~")) or path.is_dir()
    return str(path.resolve()) if is_path else model


Weights = Annotated[str, AfterValidator(_resolve)]
"""Where weights are: a hub id, a folder, or a package."""


class TransformerConfig(ModelConfig):
    """A transformer and how it is run."""

    model: Weights
    """A hub id (`org/name`), a folder (`./path`), or `package:NAME`: weights inside an installed package."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; give a commit to make the row reproducible."""
    encode_batch_size: int = Field(default=32, ge=1)
    """Texts per forward pass."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the encoder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder runs; auto takes a GPU if there is one."""

    def artifacts(self) -> dict[str, str]:
        """sha256 of the weights, configuration and tokenizer; a hub id stands for itself."""
        with in_field("model"):
            return local_digests(self.model)


def local_digests(model: str) -> dict[str, str]:
    """sha256 by file name of weights that are here; none for a hub id."""
    from harness.retrieval.encoder import PACKAGE, file_digests, locate

    local = model.startswith(PACKAGE) or Path(model).is_absolute()
    return file_digests(locate(model)) if local else {}


def identity(folder: Path, settings: DataclassInstance, **more: object) -> Mapping[str, Any]:
    """Everything that can change a bit of what an encoder makes of a text."""
    from harness.retrieval.encoder import file_digests
    from harness.retrieval.tokens import WIDTH_STEP

    return {
        "files": file_digests(folder),
        "settings": asdict(settings),
        "padded_to": WIDTH_STEP,
        "versions": {name: metadata.version(name) for name in ("tokenizers", "torch", "transformers")},
        **more,
    }
