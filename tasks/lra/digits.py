"""Handwritten digits of 8 by 8 pixels, which come with scikit-learn: a task without a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.contract import DataStatus, Places
from tasks.lra.listops import DIGITS
from tasks.lra.splits import Written, cut, write
from tasks.lra.task import SequenceTask

_VALIDATION, _TEST = 137, 360


@dataclass(frozen=True)
class Shipped:
    """The 1,797 digits of scikit-learn, split by the hash of their pixels."""

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "comes with scikit-learn")

    def written(self, name: str, places: Places) -> Written:
        """1,300 digits to train, 137 to validate and 360 to test."""
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        pairs = [(row.astype(np.uint8).tobytes(), str(label)) for row, label in zip(pixels, labels, strict=True)]
        return write(name, cut(pairs, _VALIDATION, _TEST), places)


TASK = SequenceTask(
    name="lra/digits",
    description="Which digit do 8 by 8 pixels of 17 grey levels show, row by row? A processor learns it in 20 seconds.",
    labels=DIGITS,
    source=Shipped(),
    licence="CC-BY-4.0",
    citation="Alpaydin, Kaynak (1998): Optical Recognition of Handwritten Digits. UCI Machine Learning Repository",
    url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)
