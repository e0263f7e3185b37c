"""A trained detector over a file of flows larger than memory: one piece in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from harness.durable import written_whole
from harness.flows.detector import Detector
from harness.flows.table import Table
from harness.flows.windows import after
from harness.meter import Stopwatch

if TYPE_CHECKING:
    from harness.contract import FloatArray

Item = TypeVar("Item")


@dataclass(frozen=True)
class Streamed:
    """What came of a file."""

    flows: int
    said: dict[str, int]
    """Flows by the label that they got."""
    cpu_seconds: float
    wall_seconds: float

    @property
    def flows_per_second(self) -> float:
        """Of wall time, reading included."""
        return self.flows / self.wall_seconds if self.wall_seconds else 0.0


def probabilities(detector: Detector, pieces: Iterable[Table]) -> Iterator[FloatArray]:
    """[flows of the piece, labels] for each piece; windows reach back into the pieces before."""
    reader = detector.reader
    last = np.zeros((reader.window - 1, reader.preprocessor.width))
    for features in ahead(map(reader.preprocessor.features, pieces)):
        yield detector.probabilities(after(last, features, reader.window))
        if reader.window > 1:
            last = np.concatenate([last, features])[len(features) :]


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, the next one made by a thread while the last is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def stream(detector: Detector, pieces: Iterable[Table], answers: Path | None = None) -> Streamed:
    """Label all flows; `answers` names a CSV file for the label and the probabilities of each.

    Raises `RunFailed` if that cannot be written.
    """
    labels = detector.reader.labels
    counts = np.zeros(len(labels), dtype=np.int64)
    with Stopwatch() as watch, _writer(answers, labels) as write:
        for found in probabilities(detector, pieces):
            chosen = found.argmax(axis=1)
            counts += np.bincount(chosen, minlength=len(labels))
            write(found, chosen)
    said = {label: int(count) for label, count in zip(labels, counts, strict=True)}
    return Streamed(int(counts.sum()), said, watch.cost.cpu_seconds, watch.cost.wall_seconds)


@contextmanager
def _writer(path: Path | None, labels: Sequence[str]) -> Iterator[Callable[[FloatArray, Any], object]]:
    if path is None:
        yield lambda found, chosen: None
        return
    import pyarrow as arrow
    from pyarrow import csv

    schema = arrow.schema([("label", arrow.string()), *((name, arrow.float64()) for name in labels)])
    names = arrow.array(labels)
    hint = "Choose another place, or leave the answers out."
    with written_whole(path, hint=hint) as unfinished, csv.CSVWriter(unfinished, schema) as file:

        def write(found: FloatArray, chosen: Any) -> None:
            columns = [names.take(arrow.array(chosen)), *(arrow.array(column) for column in found.T)]
            file.write(arrow.record_batch(columns, schema=schema))

        yield write
