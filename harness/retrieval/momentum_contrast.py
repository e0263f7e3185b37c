"""Learning an encoder of queries and code from pairs, as CoCoSoDa does (Shi et al. 2023, arXiv:2204.03293).

Each text is read twice: as it is by the encoder that learns, and softly augmented by a slow copy of it, whose weights
follow as a moving average (He et al. 2020, arXiv:1911.05722). A query has to find its own code among the batch and a
queue of codes that the copy read before, and itself among queries; a code likewise. With vectors of length 1 and
temperature t, each of the four losses is InfoNCE: -log of the softmax of the right similarity / t.

The encoder is a table of token vectors, and a text the direction of their sum, so a step costs a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Texts: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Token ids of texts one after the other [tokens], and where each text begins [texts]."""


@dataclass(frozen=True)
class Contrast:
    """How pairs are held against each other."""

    temperature: float
    momentum: float
    """What the slow copy keeps of itself in a step."""
    queue: int
    """Texts of earlier batches that are held against, of each side."""
    augmented: float
    """The share of tokens that augmentation changes: half of them are taken away, half become another token."""


class MomentumContrast(torch.nn.Module):
    """The table that learns, its slow copy, and the queues: all of it state, so that a training can go on."""

    def __init__(self, table: npt.NDArray[np.float32], contrast: Contrast) -> None:
        super().__init__()
        self.contrast = contrast
        self.table = torch.nn.Parameter(torch.from_numpy(table.copy()))
        self.slow: torch.Tensor
        self.queues: torch.Tensor
        self.queued: torch.Tensor
        self.register_buffer("slow", torch.from_numpy(table.copy()))
        self.register_buffer("queues", torch.zeros(2, contrast.queue, table.shape[1]))
        self.register_buffer("queued", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        """Of a batch of ids and starts of queries, then of codes; the slow copy and the queues move on."""
        texts = [(batch[0], batch[1]), (batch[2], batch[3])]
        learning = [embedded(self.table, its) for its in texts]
        with torch.no_grad():
            self.slow.lerp_(self.table, 1 - self.contrast.momentum)
            steady = [self._augmented(its) for its in texts]
        losses = [
            self._nce(learning[side], steady[other], self._earlier(other)) for side in range(2) for other in range(2)
        ]
        self._enqueue(steady)
        return torch.stack(losses).mean()

    def _augmented(self, texts: Texts) -> torch.Tensor:
        """Vectors by the slow copy of texts that lost some tokens and have others of the batch in place of some."""
        ids, starts = texts
        drawn = torch.rand(len(ids))
        others = ids[torch.randint(len(ids), (len(ids),))]
        half = self.contrast.augmented / 2
        changed = torch.where((drawn >= half) & (drawn < 2 * half), others, ids)
        return embedded(self.slow, (changed, starts), weights=(drawn >= half).to(self.slow.dtype))

    def _nce(self, asked: torch.Tensor, right: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        similar = asked @ torch.cat([right, earlier]).T / self.contrast.temperature
        return functional.cross_entropy(similar, torch.arange(len(asked), device=similar.device))

    def _earlier(self, side: int) -> torch.Tensor:
        """What the queue of a side holds so far."""
        return self.queues[side, : min(int(self.queued), self.contrast.queue)]

    def _enqueue(self, vectors: Sequence[torch.Tensor]) -> None:
        if self.contrast.queue:
            places = (int(self.queued) + torch.arange(len(vectors[0]))) % self.contrast.queue
            for side, its in enumerate(vectors):
                # A copy: the losses of this step still read the old one when they are differentiated.
                self.queues = self.queues.index_put((torch.full_like(places, side), places), its)
            self.queued += len(places)


def embedded(table: torch.Tensor, texts: Texts, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Unit vectors [texts, d]: the directions of the (weighted) sums of token vectors; zero for no tokens."""
    ids, starts = texts
    sums = functional.embedding_bag(ids, table, starts, mode="sum", per_sample_weights=weights)
    return functional.normalize(sums, dim=1)


def flat(texts: Sequence[Sequence[int]]) -> Texts:
    """Token ids of texts one after the other."""
    starts = np.cumsum([0, *(len(text) for text in texts[:-1])])
    ids = np.concatenate([np.asarray(text, dtype=np.int64) for text in texts])
    return torch.from_numpy(ids), torch.from_numpy(starts)


def reciprocal_rank(table: torch.Tensor, queries: Texts, codes: Texts) -> float:
    """Mean reciprocal rank of each query's own code among all; equals count as ahead of it."""
    similar = embedded(table, queries) @ embedded(table, codes).T
    return float((1 / (similar >= similar.diagonal()[:, None]).sum(1)).float().mean())
