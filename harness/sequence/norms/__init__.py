"""The norms, by the name that a submission gives; each is made for a width, and for the steps of its warm-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from harness.sequence.norms.batch_norm import BatchNorm
from harness.sequence.norms.layer_norm import LayerNorm
from harness.sequence.norms.power_norm import PowerNorm
from harness.sequence.norms.rms_norm import RmsNorm
from harness.sequence.norms.unified import UnifiedNorm

NORMS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "power_norm": PowerNorm,
    "rms_norm": RmsNorm,
    "unified": UnifiedNorm,
}
