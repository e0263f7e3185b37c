"""What a sequence model's stages take, traced; and how that of its mixer grows with the length."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from harness.efficiency.at_lengths import ANSWER, BATCH, LENGTHS
from harness.efficiency.at_lengths import TRAIN as TRAIN_ON
from harness.efficiency.ledger import Memory, Phase
from harness.efficiency.trace import trace, trace_growing
from harness.efficiency.training import trace_training
from harness.efficiency.work import Stage
from harness.sequence.backbone import Architecture, Backbone
from harness.sequence.mixers import MIXERS
from harness.sequence.mixers.lightning import BLOCK
from harness.sequence.slots import Shape

CLASSIFY, TRAIN = "classify", "train step"
FIRST_LENGTH, LAST_LENGTH = 4096, 16384
"""Between which growth is taken."""


def classify_stage(model: Backbone, made: Architecture) -> Stage:
    """One example by its symbols, at three lengths, or at the greatest alone where a longer one takes other calls."""
    counted = [(n, trace_growing(model, partial(_arguments, made, n), phase=CLASSIFY)) for n in _lengths(made)]
    sides = 2 if made.pair else 1
    return Stage(
        CLASSIFY,
        prompt=tuple((sides * n, phase) for n, phase in counted),
        memory=Memory(weights_bytes=_weights_bytes(model)),
        hidden_size=made.width,
        heads=made.heads,
    )


def stages_at_lengths(made: Architecture) -> tuple[Stage, Stage]:
    """Answering and training on a batch at each of `at_lengths.LENGTHS`, by a model that is made for that length."""
    answered, trained, weights = [], [], 0
    for n in LENGTHS:
        longer = replace(made, length=n)
        model = Backbone(longer)
        weights = _weights_bytes(model)
        answered.append((n, classify(model.eval(), longer, BATCH, n)))
        trained.append((n, train_step(model, longer, BATCH)))
    memory = Memory(weights_bytes=weights)
    return Stage(ANSWER, prompt=tuple(answered), memory=memory), Stage(TRAIN_ON, prompt=tuple(trained), memory=memory)


def train_step(model: Backbone, made: Architecture, batch: int, n: int | None = None) -> Phase:
    """One step of AdamW on a batch of sequences of the greatest length, or of another."""
    labels = torch.zeros(batch, dtype=torch.int64)
    return trace_training(
        model,
        {"ids": _ids(made, batch, n or made.length)},
        lambda scores: nn.functional.cross_entropy(scores, labels.to(scores.device)),
        lambda parameters: torch.optim.AdamW(parameters, fused=True),
        phase=TRAIN,
    )


def classify(model: Backbone, made: Architecture, batch: int, n: int) -> Phase:
    """A batch of sequences of one length."""
    return trace(model, {"ids": _ids(made, batch, n)}, phase=CLASSIFY)


def growth(made: Architecture, first: int = FIRST_LENGTH, last: int = LAST_LENGTH) -> dict[str, float]:
    """Exponents of n in the mixer's FLOPs and in the bytes alive at once, from one length to another.

    Products with weights (projections) are left out: they are linear in n whatever the mixer, and would hide it.
    """
    ends = [_mixer_alone(made, n, last) for n in (first, last)]
    logs = [(math.log(alone), math.log(peak)) for alone, peak in ends]
    over = math.log(last / first)
    flops, live = ((end - start) / over for start, end in zip(*logs, strict=True))
    return {"growth_of_flops": round(flops, 4), "growth_of_bytes": round(live, 4)}


def _mixer_alone(made: Architecture, n: int, length: int) -> tuple[float, int]:
    mixer = MIXERS[made.mixer](Shape(made.width, made.heads, length, 0, made.depth, made.causal)).eval()
    phase = trace(mixer, {"x": torch.empty(1, n, made.width)}, phase="mix")
    own = sum(o.count * o.flops for o in phase.operations if not (o.kind == "matmul" and o.weight_bytes))
    return own, phase.peak_bytes


def _weights_bytes(model: Backbone) -> int:
    return sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))


def _lengths(made: Architecture) -> list[int]:
    """Odd ones: a length that equals a width would have calls counted as one that are two at other lengths."""
    if made.mixer == "nystromformer" or (made.mixer == "lightning" and made.length > BLOCK):
        return [made.length]
    return sorted({max(1, (made.length * part // 4 - 1) | 1) for part in (1, 2, 4)})


def _arguments(made: Architecture, n: int, batch: int) -> dict[str, torch.Tensor]:
    return {"ids": _ids(made, batch, n)}


def _ids(made: Architecture, batch: int, n: int) -> torch.Tensor:
    shape = (batch, 2, n) if made.pair else (batch, n)
    return torch.ones(shape, dtype=torch.int64)
