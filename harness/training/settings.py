"""How much a training may take, and how it takes its steps."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from harness.config import Documented
from harness.efficiency.ledger import Phase

Schedule = Literal["constant", "linear", "cosine", "rsqrt"]


class Budget(Documented):
    """What a training may take: exactly one of steps, operations, or seconds on reference hardware.

    Equal steps, equal operations and equal seconds are three different footings (after Languini Kitchen, 2309.11197,
    which gives each model the steps that fit into so many hours of one GPU). Operations and seconds become steps
    before the first one, by what a step takes as traced; so the result does not depend on the machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int | None = Field(default=None, ge=1)
    """Updates of the weights."""
    flops: float | None = Field(default=None, gt=0)
    """Floating-point operations of all steps: forward, backward and update."""
    seconds: float | None = Field(default=None, gt=0)
    """Idealized seconds of all steps on `hardware`."""
    hardware: str = "H100-SXM"
    """Reference hardware that `seconds` are counted on."""

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if sum(amount is not None for amount in (self.steps, self.flops, self.seconds)) != 1:
            raise ValueError("a budget is one of steps, flops and seconds")
        return self

    def in_steps(self, step: Phase) -> int:
        """How many steps it allows, at least 1, of which each takes what `step` counts."""
        from harness.efficiency.hardware import hardware
        from harness.efficiency.pricing import bound_seconds

        if self.steps is not None:
            return self.steps
        if self.flops is not None:
            return max(1, int(self.flops / step.flops))
        assert self.seconds is not None
        return max(1, int(self.seconds / bound_seconds(step, hardware(self.hardware))))


class OptimizerSettings(Documented):
    """AdamW (Loshchilov and Hutter, 1711.05101), and how its step size goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(default=1e-3, gt=0)
    """At its highest."""
    schedule: Schedule = "cosine"
    """How the learning rate falls after warm-up: to zero along a line or half a cosine, with 1 / sqrt(step), or not."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from zero."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of matrices; gains and biases have none."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Longest gradient; a longer one is scaled down. Null for any."""

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0, of so many."""
        warmup = math.ceil(self.warmup * steps)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        match self.schedule:
            case "constant":
                return self.learning_rate
            case "linear":
                return self.learning_rate * (1 - done)
            case "cosine":
                return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
            case "rsqrt":
                return self.learning_rate * math.sqrt(max(1, warmup) / max(1, step + 1))
