"""Cross-encoders: a transformer reads a query and a document together, and says how relevant the document is.

Nogueira and Cho 2019, "Passage Re-ranking with BERT", arXiv:1901.04085.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Work
from harness.retrieval.encoder import device_named, load_model
from harness.retrieval.order import Float32
from harness.retrieval.tokens import Batch, TextTokenizer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PairSettings:
    """How pairs are read."""

    max_length: int = 512
    batch_size: int = 32
    dtype: str = "float32"
    device: str = "auto"


class CrossEncoder:
    """A sequence classifier with one output (relevance) or two (irrelevant, relevant), from a folder of safetensors.

    Raises `SubmissionError` for any other number of outputs.
    """

    def __init__(self, folder: Path, settings: PairSettings) -> None:
        self._settings = settings
        self._device = device_named(settings.device)
        self._model = load_model("AutoModelForSequenceClassification", folder, settings.dtype, settings.max_length)
        self._model.to(self._device)
        if self._model.config.num_labels not in (1, 2):
            raise SubmissionError(
                f"{folder.name} sorts pairs into {self._model.config.num_labels} classes; a reranker has one or two",
                hint="Name a model that was trained to rank, such as cross-encoder/ms-marco-MiniLM-L6-v2.",
            )
        self._tokenize = TextTokenizer(folder, settings.max_length)

    def score(self, pairs: Sequence[tuple[str, str]]) -> tuple[Float32, Work]:
        """A score [pairs] for each query and document, and the work: the logit, or the log odds of the second class."""
        import torch

        tokens = self._tokenize(pairs)
        scores = np.empty(len(pairs), dtype=np.float32)
        with torch.inference_mode():
            for batch in tokens.batches(self._settings.batch_size, self._tokenize.pad_id, self._device):
                scores[batch.places] = self._forward(batch).float().cpu().numpy()
        return scores, tokens.work(self._settings.batch_size)

    def _forward(self, batch: Batch) -> torch.Tensor:
        known = self._tokenize.pretrained.model_input_names
        types = {"token_type_ids": batch.types} if "token_type_ids" in known else {}
        logits: torch.Tensor = self._model(input_ids=batch.ids, attention_mask=batch.mask, **types).logits
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
