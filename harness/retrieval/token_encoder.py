"""The encoder of late interaction (ColBERT): a vector of length 1 for each token of a text.

Khattab and Zaharia 2020, "ColBERT" (arXiv:2004.12832), section 3.2: token states are mapped to few dimensions and
normalised. A marker after the first token says whether a text is a query or a document. Queries are filled up to a
fixed length with [MASK], whose vectors take part in scoring though nothing attends to them (query augmentation);
documents lose the vectors of their punctuation.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Embedded
from harness.retrieval.encoder import device_named, head_tensors, load_model
from harness.retrieval.max_sim import Float16
from harness.retrieval.tokens import Batch, TextTokenizer, Tokens

PROJECTION = "linear.weight"


@dataclass(frozen=True)
class TokenSettings:
    """How texts become token vectors; any change may change a bit of them."""

    query_length: int = 32
    document_length: int = 180
    query_marker: str = "[unused0]"
    document_marker: str = "[unused1]"
    augment_queries: bool = True
    skip_punctuation: bool = True
    batch_size: int = 32
    dtype: str = "float32"
    device: str = "auto"


class TokenEncoder:
    """A transformer, a linear map, and a tokenizer, from a folder of safetensors.

    Raises `SubmissionError` if one is missing, or a marker is no token.
    """

    def __init__(self, folder: Path, settings: TokenSettings) -> None:
        self._settings = settings
        self._device = device_named(settings.device)
        longest = max(settings.query_length, settings.document_length)
        self._model = load_model("AutoModel", folder, settings.dtype, longest).to(self._device)
        self._projection = head_tensors(folder, (PROJECTION,))[PROJECTION].to(self._device, self._model.dtype)
        self._of_query = _Marked(folder, settings.query_marker, settings.query_length)
        self._of_document = _Marked(folder, settings.document_marker, settings.document_length)

    def encode_documents(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Vectors of the tokens of each text, punctuation left out, with the work they took."""
        tokens = self._of_document(texts)
        skipped = self._of_document.punctuation() if self._settings.skip_punctuation else set()
        return self._encode(tokens, [[number not in skipped for number in ids] for ids in tokens.ids], done)

    def encode_queries(self, texts: Sequence[str], done: Callable[[int], None]) -> Embedded:
        """Vectors of the tokens of each text and of the [MASK]s that fill it up."""
        tokens = self._of_query(texts)
        if self._settings.augment_queries:
            tokens = _augmented(tokens, self._of_query.mask_id(), self._settings.query_length)
        return self._encode(tokens, [[True] * len(ids) for ids in tokens.ids], done)

    def _encode(self, tokens: Tokens, kept: Sequence[Sequence[bool]], done: Callable[[int], None]) -> Embedded:
        import torch

        none = np.empty((0, len(self._projection)), dtype=np.float16)
        found: list[Float16] = [none] * len(tokens.ids)
        size = self._settings.batch_size
        with torch.inference_mode():
            for batch in tokens.batches(size, self._of_query.pad_id, self._device):
                for place, of_text in zip(batch.places, self._vectors(batch), strict=True):
                    found[place] = of_text[: len(kept[place])][np.array(kept[place])]
                done(len(batch.places))
        vectors: Any = np.concatenate([none, *found])
        return Embedded(vectors, tokens.work(size), [len(one) for one in found])

    def _vectors(self, batch: Batch) -> Float16:
        """Token vectors [rows, tokens, d] of length 1."""
        import torch

        states = self._model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        vectors = torch.nn.functional.normalize(torch.nn.functional.linear(states, self._projection).float(), dim=-1)
        halved: Float16 = vectors.cpu().numpy().astype(np.float16)
        return halved


class _Marked(TextTokenizer):
    """Puts a marker after the first token, within `max_length` tokens."""

    def __init__(self, folder: Path, marker: str, max_length: int) -> None:
        super().__init__(folder, max_length - bool(marker))
        self._marker = [self._number(marker)] if marker else []

    def __call__(self, texts: Sequence[str] | Sequence[tuple[str, str]]) -> Tokens:
        tokens = super().__call__(texts)
        mark = self._marker
        return replace(
            tokens,
            ids=[ids[:1] + mark + ids[1:] for ids in tokens.ids],
            types=[types[:1] + [0] * len(mark) + types[1:] for types in tokens.types],
            longest=tokens.longest + len(mark),
        )

    def punctuation(self) -> set[int]:
        """Tokens that are one of ASCII's punctuation marks."""
        numbers = (self.pretrained.convert_tokens_to_ids(mark) for mark in string.punctuation)
        return {number for number in numbers if number is not None} - {self.pretrained.unk_token_id}

    def mask_id(self) -> int:
        """The token that fills up a query. Raises `SubmissionError` if there is none."""
        number: int | None = self.pretrained.mask_token_id
        if number is None:
            raise SubmissionError("the tokenizer has no mask token", hint="Set `augment_queries: false`.")
        return number

    def _number(self, marker: str) -> int:
        number: int | None = self.pretrained.convert_tokens_to_ids(marker)
        if number is None or number == self.pretrained.unk_token_id:
            raise SubmissionError(
                f"the marker {marker!r} is not a token of the model",
                hint="PyLate's models have `[Q] ` and `[D] `; ColBERT's [unused0] and [unused1]; `\"\"` leaves it out.",
            )
        return number


def _augmented(tokens: Tokens, mask_id: int, length: int) -> Tokens:
    return replace(
        tokens,
        ids=[ids + [mask_id] * (length - len(ids)) for ids in tokens.ids],
        types=[types + [0] * (length - len(types)) for types in tokens.types],
        attended=[len(ids) for ids in tokens.ids],
    )
