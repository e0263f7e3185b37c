"""One label for each example: the metrics and the scorer that classification tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.contract import Classes, Failure, Metric, Prediction
from harness.errors import InvalidPrediction, nearest
from harness.metrics.aggregate import mean

if TYPE_CHECKING:
    from harness.contract import FloatArray

ACCURACY = Metric("accuracy", mean("right"), description="Share of examples with the right label.")


class LabelScorer:
    """Scores labels against gold ones (by example id); an example without an answer is wrong."""

    def __init__(
        self,
        labels: Sequence[str],
        gold: Mapping[str, str],
        groups: Mapping[str, Mapping[str, str]],
        metrics: Sequence[Metric] = (ACCURACY,),
    ) -> None:
        self.metrics = metrics
        self._labels, self._gold, self._groups = frozenset(labels), gold, groups

    def check(self, prediction: Prediction) -> None:
        """Pass a `Failure` and a known label with finite scores of known labels. Raises `InvalidPrediction`."""
        match prediction.output:
            case Failure():
                return
            case Classes(label, scores):
                for named in (label, *scores):
                    if named not in self._labels:
                        near = nearest(named, self._labels)
                        raise InvalidPrediction(
                            f"example {prediction.id!r} was answered with {named!r}, which is no label of the task",
                            hint=f"Did you mean {near!r}?" if near else "The request of the task lists its labels.",
                        )
                if not np.isfinite(list(scores.values())).all():
                    raise InvalidPrediction(f"example {prediction.id!r} has a score that is no finite number")
                return
        raise InvalidPrediction(
            f"example {prediction.id!r} was answered with {type(prediction.output).__name__}, not with a label",
            hint="The task asks for a label: return Classes(label).",
        )

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """`right`: 1 for each example with the right label, else 0."""
        outputs = [predictions[id].output if id in predictions else None for id in example_ids]
        said = [output.label if isinstance(output, Classes) else None for output in outputs]
        right = [label == self._gold[id] for label, id in zip(said, example_ids, strict=True)]
        return {"right": np.array(right, dtype=np.float64)}

    def gold(self, example_id: str) -> dict[str, Any]:
        """The label, and the groups that the example is in."""
        return {"label": self._gold[example_id], "groups": dict(self._groups.get(example_id, {}))}
