"""Examples as ids: bytes that start from 1, for 0 is the padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from harness.contract import ByteSequence, Input, Prompt
from harness.errors import RunFailed

SEPARATOR = b"\0"
"""Between the two sequences of a pair."""


@dataclass(frozen=True)
class Sequences:
    """Sequences of symbols, cut to a length; each is one row, or two if they are pairs."""

    rows: Sequence[bytes]
    length: int
    pair: bool = False

    def __len__(self) -> int:
        return len(self.rows) // (2 if self.pair else 1)

    @property
    def truncated(self) -> int:
        """How many were longer."""
        return sum(len(row) > self.length for row in self.rows)

    def tokens(self, place: int) -> int:
        """Symbols that are read of an example."""
        return sum(min(len(row), self.length) for row in self._rows_of(place))

    def batch(self, places: Sequence[int], *, width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask of some examples, [batch, n] or of pairs [batch, 2, n], padded to the longest or to `width`.

        An empty sequence is one symbol of padding that is read.
        """
        rows = [row[: self.length] for place in places for row in self._rows_of(place)]
        n = width or max(1, *(len(row) for row in rows))
        ids = torch.zeros(len(rows), n, dtype=torch.int64)
        mask = torch.zeros(len(rows), n, dtype=torch.bool)
        for place, row in enumerate(rows):
            if row:
                ids[place, : len(row)] = torch.frombuffer(bytearray(row), dtype=torch.uint8).long() + 1
            mask[place, : max(1, len(row))] = True
        shape = (len(places), 2, n) if self.pair else (len(places), n)
        return ids.view(shape), mask.view(shape)

    def _rows_of(self, place: int) -> Sequence[bytes]:
        return self.rows[2 * place : 2 * place + 2] if self.pair else self.rows[place : place + 1]


def read(inputs: Iterable[Input], *, pair: bool) -> list[bytes]:
    """The sequences of inputs; of a pair two. Raises `RunFailed` for an input that is none."""
    rows = []
    for number, given in enumerate(inputs, start=1):
        symbols = _symbols(given)
        if not pair:
            rows.append(symbols)
            continue
        one, separator, other = symbols.partition(SEPARATOR)
        if not separator:
            raise RunFailed(f"example {number} is no pair: there is no zero byte in it", hint="Leave `pair` false.")
        rows += [one, other]
    return rows


def _symbols(given: Input) -> bytes:
    match given:
        case ByteSequence(data):
            return data
        case str(text):
            return text.encode()
        case Prompt(text=text, images=(), system=system):
            return f"{system}\n{text}".encode() if system else text.encode()
    raise RunFailed("the kind `sequence` reads symbols and texts, and this task has neither")
