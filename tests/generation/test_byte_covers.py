"""The probability of bytes under a law of tokens: it sums to one at every length, whatever the tokenizer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.generation.byte_covers import Covers

TOKENS = ("a", "b", "ab", "ba", "aab", "abab", "bb")
MERGES = (("a", "b"), ("b", "a"), ("a", "ab"), ("ab", "ab"), ("b", "b"))
"""A byte-pair encoding over two letters, in the order in which pairs are merged."""
VOCABULARY = dict(enumerate(TOKENS))


def encode(text: str) -> list[int]:
    parts = list(text)
    for pair in MERGES:
        merged: list[str] = []
        for part in parts:
            if merged and (merged[-1], part) == pair:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
    return [TOKENS.index(part) for part in parts]


def is_valid(tokens: Sequence[int]) -> bool:
    return encode("".join(TOKENS[token] for token in tokens)) == list(tokens)


def law(before: Sequence[int]) -> np.ndarray:
    """Of the next token: random, of one token before, and of valid sequences alone."""
    random = np.random.default_rng(before[-1] + 1 if before else 0).dirichlet(np.ones(len(TOKENS)))
    valid = np.array([is_valid([*before, token]) for token in range(len(TOKENS))])
    allowed: np.ndarray = random * valid
    return allowed / allowed.sum()


def chance(tokens: Sequence[int]) -> float:
    return math.prod(float(law(tokens[:place])[token]) for place, token in enumerate(tokens))


def of_text(text: str) -> float:
    covers = Covers(encode, VOCABULARY).of(text)
    return sum(chance([*cover.left, last]) for cover in covers for last in cover.last)


def by_brute_force(text: str) -> float:
    def grown(tokens: list[int]) -> float:
        written = "".join(TOKENS[token] for token in tokens)
        if not text.startswith(written[: len(text)]):
            return 0.0
        if len(written) >= len(text):
            return chance(tokens)
        return sum(grown([*tokens, token]) for token in range(len(TOKENS)) if is_valid([*tokens, token]))

    return grown([])


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
def test_the_law_of_bytes_sums_to_one_at_every_length(length: int) -> None:
    assert sum(of_text("".join(text)) for text in itertools.product("ab", repeat=length)) == pytest.approx(1, abs=1e-12)


def test_covers_are_all_that_a_search_of_the_whole_tree_finds() -> None:
    for text in ("a", "ab", "aab", "abab", "bbabaab"):
        assert of_text(text) == pytest.approx(by_brute_force(text), rel=1e-12)


def test_the_next_byte_is_not_what_the_next_token_says() -> None:
    """After "a" the canonical tokens say that no "b" can follow, for then the token would have been "ab"."""
    assert of_text("ab") > 0 and law(encode("a"))[TOKENS.index("b")] == 0
    assert of_text("aa") + of_text("ab") == pytest.approx(of_text("a"))


def test_the_canonical_tokens_are_one_of_the_covers() -> None:
    for text in ("ab", "aabab", "bbab"):
        assert chance(encode(text)) <= of_text(text)
