"""Ledgers of encoders and classifiers from nothing but their configuration: no weights, no accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.efficiency.architectures import Role, available_attention, reads_images_alone
from harness.efficiency.batches import Record
from harness.efficiency.extrapolation import Counter, Facts, Way, extrapolated
from harness.efficiency.ledger import Ledger, Memory
from harness.efficiency.model_configs import check_context, check_positive
from harness.efficiency.quantisation import Quantisation
from harness.efficiency.trace import Attention

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

    from harness.retrieval.encoder import Pooling


def encoder_ledger(
    config: PretrainedConfig,
    *,
    batch: int,
    tokens: int,
    dtype: str,
    attention: Attention = "fused",
    quantisation: Quantisation | None = None,
    head: bool = False,
    pooling: Pooling | None = None,
    normalize: bool = False,
) -> Ledger:
    """Phase "encode": `batch` texts of `tokens` each, as many images, or both where the model takes both.

    With `head` it is "classify" instead, the classification head that the configuration names included. With `pooling`
    the token states become one vector, as the dense kind makes it, of length 1 if `normalize`.
    Raises `InputError` for lengths of 0 or beyond the model's context, and for unknown dtypes.
    """
    check_positive(batch=batch, tokens=tokens)
    vision = getattr(config, "vision_config", None) or (config if reads_images_alone(config) else None)
    if not reads_images_alone(config):
        check_context(config.get_text_config(), tokens, "tokens")
    role: Role = "classifier" if head else "encoder"
    phase = "classify" if head else "encode"

    def recorded(module: torch.nn.Module, count: Counter, sequences: int) -> Iterator[tuple[Record, Facts]]:
        import torch

        inputs: dict[str, Any] = {}
        if not reads_images_alone(config):
            inputs["input_ids"] = torch.ones((sequences, tokens), dtype=torch.long)
        if vision is not None:
            size, channels = vision.image_size, getattr(vision, "num_channels", 3)
            height, width = (size, size) if isinstance(size, int) else size
            inputs["pixel_values"] = torch.zeros(sequences, channels, height, width, dtype=getattr(torch, dtype))
        yield count(inputs, phase, _pooled(module, pooling, normalize) if pooling else module), {}

    way = Way(config, role, dtype, available_attention(config, role, attention), batch, quantisation)
    traced = extrapolated(way, recorded)
    return traced.ledger(way, Memory(weights_bytes=traced.weights_bytes))


def _pooled(encoder: torch.nn.Module, pooling: Pooling, normalize: bool) -> torch.nn.Module:
    import torch

    from harness.retrieval.encoder import pool  # what the dense kind runs, so that the ledger follows it

    class Pooled(torch.nn.Module):
        """An encoder of one vector a text."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, **inputs: Any) -> torch.Tensor:
            states = self.encoder(**inputs).last_hidden_state
            mask = torch.ones(states.shape[:2], dtype=torch.long)
            vectors = pool(states, mask, pooling).float()
            return torch.nn.functional.normalize(vectors, dim=1) if normalize else vectors

    return Pooled()
