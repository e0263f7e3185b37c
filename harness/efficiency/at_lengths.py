"""Batches of 32 sequences at five lengths, whatever those of the task: the study of Long Range Arena's Table 2.

Counts of one length do not tell those of another where a mixer has blocks, landmarks or a length from which it
approximates. So each length is traced, and what came out is kept beside the stages that a task uses.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.efficiency.ledger import Phase
from harness.efficiency.work import Stage

LENGTHS = (1024, 2048, 3072, 4096, 16384)
"""Symbols; the first four are those of the paper (Tay et al. 2021, 2011.04006)."""
BATCH = 32
ANSWER, TRAIN = f"answer {BATCH} sequences", f"train on {BATCH} sequences"
"""Names of the two stages; no prediction uses them."""


def phases(stages: Sequence[Stage], name: str) -> dict[int, Phase]:
    """Length → what a batch of it takes; empty if it was not traced."""
    return {length: phase for stage in stages if stage.name == name for length, phase in stage.prompt}
