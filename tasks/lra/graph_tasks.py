"""The tasks over graphs, written as lists of edges."""

from __future__ import annotations

from tasks.lra import connectivity, graph_search
from tasks.lra.graph_search import NAMES, SearchLaw
from tasks.lra.splits import Made, divided
from tasks.lra.task import SequenceTask

_SAPAROV = "Saparov et al. (2025): Transformers Struggle to Learn to Search. ICLR 2025, arXiv:2412.04703"
_SEED = 20211106
LAW = SearchLaw(vertices=31, edges=31, look_ahead=8)

GRAPH_SEARCH = SequenceTask(
    name="lra/graph-search",
    description=(
        "Which vertex is next on the way from the start to the goal? Graphs of up to 31 edges, in which up to eight "
        "steps have to be looked ahead, each number about as often; at most 98 symbols."
    ),
    labels=tuple(NAMES[: LAW.vertices]),
    source=Made(
        lambda: divided(graph_search.draw(LAW, 104_000, _SEED), 100_000, 2_000),
        (
            "44c935c031df74f1d6d94a8aa013e5c9b2906ed3c9cf2c96302862d1bc99631f",
            "6893b070b090bb139feef0a5230ae8165971061d2fa118c5f16c5796cd36e56a",
            "15d24bde0aa306d3bffd02c4427bff1987ad9add5a6223a945753044b3214bf6",
        ),
    ),
    generated=True,
    licence="Apache-2.0",
    citation=_SAPAROV,
    url="https://github.com/asaparov/learning_to_search",
    groups=graph_search.groups,
    lines=graph_search.rungs,
)

CONNECTIVITY = SequenceTask(
    name="lra/connectivity",
    description=(
        "Is a graph connected, or in two halves? 30 vertices and 38 edges, and for every connected graph one that is "
        "apart with the same degrees, so that no count tells."
    ),
    labels=connectivity.LABELS,
    source=Made(
        lambda: divided(connectivity.draw(15, 5, 22_000, _SEED), 40_000, 2_000),
        (
            "1052b72b30ac2fd513d33b92df47ccb6d67d047c0e601e46845ece5f3f0d8940",
            "1ef772daba9b5b609507dce28aa117ce2d6208388ca8e1f27ba8c23f799baa48",
            "afd5cfaae3ebc63a55d084b6619eb1d54a490aff072d0e5bffebb9615a84217c",
        ),
    ),
    generated=True,
    licence="Apache-2.0",
    citation="",
)
