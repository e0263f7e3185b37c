"""Which token sequences begin with a text: what a probability of bytes is, given one of tokens.

A *cover* of a text is a valid sequence of tokens (the tokenizer would write its text so) whose last token reaches the
text's end or beyond, and without which the text would not be complete. The probability that what a model writes begins
with the text is the sum over its covers (Phan et al. 2024, arXiv 2410.09303; formula only). It is exact where the
model writes valid sequences alone, else a lower bound; the canonical tokenization is one cover, so it is lower still.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Cover:
    """Covers that differ in their last token only."""

    left: tuple[int, ...]
    last: tuple[int, ...]


class Covers:
    """Finds covers for one tokenizer: how it encodes, and the text of each token that is one by itself."""

    def __init__(self, encode: Encode, vocabulary: Mapping[int, str]) -> None:
        self._encode = encode
        self._texts = sorted((text, id) for id, text in vocabulary.items() if text)
        self._longest = max((len(text) for text, _ in self._texts), default=0)

    def of(self, text: str) -> list[Cover]:
        """All covers of a text that is not empty; the one that ends with it among them."""
        found = []
        for start in range(max(0, len(text) - self._longest), len(text)):
            rest = text[start:]
            beginning = self._beginning_with(rest)
            if not beginning:
                continue
            left = tuple(self._encode(text[:start]))
            last = tuple(id for token, id in beginning if tuple(self._encode(text[:start] + token)) == (*left, id))
            if last:
                found.append(Cover(left, last))
        return found

    def _beginning_with(self, text: str) -> list[tuple[str, int]]:
        first = bisect_left(self._texts, (text, -1))
        last = first
        while last < len(self._texts) and self._texts[last][0].startswith(text):
            last += 1
        return self._texts[first:last]
