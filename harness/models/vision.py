"""Rules that read a flowchart out of its pixels: OpenCV for boxes, heads and lines, RapidOCR for the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import metadata
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import Example, Failure, Image, Output, Prediction, Prepared, Prompt, Resources, Texts, Usage
from harness.errors import InputError, RunFailed

if TYPE_CHECKING:
    from harness.efficiency.work import Work
    from harness.vision.chart_reader import Box, Settings
    from harness.vision.pixels import Picture
    from harness.vision.reading import TextReader

_BATCH_SIZE = 8
_NODES = re.compile(r"node '(.+?)' (?:to|and) node '(.+)'")
_ARROWS = {"solid": "-->", "thick": "==>", "dotted": "-..->"}


class VisionConfig(ModelConfig):
    """Where the rules draw their lines. The defaults were chosen on generated charts only; lengths are in pixels."""

    fill_tolerance: int = Field(default=10, ge=0, le=255)
    """How far a channel may be from the colour that boxes are filled with."""
    head_width: float = Field(default=4.5, ge=1, le=50)
    """Of the widest disc that fits into an arrowhead, and into no line."""
    head_reach: float = Field(default=5.0, ge=0, le=100)
    """From an arrowhead to the box that it points to."""
    head_cover: float = Field(default=0.5, ge=0, le=1)
    """Share of a pixel that is drawn on, from which on it belongs to an arrowhead."""
    merged: float = Field(default=1.7, ge=1, le=10)
    """A head of so many times the usual area is two."""
    least_cover: float = Field(default=0.25, ge=0, le=1)
    """Mean cover along a line, below which it is none."""
    turn_cost: float = Field(default=0.35, ge=0, le=10)
    """Of a line that turns by one radian, in steps without cover."""
    dotted_ink: float = Field(default=0.1, ge=0, le=1)
    """Share of a square of 7 pixels around a line that is drawn on, below which the line is dotted."""
    thick_ink: float = Field(default=0.36, ge=0, le=1)
    """The same, above which it is thick."""


class Vision:
    """Counts boxes and arrows, and answers what the graph says; no language model reads the question."""

    kind: ClassVar[str] = "vision"
    version: ClassVar[str] = "3"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = VisionConfig
    offers = frozenset({"texts", "images"})

    def __init__(self, config: VisionConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._reader: TextReader | None = None

    def prepare(self, resources: Resources) -> Prepared:
        """Load the recogniser. Raises `RunFailed` if a package is missing."""
        try:
            import cv2
        except ImportError as error:
            raise RunFailed(
                "the kind vision looks with OpenCV, which is not installed", hint="pip install 'equal-footing[vision]'"
            ) from error
        from harness.vision.reading import TextReader

        cv2.setNumThreads(1)
        self._reader = TextReader()
        return Prepared(facts={"opencv": cv2.__version__, "rapidocr": metadata.version("rapidocr")})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A short text for each example. Raises `InputError` for one without an image."""
        return [self._answered(example) for example in examples]

    again = predict  # nothing is remembered from chart to chart

    def phases(self) -> Work:
        """Looking at pixels, following lines, and reading columns of text."""
        from harness.vision.work import chart_work

        assert self._reader is not None, "prepare comes before phases"
        return chart_work(self._reader)

    def _answered(self, example: Example) -> Prediction:
        question, image = the_image(example)
        from harness.vision.pixels import decode

        try:
            picture = decode(image.read_bytes(), image.path)
        except RunFailed as error:  # of one image: the others can still be answered
            return Prediction(
                example.id, Failure("over_limit" if "at most" in error.message else "unanswered", error.message)
            )
        return Prediction(example.id, *self._answer(question, picture))

    def _answer(self, question: str, picture: Picture) -> tuple[Output, tuple[Usage, ...]]:
        """The answer, and what it took."""
        from harness.vision.chart_reader import read_chart
        from harness.vision.work import LOOK, TRACE

        asked = question.lower()
        if "red box" in asked:
            return self._boxed(picture)
        counted = "how many nodes" in asked or "how many arrows" in asked
        found = read_chart(picture, self._settings(), links=not counted)
        looked = Usage(stage=LOOK, nodes=picture.shape[0] * picture.shape[1])
        if counted:
            return Texts([str(len(found.boxes) if "nodes" in asked else found.arrows)]), (looked,)
        labels, reading = self._read(picture, found.boxes)
        answer = _from_graph(question, Graph(labels, found.links, found.styles))
        return Texts([answer]), (looked, Usage(stage=TRACE, nodes=found.ways), *reading)

    def _boxed(self, picture: Picture) -> tuple[Output, tuple[Usage, ...]]:
        from harness.vision.chart_reader import red_box

        box = red_box(picture)
        if box is None:
            return Failure("unanswered", "there is no red box in the image"), ()
        texts, reading = self._read(picture, [box])
        return Texts(texts), reading

    def _read(self, picture: Picture, boxes: Sequence[Box]) -> tuple[list[str], tuple[Usage, ...]]:
        from harness.vision.work import READ

        assert self._reader is not None, "prepare comes before predict"
        columns = self._reader.columns(picture, boxes)
        return self._reader.read(picture, boxes), tuple(Usage(stage=READ, prompt_tokens=n) for n in columns)

    def _settings(self) -> Settings:
        from harness.vision.chart_reader import Settings

        return Settings(**self._config.model_dump(exclude={"batch_size"}))


def the_image(example: Example) -> tuple[str, Image]:
    """The question and its first image. Raises `InputError` if there is none, or if its file is missing."""
    if not isinstance(example.input, Prompt) or not example.input.images:
        raise InputError(
            f"example {example.id} has no image, and this kind answers from images",
            hint="`harness data` says where the task looks for its images.",
        )
    image = example.input.images[0]
    if not image.sha256:
        raise InputError(f"the image {image.path} of example {example.id} is missing", hint="Complete the data.")
    return example.input.text, image


def _from_graph(question: str, graph: Graph) -> str:
    named = _NODES.search(question)
    if named:
        return str(graph.says(named[1], named[2], directed="points from" in question)).lower()
    return graph.mermaid() if "mermaid" in question.lower() else graph.description()


@dataclass(frozen=True)
class Graph:
    """Labels of nodes, and links between their places with the style of each."""

    labels: Sequence[str]
    links: Sequence[tuple[int, int]]
    styles: Sequence[str]

    def says(self, a: str, b: str, *, directed: bool) -> bool:
        """Whether a link leads from the node most like `a` to that most like `b`, or without `directed` either way."""
        if not self.labels:
            return False
        pair = (self._nearest(a), self._nearest(b))
        return pair in self.links or (not directed and pair[::-1] in self.links)

    def mermaid(self) -> str:
        nodes = (f"entity{place}({_plain(label)})" for place, label in enumerate(self.labels))
        links = (
            f"entity{source} {_ARROWS[style]} entity{target}"
            for (source, target), style in zip(self.links, self.styles, strict=True)
        )
        return "\n".join(["```mermaid", "flowchart TB", *nodes, *links, "```"])

    def description(self) -> str:
        return " ".join(f"{self.labels[source]} points to {self.labels[target]}." for source, target in self.links)

    def _nearest(self, name: str) -> int:
        likeness = [SequenceMatcher(None, name.lower(), label.lower()).ratio() for label in self.labels]
        return likeness.index(max(likeness))


def _plain(label: str) -> str:
    """Without what would end a label of Mermaid."""
    return re.sub(r"[()\[\]{}\n]", " ", label).strip() or "?"
