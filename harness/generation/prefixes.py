"""Which prompts share a beginning, so that it is computed once, and which are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_LEAST_SHARED = 32
"""Tokens of a beginning that is worth being kept; every chat begins with some."""
_LEAST_SHARE = 0.5
_TOKENS_OF_A_STEP = 25
"""Tokens of a prompt that take as long as one step of writing, which reads all weights for whatever is in its batch."""


@dataclass(frozen=True)
class Group:
    """Prompts (by their places) that begin with the same so many tokens; 0 where they share nothing worth it."""

    shared: int
    places: tuple[int, ...]


def groups(prompts: Sequence[list[int]], most_tokens: int) -> list[Group]:
    """Every prompt in one group: those that share at least half of each, and the others as one without a beginning.

    Prompts of a group are answered apart from others, in steps of their own, `most_tokens` at most; so there is a group
    only where the tokens that it saves are worth more. At least one token of every prompt is left to answer after.
    """
    order = sorted(range(len(prompts)), key=lambda place: prompts[place])
    found: list[Group] = []
    alone: list[int] = []
    while order:
        first, shared, count = prompts[order[0]], 0, 1
        while count < len(order):
            other = prompts[order[count]]
            common = min(common_length(first, other), len(first) - 1, len(other) - 1)
            if common < max(_LEAST_SHARED, _LEAST_SHARE * max(len(first), len(other))):
                break
            shared, count = common, count + 1  # in this order, what is shared only shrinks
        if shared * (count - 1) > _TOKENS_OF_A_STEP * most_tokens:
            found.append(Group(shared, tuple(order[:count])))
        else:
            alone += order[:count]
        order = order[count:]
    return [*found, Group(0, tuple(alone))] if alone else found


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that two prompts have in common at their beginning."""
    length = min(len(one), len(other))
    differ = np.flatnonzero(np.asarray(one[:length]) != np.asarray(other[:length]))
    return int(differ[0]) if differ.size else length


def batches(lengths: Sequence[int], extra: int, batch_tokens: int) -> Iterator[list[int]]:
    """Places of prompts of like length, so many together that the padded batch has at most `batch_tokens`.

    `extra` tokens come with each of them: what they share, and room for an answer. A batch has at least one.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and (len(batch) + 1) * (lengths[batch[0]] + extra) > batch_tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
