"""Learning an encoder of queries and code from pairs, as CoCoSoDa does (Shi et al. 2023, arXiv:2204.03293).

Each text is read twice: as it is by the encoder that learns, and softly augmented by a slow copy of it, whose weights
follow as a moving average (He et al. 2020, arXiv:1911.05722). A query has to find its own code among the batch and a
queue of codes that the copy read before, and itself among queries; a code likewise. With vectors of length 1 and
temperature t, each of the four losses is InfoNCE: -log of the softmax of the right similarity / t.

What reads is a `Reader`: a table of token vectors (here), or a transformer (`transformer_reader`).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

TokenIds: TypeAlias = Sequence[Sequence[int]]
"""Of several texts."""
Batch: TypeAlias = Sequence[torch.Tensor]
"""Several texts as a reader takes them."""
_READ_AT_ONCE = 64


class Reader(Protocol):
    """A module that makes unit vectors of texts."""

    width: int
    """Dimensions of its vectors."""

    def collated(self, texts: TokenIds) -> list[torch.Tensor]:
        """Texts as tensors, the same number whatever the texts."""
        ...

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Unit vectors [texts, width]."""
        ...

    def augmented(self, batch: Batch, share: float) -> Batch:
        """The same texts with that share of tokens changed: half of them gone, half another token of the batch."""
        ...


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
    """The reader that learns, its slow copy, and the queues: all of it state, so that a training can go on."""

    def __init__(self, reader: Reader, contrast: Contrast) -> None:
        super().__init__()
        self.contrast = contrast
        self.reader = reader
        self.slow = deepcopy(reader)
        assert isinstance(self.reader, torch.nn.Module) and isinstance(self.slow, torch.nn.Module)
        self.slow.requires_grad_(False)
        self.queues: torch.Tensor
        self.queued: torch.Tensor
        self.register_buffer("queues", torch.zeros(2, contrast.queue, reader.width))
        self.register_buffer("queued", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Of a batch of queries, then of their codes, each as many tensors; the slow copy and the queues move on."""
        texts = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        learning = [self.reader.vectors(its) for its in texts]
        with torch.no_grad():
            self._follow()
            steady = [self.slow.vectors(self.slow.augmented(its, self.contrast.augmented)) for its in texts]
        losses = [
            self._nce(learning[side], steady[other], self._earlier(other)) for side in range(2) for other in range(2)
        ]
        self._enqueue(steady)
        return torch.stack(losses).mean()

    def _follow(self) -> None:
        assert isinstance(self.reader, torch.nn.Module) and isinstance(self.slow, torch.nn.Module)
        for slow, fast in zip(self.slow.parameters(), self.reader.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.contrast.momentum)

    def _nce(self, asked: torch.Tensor, right: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        similar = asked @ torch.cat([right, earlier]).T / self.contrast.temperature
        return functional.cross_entropy(similar, torch.arange(len(asked), device=similar.device))

    def _earlier(self, side: int) -> torch.Tensor:
        """What the queue of a side holds so far."""
        return self.queues[side, : min(int(self.queued), self.contrast.queue)]

    def _enqueue(self, vectors: Sequence[torch.Tensor]) -> None:
        if self.contrast.queue:
            places = (int(self.queued) + torch.arange(len(vectors[0]), device=self.queues.device)) % self.contrast.queue
            for side, its in enumerate(vectors):
                # A copy: the losses of this step still read the old one when they are differentiated.
                self.queues = self.queues.index_put((torch.full_like(places, side), places), its)
            self.queued += len(places)


class TableReader(torch.nn.Module):
    """A table of token vectors [vocabulary, d]; a text is the direction of their sum, so a step costs a look-up."""

    def __init__(self, table: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.from_numpy(table.copy()))
        self.width = table.shape[1]

    def collated(self, texts: TokenIds) -> list[torch.Tensor]:
        """Token ids of texts one after the other [tokens], and where each text begins [texts]."""
        starts = np.cumsum([0, *(len(text) for text in texts[:-1])])
        ids = np.concatenate([np.asarray(text, dtype=np.int64) for text in texts])
        return [torch.from_numpy(ids), torch.from_numpy(starts)]

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Unit vectors; zero for no tokens. A third tensor weighs each token."""
        ids, starts, *weights = batch
        sums = functional.embedding_bag(
            ids, self.table, starts, mode="sum", per_sample_weights=weights[0] if weights else None
        )
        return functional.normalize(sums, dim=1)

    def augmented(self, batch: Batch, share: float) -> Batch:
        """What is taken away weighs nothing."""
        ids, starts = batch
        drawn = torch.rand(len(ids))
        others = ids[torch.randint(len(ids), (len(ids),))]
        changed = torch.where((drawn >= share / 2) & (drawn < share), others, ids)
        return changed, starts, (drawn >= share / 2).to(self.table.dtype)


def reciprocal_rank(reader: Reader, queries: TokenIds, codes: TokenIds) -> float:
    """Mean reciprocal rank of each query's own code among all; equals count as ahead of it."""
    asked, found = (
        torch.cat(
            [
                reader.vectors(reader.collated(texts[start : start + _READ_AT_ONCE]))
                for start in range(0, len(texts), _READ_AT_ONCE)
            ]
        )
        for texts in (queries, codes)
    )
    similar = asked @ found.T
    return float((1 / (similar >= similar.diagonal()[:, None]).sum(1)).float().mean())
