"""A text cut into passages that are read each by itself."""

from __future__ import annotations

from collections.abc import Iterator

MOST_BYTES = 1_024


def passages(text: str, most_bytes: int = MOST_BYTES) -> Iterator[str]:
    """Pieces of at most so many bytes of UTF-8, which together are the text.

    They end with a line where one ends in the second half, else after a blank, else between two characters.
    """
    data = text.encode()
    start = 0
    while start < len(data):
        piece = data[start : start + most_bytes]
        if start + most_bytes < len(data):
            half = len(piece) // 2
            end = (
                max(piece.rfind(b"\n", half), -1) + 1
                or max(piece.rfind(b" ", half), -1) + 1
                or _whole(piece, data[start:])
            )
            piece = piece[:end]
        yield piece.decode()
        start += len(piece)


def _whole(piece: bytes, rest: bytes) -> int:
    """The length without a character that the cut divides."""
    end = len(piece)
    while end > 1 and rest[end] & 0xC0 == 0x80:
        end -= 1
    return end
