"""Mermaid is read by its grammar, written so that nothing is lost, and forgiven line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flowcharts import answers
from harness.flowcharts.chart import DIRECTIONS, STYLES, Chart, Link, Node
from harness.flowcharts.mermaid import MermaidError, read, read_leniently, write

LABELS = (
    st.text(st.characters(categories=["L", "N"], include_characters=" '!?"), min_size=1).map(str.strip).filter(bool)
)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    nodes = tuple(Node(f"entity{i}", label) for i, label in enumerate(draw(st.lists(LABELS, max_size=8))))
    ends = st.sampled_from([node.id for node in nodes]) if nodes else st.nothing()
    links = draw(st.lists(st.builds(Link, ends, ends, st.sampled_from(STYLES)), max_size=12)) if nodes else []
    return Chart(nodes, tuple(links), draw(st.sampled_from(DIRECTIONS)))


@given(charts())
def test_what_is_written_is_read_back(chart: Chart) -> None:
    assert read(write(chart)) == chart


@pytest.mark.data
@pytest.mark.parametrize("kind", ["word", "char"])
def test_all_gold_charts_go_round_to_the_letter(kind: str, data_root: Path) -> None:
    gold = json.loads((data_root / f"flowlearn/simflowchart_{kind}_test_gold.json").read_text())
    assert len(gold) == 2000
    for item in gold.values():
        code = item["mermaid"].removeprefix("```mermaid\n").removesuffix("\n```")
        chart = read(code)
        assert write(chart) == code
        assert (len(chart.nodes), len(chart.links)) == (int(item["num_nodes"]), int(item["num_arrows"]))


@pytest.mark.parametrize(
    ("line", "pairs", "style"),
    [
        ("a(x y) --> b[z]", [("x y", "z")], "solid"),
        ("a --> b --> c", [("a", "b"), ("b", "c")], "solid"),
        ("a & b ==> c", [("a", "c"), ("b", "c")], "thick"),
        ("a -.-> b", [("a", "b")], "dotted"),
        ("a -..-> b", [("a", "b")], "dotted"),
        ("a -->|yes| b{ok?}", [("a", "ok?")], "solid"),
        ("a -- yes --> b", [("a", "b")], "solid"),
        ('a(("x")) ---> b', [("x", "b")], "solid"),
        ("a --- b %% a comment", [("a", "b")], "solid"),
        ("a -- to-do > x --> b; b-->c;", [("a", "b"), ("b", "c")], "solid"),
        ("a == yes ==> b", [("a", "b")], "thick"),
        ("a -. yes .-> b", [("a", "b")], "dotted"),
        ('a["x (y); z"] --> b(["f[0]"])', [("x (y); z", "f[0]")], "solid"),
        ("a[x<br/>y]:::hot --> b[/z/]", [("x y", "z")], "solid"),
        ("subgraph one [Title]\na --> b\nend\nstyle a fill:#fff\ndirection LR", [("a", "b")], "solid"),
    ],
)
def test_forms_of_a_line(line: str, pairs: list[tuple[str, str]], style: str) -> None:
    chart = read(f"flowchart LR\n{line}")
    assert list(chart.pairs) == pairs
    assert {link.style for link in chart.links} == {style}


@pytest.mark.parametrize(
    ("code", "line"),
    [("pie title x", 1), ("flowchart XX\na --> b", 1), ("graph TD\na -->", 2), ("graph TD\na --> b\na(x", 3), ("", 1)],
)
def test_what_is_no_chart_is_refused_with_its_line(code: str, line: int) -> None:
    with pytest.raises(MermaidError) as refused:
        read(code)
    assert refused.value.line == line


def test_a_chart_on_one_line() -> None:
    assert read("graph LR; a-->b; b-->c").pairs == (("a", "b"), ("b", "c"))


@pytest.mark.parametrize(("ids", "times"), [(5000, 1), (90, 2)])
def test_products_of_groups_have_a_limit(ids: int, times: int) -> None:
    group = " & ".join(["a"] * ids)
    with pytest.raises(MermaidError, match="more than"):
        read("graph TD\n" + f"{group} --> {group}\n" * times)


def test_a_refusal_in_words_is_no_chart() -> None:
    assert not answers.mermaid("Sorry\nI cannot see (or read) an image").found


def test_broken_lines_are_counted_and_their_nodes_kept() -> None:
    chart, broken = read_leniently("flowchart LR\na(x) --> b(y)\na ....> c(z)\n")
    assert (chart.labels, chart.pairs, broken) == (("x", "y", "z"), (("x", "y"),), 1)


@given(st.text(max_size=300))
def test_no_answer_is_an_error(text: str) -> None:
    answers.mermaid(text)
    answers.description(text)
    answers.number(text)
    answers.boolean(text)


@pytest.mark.parametrize("begun", ["", "flowchart LR\na -- ", "flowchart LR\na == ", "x"])
@pytest.mark.parametrize(
    "unit",
    ["a", "(", "a(", "-", "a points to ", "a-->", "9", "`", "```mermaid\n", " ", "\n", "\n ", "x ", "a & ", "-. "],
)
def test_ten_megabytes_are_cut_and_read(unit: str, begun: str) -> None:
    """A pattern that tried all ways to divide blanks took hours over one such answer."""
    text = answers.cut(begun + unit * (10_000_000 // len(unit)))
    assert len(text) == answers.MAX_CHARACTERS
    answers.mermaid(text)
    answers.description(text)
    answers.boolean(text)
    answers.number(text)
    answers.stripped(text)
