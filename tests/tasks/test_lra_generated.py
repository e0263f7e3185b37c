"""Generators of graphs and pictures: the laws they promise, and that no short cut is left open."""

from __future__ import annotations

import hashlib
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import ByteSequence, DataStatus, Labelled, Places
from harness.errors import DataError
from tasks.lra import FAMILY, connectivity, graph_search, pathfinder_lite
from tasks.lra.draws import Draws
from tasks.lra.graph_search import SearchLaw
from tasks.lra.graph_tasks import LAW
from tasks.lra.pathfinder_lite import PathLaw
from tasks.lra.splits import Made, Splits

SEARCHES = list(graph_search.draw(LAW, 1500, seed=3))


def graph_of(question: bytes) -> tuple[nx.DiGraph, str, str]:
    edges, _, rest = question.decode().partition("?")
    assert rest[2] == ":"
    assert rest[0] == rest[3]
    return nx.DiGraph([(edge[0], edge[1]) for edge in edges[1:].split(",")]), rest[0], rest[1]


# --- Draws ----------------------------------------------------------------------------------------------------------


def test_draws_are_the_raw_output_of_pcg64() -> None:
    raw = np.random.PCG64([5]).random_raw(4)
    assert Draws(5).below(10, 4).tolist() == [(int(r) >> 32) * 10 >> 32 for r in raw]
    assert [Draws(5).one(10)] == [(int(raw[0]) >> 32) * 10 >> 32]
    assert Draws(5).uniform(1)[0] == (int(raw[0]) >> 11) * 2.0**-53


def test_draws_are_uniform_up_to_limits_that_differ() -> None:
    draws = Draws(1)
    assert Counter(draws.below(3, 30_000).tolist()) == pytest.approx({0: 10_000, 1: 10_000, 2: 10_000}, rel=0.05)
    limits = np.array([1, 2, 5] * 1000)
    drawn = draws.below(limits, 3000)
    assert (drawn < limits).all()
    assert sorted(draws.order(50).tolist()) == list(range(50))
    assert draws.chance(0.25, 40_000).mean() == pytest.approx(0.25, abs=0.01)


# --- Graph search ---------------------------------------------------------------------------------------------------


def test_the_answer_is_the_only_step_that_leads_to_the_goal() -> None:
    for question, answer in SEARCHES:
        graph, start, goal = graph_of(question)
        assert nx.is_directed_acyclic_graph(graph)
        assert nx.shortest_path(graph, start, goal)[1] == answer
        assert [child for child in graph[start] if child == goal or nx.has_path(graph, child, goal)] == [answer]
        assert graph.number_of_edges() <= 31
        assert len(question) <= 98


def test_look_aheads_are_balanced_and_branches_look_alike() -> None:
    """A look-ahead of none is a goal one edge away, so that distance is twice as frequent."""
    groups = [graph_search.groups(question) for question, _ in SEARCHES]
    counts = Counter(int(group["look_ahead"]) for group in groups)
    assert set(counts) == set(range(1, 9))
    assert all(counts[ahead] / len(groups) == pytest.approx(1 / 9, abs=0.04) for ahead in range(2, 9))
    assert all(int(group["branches"]) >= 2 for group in groups if int(group["look_ahead"]) >= 2)


def test_names_and_order_tell_nothing() -> None:
    answers = Counter(answer for _, answer in SEARCHES)
    assert max(answers.values()) / len(SEARCHES) < 0.06, "31 names, each about as often"
    first_edge = sum(question[1:2] == question[question.index(b"?") + 1 :][:1] for question, _ in SEARCHES)
    shares = [question.count(b"," + question[-1:]) / question.count(b",") for question, _ in SEARCHES]
    assert first_edge / len(SEARCHES) == pytest.approx(np.mean(shares), abs=0.04)


