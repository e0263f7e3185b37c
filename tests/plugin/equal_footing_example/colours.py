"""Generation from a prompt with images: name the colour of a square."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from harness.config import ModelConfig
from harness.contract import (
    DataStatus,
    Example,
    Image,
    Inputs,
    Metric,
    Places,
    Prediction,
    Prompt,
    Request,
    Resources,
    TaskCard,
    Texts,
    Usage,
    Workload,
)
from harness.errors import InputError
from harness.metrics.aggregate import mean

_COLOURS = {"vermilion": (227, 66, 52), "viridian": (64, 130, 109), "cerulean": (42, 82, 190)}


class ExactMatch:
    """Share of answers that are the word itself."""

    metrics = (Metric("exact_match", mean("correct")),)

    def __init__(self, gold: Mapping[str, str]) -> None:
        self._gold = gold

    def check(self, prediction: Prediction) -> None:
        return None

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, np.ndarray]:
        answers = {id: p.output.texts[0] for id, p in predictions.items() if isinstance(p.output, Texts)}
        right = [answers.get(id, "").strip() == self._gold[id] for id in example_ids]
        return {"correct": np.array(right, dtype=np.float64)}

    def gold(self, example_id: str) -> str:
        return self._gold[example_id]


class Colours:
    """Three squares."""

    card = TaskCard(
        name="colours/squares",
        family="colours",
        protocol="colours-1",
        primary_metric="exact_match",
        needs=frozenset({"texts", "images"}),
        description="Name the colour of a square.",
        generated=True,
    )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "in the plug-in")

    def load(self, places: Places) -> Workload:
        gold = {f"square-{number}": colour for number, colour in enumerate(_COLOURS)}
        return Workload(
            inputs=Inputs(request=Request(max_output_tokens=4)),
            examples=[
                Example(id, Prompt("What colour is the square?", (_draw(id, _COLOURS[c], places.cache / "colours"),)))
                for id, c in gold.items()
            ],
            scorer=ExactMatch(gold),
            digest="colours-v1",
        )


def _draw(name: str, colour: tuple[int, int, int], folder: Path) -> Image:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Picture.new("RGB", (16, 16), colour).save(path)
    return Image(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


class ColoursFamily:
    name = "colours"

    def tasks(self) -> Sequence[Colours]:
        return [Colours()]

    def open(self, path: Path) -> Colours:
        raise InputError("colours come with the plug-in; there is nothing to open")


FAMILY = ColoursFamily()


class Eye:
    """Looks at the first pixel; it has never seen viridian, and says green."""

    kind, version, runs_code, Config = "eye", "1", False, ModelConfig
    offers = frozenset({"texts", "images"})

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 2

    def prepare(self, resources: Resources) -> None:
        self._words = {0: "vermilion", 1: "green", 2: "cerulean"}

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(e.id, Texts([self._look(e)]), (Usage(image_tokens=1, output_tokens=1),)) for e in examples]

    def _look(self, example: Example) -> str:
        assert isinstance(example.input, Prompt)
        pixel = Picture.open(io.BytesIO(example.input.images[0].read_bytes())).getpixel((0, 0))
        return self._words[int(np.argmax(pixel))]
