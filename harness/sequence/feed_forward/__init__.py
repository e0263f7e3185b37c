"""The feed-forward parts, by the name that a submission gives; each is made for a width and a hidden width."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from harness.sequence.feed_forward.dense import Dense
from harness.sequence.feed_forward.experts import Experts
from harness.sequence.feed_forward.pattention import Pattention

FEED_FORWARDS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "dense": Dense,
    "experts": Experts,
    "pattention": Pattention,
}
