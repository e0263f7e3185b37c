"""A transformer of few layers as a reader that learns by contrast, and what came of it as a folder of weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from harness.errors import SubmissionError
from harness.retrieval.encoder import Pooling, load_model, pool
from harness.retrieval.momentum_contrast import Batch, TokenIds
from harness.retrieval.tokens import WIDTH_STEP, TextTokenizer

_TOKENIZER_FILES = ("tokenizer*.json", "special_tokens_map.json", "vocab.*", "merges.txt", "*.model")


class TransformerReader(torch.nn.Module):
    """The first layers of an encoder, pooled, as unit vectors."""

    def __init__(self, folder: Path, layers: int, tokens: int, pooling: Pooling, device: str) -> None:
        super().__init__()
        self.model = shortened(load_model("AutoModel", folder, "float32", tokens), layers, folder)
        self._tokenize = TextTokenizer(folder, tokens)
        pretrained = self._tokenize.pretrained
        self._mask_id = pretrained.mask_token_id if pretrained.mask_token_id is not None else self._tokenize.pad_id
        self._special = torch.tensor(sorted(pretrained.all_special_ids))
        self._pooling, self._device = pooling, device
        self.width = int(self.model.config.hidden_size)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special ones, cut."""
        return self._tokenize(texts).ids

    def collated(self, texts: TokenIds) -> list[torch.Tensor]:
        """Ids and mask, [texts, tokens] each."""
        width = -(-max(len(text) for text in texts) // WIDTH_STEP) * WIDTH_STEP
        width = min(width, int(getattr(self.model.config, "max_position_embeddings", width)))
        ids = [[*text, *[self._tokenize.pad_id] * (width - len(text))] for text in texts]
        mask = [[1] * len(text) + [0] * (width - len(text)) for text in texts]
        return [torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)]

    def vectors(self, batch: Batch) -> torch.Tensor:
        ids, mask = batch
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return functional.normalize(pool(states, mask, self._pooling), dim=1)

    def augmented(self, batch: Batch, share: float) -> Batch:
        """What is taken away is masked; special tokens stay."""
        ids, mask = batch
        free = mask.bool() & ~torch.isin(ids, self._special.to(ids.device))
        drawn = torch.rand(ids.shape).to(ids.device)
        texts = ids[free]
        others = texts[torch.randint(max(1, len(texts)), ids.shape)] if len(texts) else ids
        masked = torch.where(free & (drawn < share / 2), self._mask_id, ids)
        return torch.where(free & (drawn >= share / 2) & (drawn < share), others, masked), mask

    def save(self, origin: Path, folder: Path) -> None:
        """Write weights, configuration and the tokenizer of `origin` as a folder that encoders are loaded from."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        for pattern in _TOKENIZER_FILES:
            for path in origin.glob(pattern):
                shutil.copyfile(path, folder / path.name)


def shortened(model: Any, layers: int, folder: Path) -> Any:
    """The model without the layers above the first `layers`. Raises `SubmissionError` for one that has no such list."""
    stack = getattr(model, "encoder", model)
    name = next((name for name in ("layer", "layers", "block") if hasattr(stack, name)), None)
    if name is None or not hasattr(model.config, "num_hidden_layers"):
        raise SubmissionError(
            f"{folder.name} is not built as a list of layers that can be cut", hint="BERT, RoBERTa and their kin are."
        )
    setattr(stack, name, getattr(stack, name)[:layers])
    model.config.num_hidden_layers = len(getattr(stack, name))
    return model
