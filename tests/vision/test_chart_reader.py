"""Boxes, arrows and links are found in charts that were drawn here, and hostile pictures are refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from harness.contract import Example, Failure, Image, Places, Prompt, Resources, Texts, Usage
from harness.contract.given import Inputs
from harness.errors import InputError, RunFailed
from harness.metrics.graphs import overlap
from harness.models.vision import Graph, Vision, VisionConfig
from harness.vision.chart_reader import Box, Found, Settings, read_chart, red_box
from harness.vision.pixels import MAX_PIXELS, decode
from harness.vision.reading import TextReader
from tasks.flowlearn.drawing import with_red_box
from tasks.flowlearn.drawing.with_graphviz import Graphviz
from tasks.flowlearn.generator import draw

CHARTS = list(draw(11, 8))
Edges = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def rendered() -> list[tuple[bytes, dict[str, Edges]]]:
    return [(one.png, one.boxes) for one in Graphviz().render(CHARTS, lambda done: None)]


def names(found: Found, boxes: dict[str, Edges]) -> list[str]:
    """The node of each box that was found, by its middle."""

    def middle(box: tuple[int, int, int, int]) -> tuple[float, float]:
        return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2

    def nearest(box: Box) -> str:
        x, y = middle((box.left, box.top, box.right, box.bottom))
        return min(boxes, key=lambda id: abs(middle(boxes[id])[0] - x) + abs(middle(boxes[id])[1] - y))

    return [nearest(box) for box in found.boxes]


def test_generated_charts_are_read(rendered: list[tuple[bytes, dict[str, Edges]]]) -> None:
    link_f1 = []
    for drawn, (png, boxes) in zip(CHARTS, rendered, strict=True):
        found = read_chart(decode(png, drawn.key), Settings())
        ids = names(found, boxes)
        assert sorted(ids) == sorted(boxes), "every node once"
        wanted = [(link.source, link.target) for link in drawn.chart.links]
        link_f1.append(overlap([(ids[a], ids[b]) for a, b in found.links], wanted).f1)
    assert np.mean(link_f1) > 0.8


def test_text_is_read_in_a_tall_box_as_in_a_low_one(rendered: list[tuple[bytes, dict[str, Edges]]]) -> None:
    reader = TextReader()
    png, boxes = rendered[0]
    picture = decode(png, "chart")
    for node in CHARTS[0].chart.nodes:
        left, top, right, bottom = boxes[node.id]
        low = picture[top:bottom, left:right]
        room = np.tile(low[8:9, 12:13], (30, low.shape[1], 1))
        tall = np.concatenate([room, low[4:-4], room])
        (said,) = reader.read(tall, [Box(0, 0, tall.shape[1], tall.shape[0])])
        assert said.lower() == node.label


def test_a_red_box_is_found(rendered: list[tuple[bytes, dict[str, Edges]]]) -> None:
    from tasks.flowlearn.drawing import Rendered

    png, boxes = rendered[0]
    boxed = decode(with_red_box(Rendered(png, boxes), CHARTS[0].boxed), "boxed")
    found = red_box(boxed)
    assert found is not None
    left, top, right, bottom = boxes[CHARTS[0].boxed]
    assert max(abs(found.left - left), abs(found.top - top), abs(found.right - right), abs(found.bottom - bottom)) <= 4
    assert red_box(decode(png, "plain")) is None


def test_an_empty_picture_has_no_chart() -> None:
    assert read_chart(np.full((50, 50, 3), 255, np.uint8), Settings()) == Found((), 0, ())


def test_broken_and_enormous_pictures_are_refused_by_name() -> None:
    with pytest.raises(RunFailed, match=r"chart\.png cannot be decoded"):
        decode(b"\x89PNG\r\n\x1a\n broken", "chart.png")
    out = io.BytesIO()
    Pillow.new("1", (10_000, MAX_PIXELS // 10_000 + 1)).save(out, "PNG")
    with pytest.raises(RunFailed, match=r"bomb\.png has .* pixels; at most"):
        decode(out.getvalue(), "bomb.png")


def test_what_is_transparent_is_seen_on_white() -> None:
    out = io.BytesIO()
    Pillow.new("RGBA", (3, 2), (0, 0, 0, 0)).save(out, "PNG")
    assert (decode(out.getvalue(), "chart.png") == 255).all()


def test_questions_are_answered_from_the_picture(
    rendered: list[tuple[bytes, dict[str, Edges]]], places: Places
) -> None:
    model = Vision(VisionConfig(), seed=0)
    folder = places.cache
    folder.mkdir(parents=True)
    model.prepare(Resources(inputs=Inputs(), example_ids=[], scratch=folder, cache=folder))
    (folder / "chart.png").write_bytes(rendered[0][0])
    (folder / "broken.png").write_bytes(b"nothing")
    chart = CHARTS[0].chart

    def ask(text: str, name: str = "chart.png") -> object:
        (prediction,) = model.predict([Example("q", Prompt(text, (Image(str(folder / name), "0" * 64),)))])
        return prediction.output

    assert ask("How many nodes are in the flowchart?") == Texts([str(len(chart.nodes))])
    assert ask("How many arrows are in the flowchart?") == Texts([str(len(chart.links))])
    a, b = chart.pairs[0]
    assert ask(f"Arrow points from node '{a}' to node '{b}'.") == Texts(["true"])
    code = ask("Write Mermaid code for the flowchart")
    assert isinstance(code, Texts) and "flowchart" in code.texts[0]
    assert isinstance(ask("What is in the red box?"), Failure)
    _work_is_counted(model, str(folder / "chart.png"), nodes=len(chart.nodes))
    assert isinstance(ask("How many nodes?", "broken.png"), Failure), "one broken image does not end a run"
    with pytest.raises(InputError, match="has no image"):
        model.predict([Example("q", Prompt("How many nodes?"))])
    with pytest.raises(InputError, match=r"chart\.png of example q is missing"):
        model.predict([Example("q", Prompt("How many nodes?", (Image("chart.png", ""),)))])


def _work_is_counted(model: Vision, path: str, nodes: int) -> None:
    def usage(text: str) -> tuple[Usage, ...]:
        (prediction,) = model.predict([Example("q", Prompt(text, (Image(path, "0" * 64),)))])
        return prediction.usage

    with Pillow.open(path) as picture:
        pixels = picture.width * picture.height
    assert usage("How many nodes are in the flowchart?") == (Usage(stage="look", nodes=pixels),)
    look, trace, *read = usage("Write Mermaid code")
    assert (look.nodes, trace.stage, trace.nodes > 0) == (pixels, "trace", True)
    assert len(read) == nodes, "the text of each box is read once"
    stages = {stage.name: stage for stage in model.phases().stages}
    assert stages.keys() == {"look", "trace", "read"}
    first = stages["read"].prompt[0][1].operations[0]
    assert first.flops == 2 * 48 * (24 * 160) * (3 * 3 * 3), "48 filters of 3 × 3 over three colours, every other pixel"


def test_labels_are_matched_by_likeness_and_kept_from_breaking_code() -> None:
    graph = Graph(["kidl1ke", "a (b)"], [(0, 1)], ["thick"])
    assert graph.says("kidlike", "a b", directed=True)
    assert not graph.says("a b", "kidlike", directed=True)
    assert graph.says("a b", "kidlike", directed=False)
    assert "entity1(a  b)" in graph.mermaid()
    assert "entity0 ==> entity1" in graph.mermaid()
