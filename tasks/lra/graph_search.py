"""Search in a graph: which vertex is next on the way from the start to the goal?

After Saparov et al., "Transformers Struggle to Learn to Search" (ICLR 2025, arXiv:2412.04703), whose balanced law makes
every look-ahead about as frequent: of several branches that leave the start and look alike for L steps, one leads to
the goal.

Written as edges in a random order, the start and the goal, and the path so far: `,ab,bc,ad?ac:a`, to which the answer
is `b`. A vertex is a letter, and its name tells nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from harness.contract import Labelled, Line
from tasks.lra.draws import Draws
from tasks.lra.splits import symbols

NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHA = 0.5
_MOST_NEIGHBOURS = 3
_MOST_EXTRA = 6
_RUNGS = (1, 2, 4)
"""Edges that are looked ahead."""

Edges = list[tuple[int, int]]
_V = TypeVar("_V")


@dataclass(frozen=True)
class SearchLaw:
    """How large the graphs are: 3 symbols an edge, and 5 more."""

    vertices: int
    edges: int
    look_ahead: int
    """The greatest."""


def draw(law: SearchLaw, count: int, seed: int) -> Iterator[tuple[bytes, str]]:
    """`count` different questions, and the vertex that is next.

    Drawn again is a graph with too many edges, one in which the goal is nearer than it should be, and one in which a
    second vertex that follows the start leads to the goal, for then the answer would not be one.
    """
    draws, seen = Draws(seed), set[bytes]()
    while len(seen) < count:
        look_ahead = draws.one(law.look_ahead + 1)
        vertices, edges = _graph(law, look_ahead, draws)
        goal = max(1, look_ahead)
        children = _children(edges)
        ways = [child for child in children[0] if goal in reached(children, child)]
        if len(edges) > law.edges or ways != [1] or distances(children, 0).get(goal) != goal:
            continue
        names = [NAMES[place] for place in draws.order(law.vertices).tolist()[:vertices]]
        shuffled = [edges[place] for place in draws.order(len(edges)).tolist()]
        text = "".join(f",{names[a]}{names[b]}" for a, b in shuffled)
        question = f"{text}?{names[0]}{names[goal]}:{names[0]}".encode()
        if question not in seen:
            seen.add(question)
            yield question, names[1]


def groups(question: bytes) -> Mapping[str, str]:
    """The look-ahead (edges from start to goal), and how many edges leave the start."""
    edges, _, rest = question.decode().partition("?")
    children: dict[str, list[str]] = {}
    for edge in edges[1:].split(","):
        children.setdefault(edge[0], []).append(edge[1])
    start, goal = rest[0], rest[1]
    return {"look_ahead": str(distances(children, start)[goal]), "branches": str(len(children[start]))}


def _graph(law: SearchLaw, look_ahead: int, draws: Draws) -> tuple[int, Edges]:
    """The number of vertices, and the edges: 0 is the start, and the chain 1, 2 … leads to the goal."""
    length = max(1, look_ahead)
    paths = 1 + draws.one(2) if look_ahead == 0 else 2 + draws.one((law.edges - 1) // look_ahead - 1)
    most = min(length * paths + 1 + draws.one(_MOST_EXTRA), law.vertices, law.edges + 1)
    edges: Edges = [(place, place + 1) for place in range(length)]
    used = length + 1
    for _ in range(paths - 1 if look_ahead else 0):
        branch = min(look_ahead + draws.one(2), most - used)
        chain = [0, *range(used, used + branch)]
        edges += pairwise(chain)
        used += branch
    before = 0
    for vertex in range(used, used + draws.one(max(most - used, 0) + 1)):
        edges.append((vertex, before))
        before, used = vertex, vertex + 1
    for vertex in range(used, most):
        edges += _attached(vertex, edges, draws)
    return max(most, used), edges


def _attached(vertex: int, edges: Edges, draws: Draws) -> Edges:
    """Edges of a further vertex: to children that have many parents already, and from parents with many children."""
    wanted = draws.one(_MOST_NEIGHBOURS + 1)
    parents = draws.one(_MOST_NEIGHBOURS + 1) if wanted else 1 + draws.one(_MOST_NEIGHBOURS)
    incoming, outgoing = [_ALPHA] * vertex, [_ALPHA] * vertex
    for parent, child in edges:
        incoming[child] += 1
        outgoing[parent] += 1
    chosen = _drawn(incoming, wanted, draws)
    below = set[int]()
    children = _children(edges)
    for child in chosen:
        below |= reached(children, child)
    for descendant in below:
        outgoing[descendant] = 0.0
    return [(vertex, child) for child in chosen] + [(parent, vertex) for parent in _drawn(outgoing, parents, draws)]


def _drawn(weights: list[float], count: int, draws: Draws) -> list[int]:
    """So many different places, each with a chance in proportion to its weight; fewer if there are not as many."""
    left = list(weights)
    found: list[int] = []
    for _ in range(min(count, sum(weight > 0 for weight in left))):
        point = float(draws.uniform(1)[0]) * sum(left)
        place = max(place for place, weight in enumerate(left) if weight > 0)
        for candidate, weight in enumerate(left):
            point -= weight
            if weight > 0 and point < 0:
                place = candidate
                break
        found.append(place)
        left[place] = 0.0
    return found


def _children(edges: Edges) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
    return children


def reached(children: Mapping[_V, list[_V]], start: _V) -> set[_V]:
    """The start, and every vertex that edges lead to from it."""
    return set(distances(children, start))


def distances(children: Mapping[_V, list[_V]], start: _V) -> dict[_V, int]:
    """The edges from the start to each vertex that can be reached."""
    found = {start: 0}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for child in children.get(here, ()):
            if child not in found:
                found[child] = found[here] + 1
                waiting.append(child)
    return found


def rungs(by_first: Mapping[str, str], test: Sequence[Labelled]) -> list[Line]:
    """What is right wherever the goal is so many edges away, and elsewhere takes any edge from the start."""
    found = [groups(symbols(row)) for row in test]
    lines: list[Line] = []
    for steps in _RUNGS:
        chances = [1.0 if int(g["look_ahead"]) <= steps else 1 / int(g["branches"]) for g in found]
        if (score := sum(chances) / len(chances)) < 1:
            lines.append(Line(f"looks {steps} ahead", score, "rung", "takes any edge if the goal is further away"))
    return lines
