"""A suite within a suite: books on three shelves, two of which are in the castle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contract import (
    Classes,
    DataStatus,
    Example,
    Inputs,
    Metric,
    Places,
    Prediction,
    Request,
    Suite,
    TaskCard,
    Workload,
)
from harness.errors import DataError, InputError
from harness.metrics.aggregate import mean

METRICS = (Metric("accuracy", mean("right")), Metric("error", mean("wrong"), higher_is_better=False))
SIZES = {"shelves/sea": 40, "shelves/castle/north": 10, "shelves/castle/south": 20}


class Scorer:
    """An even number's label is `even`."""

    metrics = METRICS

    def check(self, prediction: Prediction) -> None:
        return

    def columns(self, example_ids: Sequence[str], predictions: dict[str, Prediction]) -> dict[str, np.ndarray]:
        said = [predictions[id].output if id in predictions else None for id in example_ids]
        right = np.array(
            [isinstance(o, Classes) and o.label == self.gold(id) for o, id in zip(said, example_ids, strict=True)]
        )
        return {"right": right.astype(float), "wrong": 1.0 - right}

    def gold(self, example_id: str) -> str:
        return "even" if int(example_id) % 2 == 0 else "odd"


@dataclass(frozen=True)
class Shelf:
    """Its data is a file of the data root, whose text is the digest."""

    name: str

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=self.name,
            family="shelves",
            protocol="shelves-1",
            primary_metric="accuracy",
            needs=frozenset({"classes"}),
            description="Is the number even?",
            generated=True,
            licence="CC0-1.0",
        )

    def status(self, places: Places) -> DataStatus:
        state = "here" if self._file(places).is_file() else "manual"
        return DataStatus(state, str(self._file(places)), "Write it.")

    def load(self, places: Places) -> Workload:
        if not self._file(places).is_file():
            raise DataError(f"{self.name} is not here", hint="Write it.")
        return Workload(
            inputs=Inputs(request=Request(labels=("even", "odd"))),
            examples=[Example(str(number), f"number {number}") for number in range(SIZES[self.name])],
            scorer=Scorer(),
            digest=self._file(places).read_text(),
        )

    def _file(self, places: Places) -> Path:
        return places.data / f"{self.name.replace('/', '-')}.txt"


class ShelvesFamily:
    name = "shelves"

    def tasks(self) -> Sequence[Shelf]:
        return [Shelf(name) for name in SIZES]

    def suites(self) -> Sequence[Suite]:
        castle = Suite(
            name="shelves/castle",
            members=("shelves/castle/north", "shelves/castle/south"),
            metrics=METRICS,
            description="The castle's two shelves.",
        )
        members = ("shelves/sea", castle)
        return [Suite(name="shelves/all", members=members, metrics=METRICS, description="All shelves."), castle]

    def open(self, path: Path) -> Shelf:
        raise InputError("shelves come with the plug-in; there is nothing to open")


FAMILY = ShelvesFamily()
