"""Charts of a seed are always the same, and every answer follows from the graph."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness import registry
from harness.contract import Places, Prompt
from tasks.flowlearn.drawing.with_graphviz import Graphviz
from tasks.flowlearn.drawing.with_mermaid import Mermaid
from tasks.flowlearn.generated import Generated
from tasks.flowlearn.generator import draw, question

CHARTS = list(draw(3, 1000))


def test_a_seed_gives_the_same_charts_whatever_their_number() -> None:
    assert list(draw(3, 10)) == CHARTS[:10]
    assert list(draw(4, 10)) != CHARTS[:10]


def test_charts_are_distributed_as_in_flowlearn() -> None:
    sizes = Counter(len(drawn.chart.nodes) for drawn in CHARTS)
    assert set(sizes) == set(range(3, 11))
    links = [len(drawn.chart.links) for drawn in CHARTS]
    assert 6.5 < sum(links) / len(links) < 7.5, "7.07 and 6.99 in its test sets"
    assert {drawn.chart.direction for drawn in CHARTS} == {"TB", "TD", "BT", "LR", "RL"}
    assert Counter(drawn.groups["background"] for drawn in CHARTS).keys() == {"white", "grey", "coloured"}
    assert all(len(set(drawn.chart.labels)) == len(drawn.chart.labels) for drawn in CHARTS)
    back = [drawn for drawn in CHARTS for link in drawn.chart.links if link.source > link.target]
    assert back, "cycles"


def test_statements_are_right_by_construction() -> None:
    for drawn in CHARTS:
        for kind in ("is-true-a-to-b", "is-false-a-to-b", "is-true-between", "is-false-between"):
            asked = question(kind, drawn)
            if asked is None:
                assert kind.startswith("is-false")
                continue
            text, answer = asked
            a, b = text.split("'")[1::2]
            holds = (a, b) in drawn.chart.pairs if kind.endswith("a-to-b") else drawn.chart.joined(a, b)
            assert str(holds).lower() == answer


def test_graphviz_draws_the_same_bytes() -> None:
    def pictures() -> list[bytes]:
        return [rendered.png for rendered in Graphviz().render(CHARTS[:4], lambda done: None)]

    assert pictures() == pictures()


def test_boxes_are_where_the_nodes_are() -> None:
    import io

    from PIL import Image

    (rendered,) = Graphviz().render(CHARTS[:1], lambda done: None)
    with Image.open(io.BytesIO(rendered.png)) as image:
        picture = image.convert("RGB")
    for left, top, _, _ in rendered.boxes.values():
        assert picture.getpixel((left + 12, top + 6)) == (0xEC, 0xEC, 0xFF)


def test_a_task_asks_of_its_pictures(places: Places) -> None:
    task = registry.task("flowlearn/generated/ocr")
    workload = task.load(places)
    first = workload.examples[0]
    assert isinstance(first.input, Prompt)
    assert first.input.images[0].read_bytes().startswith(b"\x89PNG")
    assert set(first.groups) == {"question", "direction", "nodes", "style", "background"}
    assert task.load(places).digest == workload.digest, "drawn once, read again"
    assert {line.name for line in workload.lines} == {"majority"}


def test_a_renderer_that_is_not_here_says_what_to_install(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_MERMAID", str(tmp_path / "none.js"))
    status = Generated(Mermaid()).status(places)
    assert (status.state, status.ready) == ("manual", False)
    assert "make mermaid" in status.hint or "Install" in status.hint


@pytest.mark.browser
def test_mermaid_draws_every_node(places: Places) -> None:
    if missing := Mermaid().missing():
        pytest.skip(missing)
    for drawn, rendered in zip(CHARTS[:2], Mermaid().render(CHARTS[:2], lambda done: None), strict=True):
        assert rendered.png.startswith(b"\x89PNG")
        assert set(rendered.boxes) == {node.id for node in drawn.chart.nodes}
