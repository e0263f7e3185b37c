"""One of several labels for each example, where classes are of very different sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.contract import Aggregate, Classes, Metric, Prediction
from harness.metrics.aggregate import mean
from harness.metrics.classification import LabelScorer

if TYPE_CHECKING:
    from harness.contract import FloatArray

OfClass: TypeAlias = "Callable[[FloatArray, FloatArray, FloatArray], FloatArray]"
"""Of a class, from its weights: examples that hit it, that are of it, and that were said to be."""


class ClassScorer(LabelScorer):
    """Scores labels, each class counting the same; a class that an example set does not have counts for nothing."""

    def __init__(self, labels: Sequence[str], gold: Mapping[str, str], groups: Mapping[str, Mapping[str, str]]) -> None:
        self._names = tuple(labels)
        super().__init__(labels, gold, groups, _metrics(self._names))

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """`right`, and for each class whether it is the label (`is`), was said (`said`), and both (`hit`)."""
        found = super().columns(example_ids, predictions)
        outputs = [predictions[id].output if id in predictions else None for id in example_ids]
        said = np.array([output.label if isinstance(output, Classes) else "" for output in outputs], dtype=object)
        gold = np.array([self._gold[id] for id in example_ids], dtype=object)
        for name in self._names:
            is_it, was_said = (gold == name).astype(np.float64), (said == name).astype(np.float64)
            found |= {f"is[{name}]": is_it, f"said[{name}]": was_said, f"hit[{name}]": is_it * was_said}
        return found


def _metrics(labels: Sequence[str]) -> tuple[Metric, ...]:
    return (
        Metric("macro_f1", _macro(labels, _f1), description="F1 of each class, averaged over the classes."),
        Metric("accuracy", mean("right"), description="Share of examples with the right label."),
        Metric("macro_recall", _macro(labels, _recall), description="Recall of each class, averaged over the classes."),
        *(
            Metric(f"recall[{name}]", _alone(name), description=f"Share of the {name} examples that are called so.")
            for name in labels
        ),
    )


def _totals(name: str, columns: Mapping[str, FloatArray], weights: FloatArray) -> list[FloatArray]:
    return [(weights * columns[f"{what}[{name}]"]).sum(axis=-1) for what in ("hit", "is", "said")]


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def _f1(hit: FloatArray, present: FloatArray, said: FloatArray) -> FloatArray:
    return _share(2 * hit, present + said)


def _recall(hit: FloatArray, present: FloatArray, said: FloatArray) -> FloatArray:
    return _share(hit, present)


def _alone(name: str) -> Aggregate:
    return lambda columns, weights: _recall(*_totals(name, columns, weights))


def _macro(labels: Sequence[str], of_class: OfClass) -> Aggregate:
    def macro(columns: Mapping[str, FloatArray], weights: FloatArray) -> FloatArray:
        total, classes = np.zeros(len(weights)), np.zeros(len(weights))
        for name in labels:
            hit, present, said = _totals(name, columns, weights)
            total += np.where(present > 0, of_class(hit, present, said), 0)
            classes += present > 0
        return _share(total, classes)

    return macro
