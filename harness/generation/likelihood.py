"""The probability that a language model gives a text: of its canonical tokens, and of its bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import SubmissionError
from harness.generation.byte_covers import Covers
from harness.generation.decoding import Decoder

_MOST_PIECES = 4
"""Words from the end among which a safe place to cut is looked for."""


@dataclass(frozen=True)
class Likelihood:
    """Of one text."""

    canonical_nats: float
    exact_nats: float | None
    """Over all covers of the text; None where it was not asked for."""
    computed_tokens: int


class TextLikelihood:
    """Reads texts from the start of a document, whose token costs nothing."""

    def __init__(self, decoder: Decoder, tokenizer: Any, *, exact: bool) -> None:
        self._decoder, self._tokenizer = decoder, tokenizer
        ids = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        start = next((id for id in ids if id is not None), None)
        if start is None:
            raise SubmissionError("the tokenizer has no token for the start of a document")
        self.start: int = start
        self._covers = Covers(self.encode, _vocabulary(tokenizer)) if exact else None

    def encode(self, text: str) -> list[int]:
        """The canonical tokens, none of them special: a text that spells a marker is a text."""
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def of(self, tokens: Sequence[int], text: str) -> Likelihood:
        """Of a text whose canonical tokens these are."""
        ((steps, _),) = self._decoder.log_probabilities([[self.start, *tokens]], after=0)
        canonical = float(steps.sum())
        if self._covers is None:
            return Likelihood(canonical, None, len(tokens) + 1)
        exact, computed = self._exact(self._covers, text, tokens, steps)
        return Likelihood(canonical, exact, len(tokens) + 1 + computed)

    def _exact(self, covers: Covers, text: str, tokens: Sequence[int], steps: Any) -> tuple[float, int]:
        """Covers differ in the last word alone: what stands before it is computed once."""
        import torch

        head = self._head(text, tokens)
        found = covers.of(text[len(self._tokenizer.decode(tokens[:head])) :] if head else text)
        before = [self.start, *tokens[:head]]
        self._decoder.keep(before[:-1])
        rows = [[before[-1], *cover.left] for cover in found]
        scored = self._decoder.log_probabilities(rows, after=len(before) - 1)
        parts = [
            left.sum() + following[list(cover.last)].logsumexp(0)
            for cover, (left, following) in zip(found, scored, strict=True)
        ]
        self._decoder.keep(())
        return float(steps[:head].sum() + torch.stack(parts).logsumexp(0)), sum(map(len, rows))

    def _head(self, text: str, tokens: Sequence[int]) -> int:
        """Tokens before the last words: those that stay, whatever the text is continued with."""
        pieces = self._tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
        starts = [start for _, (start, _) in pieces]
        for start in reversed(starts[1 : max(1, len(starts) - 1)][-_MOST_PIECES:]):
            head, tail = self.encode(text[:start]), self.encode(text[start:])
            if [*head, *tail] == list(tokens) and self._tokenizer.decode(head) == text[:start]:
                return len(head)
        return 0


def _vocabulary(tokenizer: Any) -> dict[int, str]:
    """Tokens of a byte-level BPE that are text by themselves. Raises `SubmissionError` for another tokenizer."""
    if "ByteLevel" not in str(tokenizer.backend_tokenizer.pre_tokenizer):
        raise SubmissionError("exact bytes need a byte-level BPE tokenizer", hint="Leave out `exact_bytes`.")
    special = set(tokenizer.all_special_ids)
    ids = [id for id in range(len(tokenizer)) if id not in special]
    texts: Iterator[str] = iter(tokenizer.batch_decode([[id] for id in ids], clean_up_tokenization_spaces=False))
    return {id: text for id, text in zip(ids, texts, strict=True) if "�" not in text}


def bits_per_byte(nats: float, byte_count: int) -> float:
    """Of so many nats of log-probability over so many bytes."""
    return -nats / math.log(2) / byte_count if byte_count else 0.0
