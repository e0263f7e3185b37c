"""What detectors over flows have in common: examples to windows of features, and probabilities to answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.contract import Classes, Column, Example, Prediction, Usage
from harness.flows import table
from harness.flows.preprocessing import Preprocessor

if TYPE_CHECKING:
    from harness.contract import FloatArray


class Detector(Protocol):
    """A trained model that can also be run over a file of flows."""

    reader: Reader

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """[rows, window, features] -> [rows, labels], in the order of the reader's labels."""
        ...


@dataclass(frozen=True)
class Reader:
    """How a task's rows become windows of features, and what the labels are."""

    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    given: int
    """Rows in an example."""
    window: int
    """Rows that the model looks at: the last ones."""
    preprocessor: Preprocessor

    def windows(self, examples: Sequence[Example]) -> FloatArray:
        """[examples, window, features]; a row before the first is all zeros. Raises `RunFailed` for no rows."""
        width = len(self.columns)
        first = (self.given - self.window) * width
        rows = [
            row[start : start + width]
            for row in (table.values(example.input) for example in examples)
            for start in range(first, self.given * width, width)
        ]
        features = self.preprocessor.features(table.of_rows(rows, self.columns))
        absent = [place for place, row in enumerate(rows) if all(value is None for value in row)]
        if self.window > 1 and absent:
            features[absent] = 0.0
        return features.reshape(len(examples), self.window, -1)

    def answers(self, examples: Sequence[Example], found: FloatArray, usage: Usage) -> list[Prediction]:
        """The most probable label of each example, with the probabilities of all."""
        chosen = found.argmax(axis=1).tolist()
        return [
            Prediction(example.id, Classes(self.labels[best], dict(zip(self.labels, row, strict=True))), (usage,))
            for example, best, row in zip(examples, chosen, found.tolist(), strict=True)
        ]
