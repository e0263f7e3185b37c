"""What each mixer takes at 1k to 16k symbols, batch 32, counted by trace: inference and training, and how it grows.

The model is Long Range Arena's for its own efficiency table: byte text, 4 blocks of width 256, 4 heads, 1,024 inside.
Nothing is run and no clock is read, so the figures are the same on every machine and every time.

    python benchmarks/sequence_work.py [MIXER ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from harness.efficiency.hardware import hardware
from harness.efficiency.ledger import Phase
from harness.efficiency.pricing import bound_seconds
from harness.sequence.backbone import Architecture, Backbone
from harness.sequence.mixers import MIXERS
from harness.sequence.work import classify, growth, train_step

LENGTHS = (1024, 2048, 3072, 4096, 16384)
BATCH = 32
HARDWARE = "H100-SXM"


def rows(mixer: str) -> Iterator[dict[str, Any]]:
    """A row for each length."""
    for n in LENGTHS:
        made = Architecture(mixer, "layer_norm", "dense", 256, 4, 4, 1024, n, 2)
        model = Backbone(made)
        yield {
            "mixer": mixer,
            "n": n,
            **_counts("inference", classify(model.eval(), made, BATCH, n)),
            **_counts("training", train_step(model, made, BATCH)),
        }


def _counts(what: str, phase: Phase) -> dict[str, Any]:
    return {
        f"{what}_gflop": round(phase.flops / 1e9, 1),
        f"{what}_peak_mib": round(phase.peak_bytes / 2**20, 1),
        f"{what}_bound_ms": round(1000 * bound_seconds(phase, hardware(HARDWARE)), 3),
        f"{what}_unpriced": phase.unpriced,
    }


def main() -> None:
    for mixer in sys.argv[1:] or MIXERS:
        made = Architecture(mixer, "layer_norm", "dense", 256, 4, 4, 1024, LENGTHS[-1], 2)
        print(json.dumps({"mixer": mixer, "attention": "fused", **growth(made)}), flush=True)
        for row in rows(mixer):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
