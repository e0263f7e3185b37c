"""The scorer of a detector: two labels, a score for the second, and what kind of attack each example was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Classes, Prediction
from harness.errors import InvalidPrediction
from harness.metrics.classification import LabelScorer
from harness.metrics.detection import detection_metrics

if TYPE_CHECKING:
    from harness.contract import FloatArray

BENIGN, ATTACK = "benign", "attack"


@dataclass(frozen=True)
class Flow:
    """What is known of an example."""

    kind: str
    """The type of attack, or of what is benign."""
    family: str
    """The types' group; empty for a benign one."""
    is_unseen: bool
    """True for a type of attack that training does not have."""

    @property
    def label(self) -> str:
        return ATTACK if self.family else BENIGN


class DetectionScorer(LabelScorer):
    """Scores `attack` and `benign` against what is known; without an answer a flow passes as benign."""

    def __init__(self, flows: Mapping[str, Flow]) -> None:
        self._flows = flows
        self._families = sorted({flow.family for flow in flows.values() if flow.family})
        gold = {id: flow.label for id, flow in flows.items()}
        groups = {id: {"kind": flow.kind, "family": flow.family or BENIGN} for id, flow in flows.items()}
        has_unseen = any(flow.is_unseen for flow in flows.values())
        super().__init__((BENIGN, ATTACK), gold, groups, detection_metrics(self._families, has_unseen=has_unseen))

    def check(self, prediction: Prediction) -> None:
        """As for any label; the score of `attack` is a probability. Raises `InvalidPrediction`."""
        super().check(prediction)
        if isinstance(prediction.output, Classes) and not 0 <= prediction.output.scores.get(ATTACK, 0.0) <= 1:
            score = prediction.output.scores[ATTACK]
            raise InvalidPrediction(
                f"example {prediction.id!r} has a score of {score:g}, which is no probability",
                hint="Give the probability of an attack, from 0 to 1, or no score.",
            )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """Indicators by example, and `score`: the probability of an attack, or the label where there is none."""
        outputs = [predictions[id].output if id in predictions else None for id in example_ids]
        flows = [self._flows[id] for id in example_ids]
        said = np.array([isinstance(o, Classes) and o.label == ATTACK for o in outputs], dtype=np.float64)
        scores = [o.scores.get(ATTACK) if isinstance(o, Classes) else None for o in outputs]
        attack = np.array([bool(flow.family) for flow in flows], dtype=np.float64)
        hit = attack * said
        answered = np.array([isinstance(o, Classes) for o in outputs])
        columns = {
            "attack": attack,
            "benign": 1 - attack,
            "hit": hit,
            "false_alarm": said - hit,
            "right": np.where(answered, attack == said, False).astype(np.float64),
            "score": np.array([label if score is None else score for label, score in zip(said, scores, strict=True)]),
        }
        # What each flow adds to the two shares of what is right, so that runs can be compared pair by pair.
        sizes = np.where(attack == 1, attack.sum(), (1 - attack).sum())
        columns |= {"accuracy": columns["right"], "balanced_accuracy": columns["right"] * len(flows) / (2 * sizes)}
        members = {family: [flow.family == family for flow in flows] for family in self._families}
        for name, inside in {"unseen": [flow.is_unseen for flow in flows], **members}.items():
            column = np.array(inside, dtype=np.float64)
            columns |= {f"attack[{name}]": column, f"hit[{name}]": column * said}
        return columns

    def gold(self, example_id: str) -> dict[str, Any]:
        """The label, the type of attack, and whether training has it."""
        flow = self._flows[example_id]
        return super().gold(example_id) | {"kind": flow.kind, "unseen_in_training": flow.is_unseen}
