"""Classification that trains: are most of the bits of a row set? Training checkpoints, and resumes where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.config import ModelConfig
from harness.contract import (
    Classes,
    Cost,
    DataStatus,
    Example,
    Inputs,
    Labelled,
    LabelledSet,
    Metric,
    Places,
    Prediction,
    Prepared,
    Request,
    Resources,
    TaskCard,
    Workload,
)
from harness.errors import InputError, InvalidPrediction
from harness.meter import Stopwatch
from harness.metrics.aggregate import mean

_BITS = 9
_LABELS = ("mostly-unset", "mostly-set")


def _rows(count: int, seed: int) -> list[Labelled]:
    bits = np.random.default_rng(seed).integers(0, 2, (count, _BITS))
    return [
        Labelled(f"{seed}-{i}", row.astype(float).tolist(), _LABELS[int(2 * row.sum() > _BITS)])
        for i, row in enumerate(bits)
    ]


class AccuracyScorer:
    """Share of right labels; a missing answer is wrong."""

    metrics = (Metric("accuracy", mean("correct")),)

    def __init__(self, gold: Mapping[str, str]) -> None:
        self._gold = gold

    def check(self, prediction: Prediction) -> None:
        if isinstance(prediction.output, Classes) and prediction.output.label not in _LABELS:
            raise InvalidPrediction(f"{prediction.id}: there is no class {prediction.output.label!r}")

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, np.ndarray]:
        right = [
            id in predictions
            and isinstance(output := predictions[id].output, Classes)
            and output.label == self._gold[id]
            for id in example_ids
        ]
        return {"correct": np.array(right, dtype=np.float64)}

    def gold(self, example_id: str) -> str:
        return self._gold[example_id]


class Majority:
    """500 rows to learn from, 100 to label."""

    card = TaskCard(
        name="majority/nine",
        family="majority",
        protocol="majority-1",
        primary_metric="accuracy",
        needs=frozenset({"classes"}),
        description="Are most of nine bits set?",
        generated=True,
    )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "in the plug-in")

    def load(self, places: Places) -> Workload:
        test = _rows(100, seed=2)
        return Workload(
            inputs=Inputs(
                request=Request(labels=_LABELS),
                train=LabelledSet.write(places.cache / "majority-train", _rows(500, seed=1)),
            ),
            examples=[Example(row.id, row.input, groups={"answer": row.label}) for row in test],
            scorer=AccuracyScorer({row.id: row.label for row in test}),
            digest="majority-v1",
        )


class MajorityFamily:
    name = "majority"

    def tasks(self) -> Sequence[Majority]:
        return [Majority()]

    def open(self, path: Path) -> Majority:
        raise InputError("majority comes with the plug-in; there is nothing to open")


FAMILY = MajorityFamily()


class Logistic:
    """Logistic regression by full-batch gradient descent, with a checkpoint after every step."""

    kind, version, runs_code = "logistic", "1", False
    offers = frozenset({"classes"})

    class Config(ModelConfig):
        steps: int = 200
        """Gradient steps."""
        seconds_per_step: float = 0.0
        """Pause after each step, as if the model were large."""

    def __init__(self, config: Config, seed: int) -> None:
        self._config, self._seed = config, seed
        self.batch_size = config.batch_size or 10

    def prepare(self, resources: Resources) -> Prepared:
        rows = list(resources.train)
        x = np.array([[*row.input, 1.0] for row in rows])
        y = np.array([row.label == resources.request.labels[1] for row in rows], dtype=float)
        checkpoint = resources.scratch / "weights.npz"
        step, spent = 0, Cost()
        weights = np.random.default_rng(self._seed).normal(size=x.shape[1])
        if checkpoint.exists():
            saved = np.load(checkpoint)
            weights, step = saved["weights"], int(saved["step"])
            spent = Cost(cpu_seconds=float(saved["cpu"]), wall_seconds=float(saved["wall"]))
            resources.charge(spent)
        resumed = step
        while step < self._config.steps:
            with Stopwatch() as watch:
                weights = weights + 0.5 * x.T @ (y - 1 / (1 + np.exp(-x @ weights))) / len(y)
                time.sleep(self._config.seconds_per_step)
            step += 1
            spent = Cost(
                cpu_seconds=spent.cpu_seconds + watch.cost.cpu_seconds,
                wall_seconds=spent.wall_seconds + watch.cost.wall_seconds,
            )
            unfinished = checkpoint.with_suffix(".part.npz")
            np.savez(unfinished, weights=weights, step=step, cpu=spent.cpu_seconds, wall=spent.wall_seconds)
            unfinished.replace(checkpoint)
            resources.progress(step, self._config.steps, "steps")
        self._weights, self._labels = weights, resources.request.labels
        return Prepared(facts={"steps": step, "resumed_at_step": resumed})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        x = np.array([[*e.input, 1.0] for e in examples])
        chosen = (x @ self._weights > 0).astype(int)
        return [Prediction(e.id, Classes(self._labels[i])) for e, i in zip(examples, chosen, strict=True)]