def test_rungs_of_search_rise_and_are_right_where_they_see() -> None:
    rows = [Labelled(str(i), ByteSequence(question), answer) for i, (question, answer) in enumerate(SEARCHES)]
    lines = graph_search.rungs({}, rows)
    near = sum(graph_search.groups(question)["look_ahead"] == "1" for question, _ in SEARCHES) / len(SEARCHES)
    assert [line.name for line in lines] == ["looks 1 ahead", "looks 2 ahead", "looks 4 ahead"]
    assert near < lines[0].value < lines[1].value < lines[2].value < 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(4, 20), st.integers(0, 3))
def test_any_law_of_search_makes_graphs_within_it(seed: int, vertices: int, ahead: int) -> None:
    law = SearchLaw(vertices, edges=vertices + 4, look_ahead=ahead)
    for question, _ in graph_search.draw(law, 5, seed):
        graph, start, goal = graph_of(question)
        assert graph.number_of_edges() <= law.edges
        assert nx.shortest_path_length(graph, start, goal) <= max(1, ahead)


# --- Connectivity ---------------------------------------------------------------------------------------------------


def test_twins_have_the_same_degrees_and_one_is_connected() -> None:
    rows = list(connectivity.draw(15, 5, 200, seed=4))
    for (apart, first), (connected, second) in zip(rows[::2], rows[1::2], strict=True):
        one, other = (
            nx.Graph([(edge[0], edge[1]) for edge in text.decode()[1:].split(",")]) for text in (apart, connected)
        )
        assert (first, second) == ("apart", "connected")
        assert dict(one.degree) == dict(other.degree)
        assert one.number_of_edges() == other.number_of_edges() == 38
        assert sorted(map(len, nx.connected_components(one))) == [15, 15]
        assert nx.is_connected(other)
        assert Counter(apart) == Counter(connected), "no symbol is more frequent in either"


# --- Pathfinder-lite ------------------------------------------------------------------------------------------------


def test_marks_are_as_far_apart_whether_connected_or_not() -> None:
    rows = list(pathfinder_lite.draw(PathLaw(), 300, seed=5))
    distances: dict[str, list[float]] = {"apart": [], "connected": []}
    for pixels, label in rows:
        picture = np.frombuffer(pixels, dtype=np.uint8).reshape(32, 32)
        white = np.argwhere(picture == 255)
        near = ((white - white[0]) ** 2).sum(axis=1) <= 16
        if near.all():
            continue  # the two discs overlap
        distances[label].append(float(np.linalg.norm(white[near].mean(axis=0) - white[~near].mean(axis=0))))
    apart, connected = map(np.mean, distances.values())
    assert min(map(len, distances.values())) > 100
    assert apart == pytest.approx(connected, abs=1.0)
    brightness = {label: np.mean([sum(p) for p, one in rows if one == label]) for label in pathfinder_lite.LABELS}
    assert brightness["apart"] == pytest.approx(brightness["connected"], rel=0.02)


def test_a_seed_makes_the_same_pictures_everywhere() -> None:
    """Whole numbers leave no room for rounding."""
    content = b"".join(pixels for pixels, _ in pathfinder_lite.draw(PathLaw(), 20, seed=6))
    assert hashlib.sha256(content).hexdigest() == "d68a57a62b8633aff2ccaa844615d8effa0c4204eb94930a7dac40105c9c3e3b"


# --- Splits that are made -------------------------------------------------------------------------------------------


def test_other_data_than_was_pinned_is_refused_and_not_kept(places: Places) -> None:
    made = Made(lambda: Splits([(b"a", "1")], [(b"b", "1")], [(b"c", "1")]), ("0" * 64, "1" * 64, "2" * 64))
    assert made.status(places) == DataStatus("embedded", "made from a seed when it is first loaded")
    with pytest.raises(DataError, match="lra/mine: the generator made other data"):
        made.written("lra/mine", places)
    assert not list((places.cache / "lra" / "mine").iterdir())


def test_names_are_unique_and_suites_name_tasks() -> None:
    names = [task.card.name for task in FAMILY.tasks()]
    assert len(set(names)) == len(names)
    assert {member for suite in FAMILY.suites() for member in suite.tasks()} <= set(names)
