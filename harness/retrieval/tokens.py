"""Texts as token ids, and as padded batches of similar lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SubmissionError
from harness.retrieval.embedding_cache import Work

if TYPE_CHECKING:
    import torch

WIDTH_STEP = 8
"""Texts are padded to a multiple of so many tokens."""


@dataclass(frozen=True)
class Batch:
    """Texts of a forward pass, of one padded length: tensors [rows, tokens] of integers."""

    places: list[int]
    """Which of the texts these are."""
    ids: torch.Tensor
    mask: torch.Tensor
    """1 for what is attended to, 0 for padding."""
    types: torch.Tensor
    """Segment of each token, 0 or 1."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of texts, special ones included."""

    ids: list[list[int]]
    types: list[list[int]]
    longest: int
    """Tokens that a text may have."""
    truncated: int
    """Texts that were cut."""
    attended: list[int] | None = None
    """How many of a text's tokens, the first, are attended to; None for all."""

    def batches(self, size: int, pad_id: int, device: str = "cpu") -> Iterator[Batch]:
        """All texts in batches of at most `size`, longest first.

        A text is padded by its own length alone, to a multiple of eight tokens, and batches hold texts of one padded
        length: what is computed of a text does not depend on the others.
        """
        import torch

        for places in self._places(size):
            width = self._width(places[0])
            attended = self.attended or [len(ids) for ids in self.ids]
            mask = (torch.arange(width) < torch.tensor([attended[place] for place in places])[:, None]).long()
            ids = torch.tensor([_padded(self.ids[place], width, pad_id) for place in places])
            types = torch.tensor([_padded(self.types[place], width, 0) for place in places])
            yield Batch(places, ids.to(device), mask.to(device), types.to(device))

    def work(self, size: int) -> Work:
        """What encoding them in batches of `size` takes."""
        rows, widths = [0] * len(self.ids), [0] * len(self.ids)
        for places in self._places(size):
            for place in places:
                rows[place], widths[place] = len(places), self._width(place)
        return Work([len(ids) for ids in self.ids], self.truncated, rows, widths)

    def _width(self, place: int) -> int:
        return min(-(-len(self.ids[place]) // WIDTH_STEP) * WIDTH_STEP, self.longest)

    def _places(self, size: int) -> Iterator[list[int]]:
        widest_first = sorted(range(len(self.ids)), key=lambda place: -self._width(place))
        for _, same in groupby(widest_first, key=self._width):
            while batch := list(islice(same, size)):
                yield batch


def _padded(values: list[int], width: int, padding: int) -> list[int]:
    return values + [padding] * (width - len(values))


class TextTokenizer:
    """The fast tokenizer of a folder, cutting at `max_length` tokens, and padding nothing.

    Raises `SubmissionError` if the folder has none.
    """

    def __init__(self, folder: Path, max_length: int) -> None:
        from transformers import AutoTokenizer

        self.pretrained: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if not self.pretrained.is_fast:
            raise SubmissionError(f"{folder.name} has no fast tokenizer", hint="Add its tokenizer.json.")
        self.pad_id: int = self.pretrained.pad_token_id or 0
        # Shipped tokenizers often pad or cut to a training length; both are decided here.
        self._backend = self.pretrained.backend_tokenizer
        self._backend.no_padding()
        self._backend.enable_truncation(max_length)
        self._longest = max_length

    def __call__(self, texts: Sequence[str] | Sequence[tuple[str, str]]) -> Tokens:
        """Tokens of texts, or of pairs of texts, of which the longer is cut first."""
        encodings = self._backend.encode_batch_fast(list(texts))
        return Tokens(
            ids=[encoding.ids for encoding in encodings],
            types=[encoding.type_ids for encoding in encodings],
            longest=self._longest,
            truncated=sum(bool(encoding.overflowing) for encoding in encodings),
        )
