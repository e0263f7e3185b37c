"""Training in the loop: any torch module, within a budget, with checkpoints that survive a crash.

`settings`: how much and how (budget, optimizer, schedule). `batches`: which examples make a batch of which step.
`checkpoints`: all that a training needs to go on, in one safetensors file. `loop`: the training itself.
"""

from harness.training.batches import Shuffled
from harness.training.loop import Plan, Trained, train
from harness.training.settings import Budget, OptimizerSettings

__all__ = ["Budget", "OptimizerSettings", "Plan", "Shuffled", "Trained", "train"]
