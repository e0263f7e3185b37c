"""Encoders of learned sparse retrieval: a text becomes weights of terms of the model's vocabulary.

- `MaskedLmEncoder`: SPLADE-max, log(1 + relu(logit)) of the masked-LM head, maximum over the text's tokens (Formal et
  al. 2021, "SPLADE v2", arXiv:2109.10086, equation 6; SPLADE++ and v3 compute the same).
- `LinearEncoder`: uniCOIL, relu of a linear map of each token's state; a term that occurs twice counts its maximum in
  a document and its sum in a query (Lin and Ma 2021, arXiv:2106.14807, section 2).
- `IdfEncoder`: queries without a network, each term of a text with its weight in a table (Geng et al. 2024,
  "Towards Competitive Search Relevance For Inference-Free Learned Sparse Retrievers", arXiv:2411.04403).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Embedded, Work
from harness.retrieval.encoder import AutoClass, device_named, head_tensors, load_model
from harness.retrieval.order import Float32
from harness.retrieval.tokens import Batch, TextTokenizer

if TYPE_CHECKING:
    import torch

LINEAR_WEIGHT, LINEAR_BIAS = "tok_proj.weight", "tok_proj.bias"
IDF_FILE = "idf.json"


@dataclass(frozen=True)
class SparseSettings:
    """How texts are read; any change may change a bit of their weights."""

    max_length: int = 256
    batch_size: int = 8
    dtype: str = "float32"
    device: str = "auto"


class SparseEncoder(Protocol):
    """Texts in; a row (term, weight) for each weight above 0 out, by text and then by term."""

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded: ...


class _NeuralEncoder:
    """Runs a transformer over batches of texts; what its states say of terms is for the kinds below."""

    auto: AutoClass

    def __init__(self, folder: Path, settings: SparseSettings) -> None:
        self._settings = settings
        self._device = device_named(settings.device)
        self._model = load_model(self.auto, folder, settings.dtype, settings.max_length).to(self._device)
        self._tokenize = TextTokenizer(folder, settings.max_length)

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Weights of the texts' terms, in their order, with the work they took; `done` hears of each batch's texts."""
        import torch

        tokens = self._tokenize(texts)
        size = self._settings.batch_size
        found: list[Float32] = [np.empty((0, 2), dtype=np.float32)] * len(texts)
        with torch.inference_mode():
            for batch in tokens.batches(size, self._tokenize.pad_id, self._device):
                for place, weights in zip(batch.places, self._weights(batch), strict=True):
                    found[place] = _rows(weights.float().cpu().numpy())
                done(len(batch.places))
        return _embedded(found, tokens.work(size))

    @abstractmethod
    def _weights(self, batch: Batch) -> torch.Tensor:
        """Weights [rows, vocabulary], at least 0."""


class MaskedLmEncoder(_NeuralEncoder):
    """SPLADE. The logits of a batch take 4 bytes × texts × tokens × vocabulary."""

    auto: AutoClass = "AutoModelForMaskedLM"

    def _weights(self, batch: Batch) -> torch.Tensor:
        import torch

        logits = self._model(input_ids=batch.ids, attention_mask=batch.mask).logits
        # log(1 + relu(·)) grows with its argument, so the maximum may be taken first.
        highest = logits.masked_fill_(batch.mask.unsqueeze(-1) == 0, -torch.inf).amax(1)
        return torch.log1p(torch.relu(highest))


class LinearEncoder(_NeuralEncoder):
    """uniCOIL. The token that stands for the whole text ([CLS]) is no term."""

    auto: AutoClass = "AutoModel"

    def __init__(self, folder: Path, settings: SparseSettings, *, repeated: str) -> None:
        super().__init__(folder, settings)
        self._reduce = {"maximum": "amax", "sum": "sum"}[repeated]
        head = head_tensors(folder, (LINEAR_WEIGHT, LINEAR_BIAS))
        self._head = [head[name].to(self._device, self._model.dtype) for name in (LINEAR_WEIGHT, LINEAR_BIAS)]

    def _weights(self, batch: Batch) -> torch.Tensor:
        import torch

        states = self._model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        impacts = torch.relu(torch.nn.functional.linear(states, *self._head)).squeeze(-1)
        is_term = (batch.mask == 1) & (batch.ids != self._tokenize.pretrained.cls_token_id)
        weights = impacts.new_zeros(len(batch.ids), self._model.config.vocab_size)
        return weights.scatter_reduce_(1, batch.ids, impacts * is_term, self._reduce)


class IdfEncoder:
    """Each term of a text weighs what the folder's `idf.json` says; terms that it lacks weigh nothing.

    Raises `SubmissionError` if there is no such file of terms and weights.
    """

    def __init__(self, folder: Path, settings: SparseSettings) -> None:
        path = folder / IDF_FILE
        try:
            table = msgspec.json.decode(path.read_bytes(), type=dict[str, float])
        except (OSError, msgspec.DecodeError) as error:
            raise SubmissionError(
                f"cannot read {path}: {error}", hint=f"`queries: idf` needs a file {IDF_FILE} of terms and weights."
            ) from error
        self._tokenize = TextTokenizer(folder, settings.max_length)
        numbers = self._tokenize.pretrained.get_vocab()
        self._weights = {numbers[term]: weight for term, weight in table.items() if term in numbers and weight > 0}

    def encode(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Weights of the texts' terms; no network is run."""
        tokens = self._tokenize(texts)
        found = [
            np.array([(term, self._weights[term]) for term in sorted(set(ids)) if term in self._weights], np.float32)
            for ids in tokens.ids
        ]
        done(len(texts))
        nothing_padded = [0] * len(texts)
        work = Work([len(ids) for ids in tokens.ids], tokens.truncated, nothing_padded, nothing_padded)
        return _embedded([rows.reshape(-1, 2) for rows in found], work)


def _rows(weights: Float32) -> Float32:
    terms = np.flatnonzero(weights)
    return np.column_stack([terms, weights[terms]]).astype(np.float32)  # exact: vocabularies are below 2^24


def _embedded(found: Sequence[Float32], work: Work) -> Embedded:
    rows = np.concatenate([*found, np.empty((0, 2), dtype=np.float32)])
    return Embedded(rows, work, [len(one) for one in found])
