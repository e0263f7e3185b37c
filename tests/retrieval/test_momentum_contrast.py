"""Momentum contrast learns which tokens mean the same, by the losses and the moving average of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.retrieval.momentum_contrast import Contrast, MomentumContrast, TableReader, reciprocal_rank

PLAIN = Contrast(temperature=0.5, momentum=0.9, queue=0, augmented=0.0)


def table(rows: int = 12, dimensions: int = 6) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, dimensions)).astype(np.float32)


def flat(texts: list[list[int]]) -> list[torch.Tensor]:
    return TableReader(table()).collated(texts)


def embedded(rows: torch.Tensor, texts: list[torch.Tensor]) -> torch.Tensor:
    return TableReader(rows.detach().numpy()).vectors(texts).detach()


def learning(contrast: Contrast = PLAIN) -> tuple[TableReader, MomentumContrast]:
    reader = TableReader(table())
    return reader, MomentumContrast(reader, contrast)


def batch(queries: list[list[int]], codes: list[list[int]]) -> list[torch.Tensor]:
    return [*flat(queries), *flat(codes)]


def test_a_text_is_the_direction_of_its_tokens() -> None:
    rows = torch.from_numpy(table())
    first, second = embedded(rows, flat([[1, 2], [3]]))
    assert first.numpy() == pytest.approx(((rows[1] + rows[2]) / (rows[1] + rows[2]).norm()).numpy(), abs=1e-6)
    assert second.norm().item() == pytest.approx(1)


def test_the_loss_is_infonce_in_four_directions() -> None:
    """Without a queue and augmentation both sides are held against the batch alone, by the formula."""
    reader, module = learning()
    texts = batch([[0], [1]], [[2, 3], [4]])
    sides = [reader.vectors(texts[:2]), reader.vectors(texts[2:])]
    wanted = []
    for asked in sides:
        for right in sides:
            shares = torch.softmax(asked @ right.T / 0.5, dim=1).diagonal()
            wanted.append(-torch.log(shares).mean().item())
    assert module.loss(texts).item() == pytest.approx(np.mean(wanted), rel=1e-5)


def test_the_slow_copy_follows() -> None:
    reader, module = learning()
    with torch.no_grad():
        reader.table += 1
    module.loss(batch([[0]], [[1]]))
    (slow,) = module.slow.parameters()  # type: ignore[attr-defined]
    assert slow.numpy() == pytest.approx(table() + 0.1, abs=1e-5)


def test_the_queue_holds_the_last_texts_of_the_copy() -> None:
    _, module = learning(Contrast(temperature=0.5, momentum=0.9, queue=3, augmented=0.0))
    first, second = batch([[0], [1]], [[2], [3]]), batch([[4], [5]], [[6], [7]])
    before = module.loss(first).item()
    module.loss(second)
    held = embedded(torch.from_numpy(table()), flat([[6], [7], [2], [3]])).numpy()
    assert int(module.queued) == 4
    assert module.queues[1].numpy() == pytest.approx(held[[1, 3, 0]], abs=1e-5), "the oldest gave way"
    assert module.loss(first).item() > before, "there is more to be told apart"


def test_gradients_flow_through_a_queue() -> None:
    reader, module = learning(Contrast(temperature=0.1, momentum=0.9, queue=8, augmented=0.3))
    for step in range(3):
        module.loss(batch([[step], [step + 1]], [[step + 2], [step + 3]])).backward()  # type: ignore[no-untyped-call]
    assert reader.table.grad is not None
    assert torch.isfinite(reader.table.grad).all()


def test_augmentation_changes_the_share_that_it_says() -> None:
    torch.manual_seed(0)
    reader = TableReader(np.eye(4000, dtype=np.float32))
    (vector,) = reader.vectors(reader.augmented(reader.collated([list(range(4000))]), 0.4))
    kept = (vector > 0).float().mean().item()
    # 40 % change: 20 % go, 20 % become another, which most often is there already.
    assert kept == pytest.approx(0.6 + 0.4 * 0.18, abs=0.05)


def test_words_that_mean_the_same_come_together() -> None:
    """Queries say tokens 0 to 4, codes say 5 to 9 for the same things: chance is (1 + 1/2 + … + 1/5) / 5."""
    reader, module = learning(Contrast(temperature=0.2, momentum=0.9, queue=16, augmented=0.0))
    queries, codes = [[n] for n in range(5)], [[n + 5] for n in range(5)]
    before = reciprocal_rank(reader, queries, codes)
    optimizer = torch.optim.AdamW([reader.table], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        module.loss(batch(queries, codes)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert before < 0.8
    assert reciprocal_rank(reader, queries, codes) == 1.0


def test_equal_scores_count_as_ahead() -> None:
    same = TableReader(np.ones((4, 3), dtype=np.float32))
    assert reciprocal_rank(same, [[0], [1]], [[2], [3]]) == 0.5
