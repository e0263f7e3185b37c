"""The feed-forward parts: what they compute, and the identities that their papers state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.sequence.feed_forward.experts import Experts
from harness.sequence.feed_forward.pattention import Pattention


def test_pattention() -> None:
    torch.manual_seed(0)
    part, x = Pattention(6, 10), torch.randn(2, 3, 6)
    for batch in range(2):
        for place in range(3):
            scores = torch.stack([x[batch, place] @ key for key in part.keys])
            weights = nn.functional.gelu(scores / scores.norm() * 10**0.5)
            expected = sum(weight * value for weight, value in zip(weights, part.values, strict=True))
            torch.testing.assert_close(part(x)[batch, place], expected)


@pytest.mark.parametrize("more", [1, 30])
def test_pattention_grown_by_zero_keys_keeps_its_outputs(more: int) -> None:
    torch.manual_seed(0)
    part, x = Pattention(6, 10).double(), torch.randn(2, 3, 6, dtype=torch.float64)
    grown = part.grown(more)
    assert grown.keys.shape == (10 + more, 6)
    torch.testing.assert_close(grown(x), part(x), atol=1e-14, rtol=1e-12)
    grown(x).square().sum().backward()
    assert grown.keys.grad is not None and grown.keys.grad[10:].abs().max() > 0  # it can learn


def test_each_place_takes_its_two_best_experts() -> None:
    torch.manual_seed(0)
    part, x = Experts(6, 10), torch.randn(2, 3, 6)
    for batch in range(2):
        for place in range(3):
            given = x[batch, place]
            shares = (part.router.weight @ given).softmax(0)
            expected = torch.zeros(6)
            for expert in shares.argsort(descending=True)[:2]:
                expected += shares[expert] * (nn.functional.gelu(given @ part.inner[expert]) @ part.outer[expert])
            torch.testing.assert_close(part(x)[batch, place], expected)


def test_the_imbalance_is_one_where_experts_are_taken_alike_and_four_where_one_takes_all() -> None:
    part = Experts(4, 8)
    part.router.weight.data = 50 * torch.eye(4)
    part(torch.eye(4)[None])
    assert part.imbalance is not None and part.imbalance.item() == pytest.approx(1.0)
    part(torch.eye(4)[:1].expand(1, 8, 4))
    assert part.imbalance.item() == pytest.approx(4.0)
