"""What a trained model does, found by trying: whether padding, batch-mates or later symbols change its answers."""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.backbone import Architecture, Backbone

_ALIKE = 1e-4
"""Greatest difference of scores that rounding may make, relative to the greatest score."""
_PADDING = 7
_SIZE = 0.10
"""How much larger or smaller than the base a model may be to count as of its size, as in Long Range Arena."""


def badges(model: Backbone, ids: torch.Tensor) -> dict[str, str]:
    """ "yes" or "no" for each badge, tried on sequences [batch, n] or pairs [batch, 2, n] of one length."""
    model.eval()
    longest = model.places.shape[0] - (model.pooling == "cls")
    room = min(_PADDING, longest // 2)
    ids = ids[..., : longest - room]  # else there is nowhere to pad, and nothing is tried
    with torch.no_grad():
        whole = model(ids)
        found = {
            "padding_invariant": _is_alike(whole, model(*_padded(model, ids, room))),
            "batch_invariant": _is_alike(whole, torch.cat([model(one) for one in ids.split(1)])),
            "causal": _is_causal(model, ids.flatten(0, -2)),
        }
    return {name: "yes" if holds else "no" for name, holds in found.items()}


def _padded(model: Backbone, ids: torch.Tensor, room: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    padded = nn.functional.pad(ids, (0, room))
    there = torch.zeros_like(padded, dtype=torch.bool)
    there[..., : ids.shape[-1]] = True
    return padded, there if model.takes_mask else None


def _is_causal(model: Backbone, ids: torch.Tensor) -> bool:
    """Whether other symbols in the second half leave the states of the first half as they were."""
    half = ids.shape[1] // 2
    changed = ids.clone()
    changed[:, half:] = (changed[:, half:] + 1) % 255 + 1
    return half > 0 and _is_alike(model.states(ids)[:, :half], model.states(changed)[:, :half])


def _is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= _ALIKE * max(1.0, float(one.abs().max())))


def size_of(made: Architecture) -> int:
    """Parameters of a model, without making it."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Backbone(made).parameters())


def is_size_matched(parameters: int, base: int) -> bool:
    """Whether a model has as many parameters as its base, within 10 %."""
    return abs(parameters - base) <= _SIZE * base
