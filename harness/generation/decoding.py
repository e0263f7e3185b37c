"""Decoding in batches: one row a text, left-padded, greedily or by seeded sampling, after a beginning that is kept."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.efficiency.trace import CACHE_ARGUMENTS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Row:
    """One text to be generated."""

    prompt: Sequence[int]
    """Tokens after the shared beginning, at least one."""
    seed: int = 0
    """Of this row alone: what else is in the batch does not change what is drawn."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the likeliest at temperature 0."""

    temperature: float = 0.0
    top_p: float = 1.0


class Decoder:
    """A causal language model and the keys and values of one beginning."""

    def __init__(self, model: Any, *, pad_id: int, stop_ids: Sequence[int]) -> None:
        self._model, self._pad_id, self._stop_ids = model, pad_id, frozenset(stop_ids)
        self._kept: tuple[tuple[int, ...], Any] = ((), None)
        known = inspect.signature(model.forward).parameters
        self._cache = next(name for name in CACHE_ARGUMENTS if name in known)

    @property
    def kept(self) -> tuple[int, ...]:
        """Tokens of the beginning whose keys and values are at hand."""
        return self._kept[0]

    def keep(self, beginning: Sequence[int]) -> None:
        """Compute a beginning; the one that was kept before is let go."""
        import torch

        self._kept = ((), None)
        if beginning:
            with torch.inference_mode():
                outputs = self._forward(torch.tensor([list(beginning)], device=self._model.device))
            self._kept = (tuple(beginning), self._cache_of(outputs))

    def generate(self, rows: Sequence[Row], most_tokens: int, sampling: Sampling, *, after: int) -> list[list[int]]:
        """The tokens of each row up to a stop token, that included, or `most_tokens`.

        `after` is how many tokens the kept beginning has that the rows come after: all of it or 0.
        """
        import torch

        with torch.inference_mode():
            return self._generate(rows, most_tokens, sampling, after)

    def log_probabilities(
        self, rows: Sequence[Sequence[int]], *, after: int
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each row, of its tokens but the first [len - 1], and of whatever follows it [vocabulary].

        Natural logarithms, float32 on the CPU; `after` as in `generate`.
        """
        import torch

        found = []
        with torch.inference_mode():
            for row in rows:  # one at a time: all logits of a row are in memory together
                outputs, _, _ = self._read([row], after, logits_to_keep=0)
                logarithms = outputs.logits[0].float().log_softmax(-1).cpu()
                steps = logarithms[:-1].gather(1, torch.tensor(list(row[1:]), dtype=torch.long)[:, None])[:, 0]
                found.append((steps, logarithms[-1]))
        return found

    def _read(
        self, rows: Sequence[Sequence[int]], after: int, logits_to_keep: int = 1
    ) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """One call over all rows; also the mask [rows, after + width], and the positions of the last tokens [rows]."""
        import torch

        width, device = max(map(len, rows)), self._model.device
        ids = torch.full((len(rows), width), self._pad_id)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, width - len(row) :] = torch.tensor(list(row))
            mask[place, width - len(row) :] = 1
        positions = (after + mask.cumsum(1) - 1).clamp(min=0)
        whole = torch.cat([torch.ones((len(rows), after), dtype=torch.long), mask], dim=1).to(device)
        cache = None
        if after:
            cache = copy.deepcopy(self._kept[1])
            if len(rows) > 1:
                cache.batch_repeat_interleave(len(rows))
        outputs = self._forward(ids.to(device), whole, positions.to(device), cache, logits_to_keep)
        return outputs, whole, positions[:, -1].to(device)

    def _generate(self, rows: Sequence[Row], most_tokens: int, sampling: Sampling, after: int) -> list[list[int]]:
        import torch

        outputs, mask, positions = self._read([row.prompt for row in rows], after)
        generators = [torch.Generator().manual_seed(row.seed) for row in rows]
        texts: list[list[int]] = [[] for _ in rows]
        live = list(range(len(rows)))  # rows of the batch; some may be finished
        while True:
            chosen = self._choose(outputs.logits[:, -1], sampling, [generators[row] for row in live])
            for row, token in zip(live, chosen, strict=True):
                if not self._is_done(texts[row], most_tokens):
                    texts[row].append(token)
            going = [place for place, row in enumerate(live) if not self._is_done(texts[row], most_tokens)]
            if not going:
                return texts
            cache = self._cache_of(outputs)
            if 2 * len(going) <= len(live):  # copying keys and values is not worth it for fewer
                kept = torch.tensor(going, device=mask.device)
                cache.batch_select_indices(kept)
                mask, positions = mask[kept], positions[kept]
                live, chosen = [live[place] for place in going], [chosen[place] for place in going]
            mask = torch.cat([mask, mask.new_ones((len(live), 1))], dim=1)
            positions = positions + 1
            ids = torch.tensor(chosen, device=mask.device)[:, None]
            outputs = self._forward(ids, mask, positions[:, None], cache)

    def _is_done(self, text: Sequence[int], most_tokens: int) -> bool:
        return len(text) >= most_tokens or (bool(text) and text[-1] in self._stop_ids)

    def _forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        cache: Any = None,
        logits_to_keep: int = 1,
    ) -> Any:
        """Logits of the last position only, unless 0 asks for all: over a long prompt they would fill the memory."""
        return self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=logits_to_keep,
            **{self._cache: cache},
        )

    @staticmethod
    def _cache_of(outputs: Any) -> Any:
        return outputs[next(name for name in CACHE_ARGUMENTS if name in outputs)]

    @staticmethod
    def _choose(logits: torch.Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> list[int]:
        import torch

        if sampling.temperature == 0:
            likeliest: list[int] = logits.argmax(-1).tolist()
            return likeliest
        chances = torch.softmax(logits.float().cpu() / sampling.temperature, dim=-1)
        if sampling.top_p < 1:
            ordered, order = chances.sort(-1, descending=True)
            beyond = ordered.cumsum(-1) - ordered >= sampling.top_p
            chances = chances.scatter(-1, order, ordered.masked_fill(beyond, 0.0))
        drawn = [torch.multinomial(row, 1, generator=g) for row, g in zip(chances, generators, strict=True)]
        return [int(token) for token in drawn]
