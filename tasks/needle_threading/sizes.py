"""The sizes of haystacks: those of the paper, and smaller ones for models that read a thousand tokens."""

from __future__ import annotations

PUBLISHED = {
    "1.2k": 25,
    "2.5k": 50,
    "5k": 100,
    "10k": 200,
    "20k": 400,
    "32k": 640,
    "64k": 1280,
    "128k": 2560,
    "180k": 3600,
    "250k": 5000,
    "500k": 10000,
    "630k": 12600,
}
"""Pairs by the paper's label, which counts thousands of LLaMA-3.1 tokens: 20 pairs, or 1,600 characters, a thousand.

The paper gives no counts of pairs but the first (2,000 characters are 25 pairs). By LLaMA 3.1's own tokenizer such text
has 1.62 to 1.63 characters a token, and the 660 haystacks of the published single-needle file hold 159 MB, which is
1.58 to 1.59 characters for each token of the labels. The axis of the paper's context figure has 1.7064, at which that
file would be 7 % larger than it is.
"""
SMALL = (2, 4, 8, 12)
"""Pairs that fit a small language model, for single needles; threads begin at 8."""
BY_DEFAULT = (*SMALL, 25)
"""Pairs of the single needles that a model answers when no task is named, the suite `needle/small`."""
SMALLEST_THREADS = 8


def token_label(pairs: int) -> str:
    """The paper's label of a size, empty if the size is ours."""
    return next((label for label, count in PUBLISHED.items() if count == pairs), "")
