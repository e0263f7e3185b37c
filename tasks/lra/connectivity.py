"""Is a graph connected? Of two graphs in which every vertex has as many edges, one is and one is not.

Two components of equal size are drawn, each a random tree with a few more edges. Its connected twin has two edges, one
of each component and one of them on a cycle, swapped for two that cross. Degrees, vertices and edges are the same, so
no count tells the twins apart; written as `,ab,cd` with the edges, and the ends of each, in a random order.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.lra.draws import Draws
from tasks.lra.graph_search import NAMES, Edges, distances

LABELS = ("apart", "connected")


def draw(half: int, more: int, count: int, seed: int) -> Iterator[tuple[bytes, str]]:
    """`count` pairs of twins over twice `half` vertices; `more` edges of each component are not its tree's."""
    draws, seen = Draws(seed), set[bytes]()
    while len(seen) < 2 * count:
        one, other = _component(half, more, draws), _component(half, more, draws)
        apart = one + [(a + half, b + half) for a, b in other]
        cycles = [edge for edge in one if _is_on_cycle(edge, one)]
        (a, b), (c, d) = cycles[draws.one(len(cycles))], apart[len(one) + draws.one(len(other))]
        if draws.one(2):
            c, d = d, c
        connected = [edge for edge in apart if edge not in ((a, b), (c, d), (d, c))] + [(a, c), (b, d)]
        names = [NAMES[place] for place in draws.order(2 * half).tolist()]
        twins = [(_written(apart, names, draws), LABELS[0]), (_written(connected, names, draws), LABELS[1])]
        if not seen & {text for text, _ in twins}:
            seen |= {text for text, _ in twins}
            yield from twins


def is_connected(edges: Edges) -> bool:
    """Whether every vertex that has an edge can be reached from every other."""
    return len(distances(_neighbours(edges), edges[0][0])) == len({vertex for edge in edges for vertex in edge})


def _component(vertices: int, more: int, draws: Draws) -> Edges:
    edges: Edges = [(draws.one(vertex), vertex) for vertex in range(1, vertices)]
    known = set(edges)
    while len(known) < vertices - 1 + more:
        a, b = sorted((draws.one(vertices), draws.one(vertices)))
        if a != b and (a, b) not in known:
            known.add((a, b))
            edges.append((a, b))
    return edges


def _is_on_cycle(edge: tuple[int, int], edges: Edges) -> bool:
    others = [one for one in edges if one != edge]
    return edge[1] in distances(_neighbours(others), edge[0])


def _neighbours(edges: Edges) -> dict[int, list[int]]:
    neighbours: dict[int, list[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    return neighbours


def _written(edges: Edges, names: list[str], draws: Draws) -> bytes:
    turned = draws.below(2, len(edges)).tolist()
    ends = [(b, a) if turn else (a, b) for (a, b), turn in zip(edges, turned, strict=True)]
    return "".join(f",{names[a]}{names[b]}" for a, b in (ends[place] for place in draws.order(len(ends)))).encode()
