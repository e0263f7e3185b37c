"""Ledgers of models that generate text from images and text, from nothing but their configuration.

The images go through a tower and a projector (phase "vision"), and become tokens of the prompt. What follows is text
generation, with the image tokens at the start of the prompt: their place does not change what is counted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from harness.efficiency.architectures import available_attention
from harness.efficiency.batches import Record
from harness.efficiency.extrapolation import Counter, Facts, Way, extrapolated
from harness.efficiency.generation import Calls, generation_memory, state_bytes
from harness.efficiency.ledger import Ledger
from harness.efficiency.model_configs import check_context, check_positive
from harness.efficiency.quantisation import Quantisation
from harness.efficiency.trace import Attention
from harness.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


def vision_language_ledger(
    config: PretrainedConfig,
    *,
    batch: int,
    images: int,
    prompt_tokens: int,
    context_tokens: int,
    dtype: str,
    image_size: int | None = None,
    attention: Attention = "fused",
    logits_to_keep: int = 0,
    quantisation: Quantisation | None = None,
    growing: bool = True,
) -> tuple[Ledger, int]:
    """Phases "vision", "prefill" and "decode" of `batch` sequences with `images` each, and the tokens of an image.

    `prompt_tokens` are those of the text; the prompt has the image tokens beside them, and so has the context.
    `image_size` is the side of a square image in pixels, for models that take any; others have their own.
    Raises `InputError` for lengths of 0 or beyond the model's context, and for a model whose images are not understood.
    """
    check_positive(batch=batch, images=images, prompt_tokens=prompt_tokens, context_tokens=context_tokens)
    attention = available_attention(config, "multimodal", attention)
    way = Way(config, "multimodal", dtype, attention, batch, quantisation, growing)
    tower = _Images(config, image_size, dtype)

    def looked(module: torch.nn.Module, count: Counter, sequences: int) -> Iterator[tuple[Record, Facts]]:
        features = _tower(module)
        inputs = tower.inputs(sequences * images)
        yield count(inputs, "vision", features), {"image_tokens": tower.tokens(features, inputs, images * sequences)}

    # A tower that is told the grids of its images needs values, so it is run: once is enough.
    alone = replace(way, config=_with_little_text(config), growing=growing and not tower.has_grids)
    vision = extrapolated(alone, looked, "vision")
    image_tokens = vision.facts["image_tokens"]
    whole_prompt = prompt_tokens + images * image_tokens
    check_context(config, whole_prompt, f"prompt_tokens, and {images} × {image_tokens} tokens of images,")
    check_context(config, context_tokens + images * image_tokens + 1, "context_tokens, and the token after them,")

    def read(module: torch.nn.Module, count: Counter, sequences: int) -> Iterator[tuple[Record, Facts]]:
        calls = Calls(module, sequences, prompt_tokens, logits_to_keep)
        prompt, of_images = _prompt(module), {"image_features": _features(module, sequences, images * image_tokens)}
        yield count(calls.prompt(prompt_tokens) | of_images, "prefill", prompt), {}
        outputs = prompt(**calls.prompt(context_tokens), **of_images)
        cache = calls.cache_of(outputs)
        before = state_bytes(cache)
        del outputs
        step = calls.prompt(1) | {"image_features": _features(module, sequences, 0), calls.cache_name: cache}
        yield count(step, "decode", prompt), {"before": before, "after": state_bytes(cache)}

    text = extrapolated(way, read, "text")
    memory = generation_memory(text, batch, context_tokens + images * image_tokens)
    both = msgspec.structs.replace(text.ledger(way, memory), phases=(*vision.phases, *text.phases))
    return both, image_tokens


class _Images:
    """What a tower takes of an image: pixels of a fixed size, or patches of any."""

    def __init__(self, config: PretrainedConfig, image_size: int | None, dtype: str) -> None:
        self._config, self._dtype = config, dtype
        self._vision: Any = config.vision_config
        own: int | None = getattr(self._vision, "image_size", None)
        if image_size is not None and own is not None and image_size != own:
            raise InputError(f"{config.model_type} takes images of {own} pixels, not {image_size}")
        if image_size is None and own is None:
            raise InputError(
                f"{config.model_type} takes images of any size, so its cost depends on it",
                hint="Give the side of the image with --image-size, such as 448.",
            )
        self._size = int(own or image_size or 0)
        self._merged = getattr(self._vision, "spatial_merge_size", 1)
        self.has_grids = own is None

    def inputs(self, images: int) -> dict[str, Any]:
        """Stand-ins for so many images."""
        import torch

        channels: int = getattr(self._vision, "num_channels", None) or getattr(self._vision, "in_channels", None) or 3
        kind = getattr(torch, self._dtype)
        if not self.has_grids:
            return {"pixel_values": torch.zeros(images, channels, self._size, self._size, dtype=kind)}
        side = self._patches()
        width = channels * getattr(self._vision, "temporal_patch_size", 1) * self._vision.patch_size**2
        return {
            "pixel_values": torch.zeros(images * side**2, width, dtype=kind),
            "image_grid_thw": torch.tensor([[1, side, side]] * images),
        }

    def tokens(self, tower: torch.nn.Module, inputs: dict[str, Any], images: int) -> int:
        """Tokens of the prompt that one image becomes."""
        from harness.efficiency.live_bytes import tensors

        if self.has_grids:
            return (self._patches() // self._merged) ** 2
        outputs = tower(**inputs)
        rows = tensors(getattr(outputs, "pooler_output", outputs))
        return sum(t.numel() for t in rows) // int(self._config.get_text_config().hidden_size) // images

    def _patches(self) -> int:
        """Along a side; a multiple of those that are merged into a token."""
        side: int = self._size // (self._vision.patch_size * self._merged) * self._merged
        if not side:
            raise InputError(f"an image of {self._size} pixels is smaller than a patch of {self._config.model_type}")
        return side


def _with_little_text(config: PretrainedConfig) -> PretrainedConfig:
    """The same tower beside a text model with few words: it may have to be run for real."""
    less = copy.deepcopy(config)
    text = less.get_text_config()
    text.vocab_size, text.pad_token_id = 2, None
    return less


def _tower(model: torch.nn.Module) -> torch.nn.Module:
    import torch

    class Tower(torch.nn.Module):
        """Tower and projector."""

        def __init__(self) -> None:
            super().__init__()
            self.owner = model

        def forward(self, **inputs: Any) -> Any:
            return self.owner.get_image_features(**inputs)  # type: ignore[operator]

    return Tower()


def _prompt(model: torch.nn.Module) -> torch.nn.Module:
    import torch

    class Prompt(torch.nn.Module):
        """The language model on image features, then text."""

        def __init__(self) -> None:
            super().__init__()
            self.owner = model

        def forward(self, input_ids: torch.Tensor, image_features: torch.Tensor, **rest: Any) -> Any:
            words = self.owner.get_input_embeddings()(input_ids)  # type: ignore[operator]
            both = torch.cat([image_features, words], dim=1) if image_features.shape[1] else words
            return self.owner(inputs_embeds=both, **rest)

    return Prompt()


def _features(model: torch.nn.Module, sequences: int, tokens: int) -> torch.Tensor:
    import torch

    owner: Any = model
    return torch.zeros((sequences, tokens, int(owner.config.get_text_config().hidden_size)), dtype=owner.dtype)
