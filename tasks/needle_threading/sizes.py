"""The sizes of haystacks: those of the paper, and smaller ones for models that read a thousand tokens."""

from __future__ import annotations

PUBLISHED = {
    "1.2k": 25,
    "2.5k": 53,
    "5k": 107,
    "10k": 213,
    "20k": 427,
    "32k": 683,
    "64k": 1365,
    "128k": 2730,
    "180k": 3839,
    "250k": 5332,
    "500k": 10665,
    "630k": 13438,
}
"""Pairs by the paper's label, which counts LLaMA-3.1 tokens.

The first is the README's (2,000 characters are 25 pairs). The others follow from 1.7064 characters a LLaMA-3.1 token
on UUID text, as the axes of the paper's context figure have it: the paper gives no counts of pairs for them.
"""
SMALL = (2, 4, 8, 12)
"""Pairs that fit a small language model, for single needles; threads begin at 8."""
SMALLEST_THREADS = 8


def token_label(pairs: int) -> str:
    """The paper's label of a size, empty if the size is ours."""
    return next((label for label, count in PUBLISHED.items() if count == pairs), "")
