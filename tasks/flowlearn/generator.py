"""Charts of our own, drawn from a seed: the graph first, then questions that its links answer.

The distribution is that of FlowLearn's test set (get_mermaid.py of its repository, and what its 4,000 charts show):
3 to 10 nodes, a link from each node to another, turned so that it leads from the earlier to the later one, and up to
three links back, which make cycles; five directions, three styles of line; a third each of white, grey and coloured
backgrounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from harness.flowcharts.chart import DIRECTIONS, STYLES, Chart, Link, Node
from tasks.flowlearn.questions import KINDS, chart_groups, statement

VERSION = "1"
_LEAST_NODES, _MOST_NODES = 3, 10
_EXTRA_LINKS = (0, 0, 1, 2, 3)
_LABEL_CHARACTERS = 20
_ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "f",
    "g",
    "gl",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "v",
)
_VOWELS = ("a", "e", "i", "o", "u", "ea", "io", "y")
_ENDS = ("", "", "n", "r", "l", "s", "ng", "tic", "ment", "x")


@dataclass(frozen=True)
class Drawn:
    """A chart and what it is drawn on, and the node that a red box is put around."""

    key: str
    chart: Chart
    background: str
    """As #RRGGBB."""
    boxed: str
    """Id of a node."""

    @property
    def groups(self) -> dict[str, str]:
        shade = {"#FFFFFF": "white", "#C0C0C0": "grey"}.get(self.background, "coloured")
        return chart_groups(self.chart) | {"background": shade}


def draw(seed: int, count: int) -> Iterator[Drawn]:
    """So many charts; the same ones for the same seed, and the first of a larger number."""
    for number in range(count):
        random = Random(f"flowlearn {VERSION} {seed} {number}")
        yield _drawn(f"{seed}-{number:05}", random)


def question(kind: str, drawn: Drawn) -> tuple[str, str] | None:
    """Text and answer of a question on a chart; None if the chart allows none of the kind."""
    chart = drawn.chart
    form = KINDS[kind]
    if form.form == "boolean":
        pair = _stated(kind, chart, Random(f"{VERSION} {drawn.key} {kind}"))
        return None if pair is None else (form.put(statement(kind, *pair)), form.answer)
    answers = {
        "ocr": next(node.label for node in chart.nodes if node.id == drawn.boxed),
        "num-nodes": str(len(chart.nodes)),
        "num-arrows": str(len(chart.links)),
        "to-mermaid": code(chart),
        "to-description": "".join(f"{a} points to {b}. " for a, b in chart.pairs),
    }
    return form.put(), answers[kind]


def code(chart: Chart) -> str:
    from harness.flowcharts.mermaid import write

    return f"```mermaid\n{write(chart)}\n```"


def content(drawn: Drawn) -> str:
    """All of a chart as text, for a digest."""
    return json.dumps([drawn.key, code(drawn.chart), drawn.background, drawn.boxed])


def _drawn(key: str, random: Random) -> Drawn:
    count = random.randint(_LEAST_NODES, _MOST_NODES)
    nodes = tuple(Node(f"entity{i}", label) for i, label in enumerate(_labels(count, random)))
    chart = Chart(nodes, _links(count, random), random.choice(DIRECTIONS))
    coloured = f"#{random.randrange(1 << 24):06X}"
    return Drawn(key, chart, random.choice(("#FFFFFF", "#C0C0C0", coloured)), random.choice(nodes).id)


def _links(count: int, random: Random) -> tuple[Link, ...]:
    forward = [sorted((i, random.choice([j for j in range(count) if j != i]))) for i in range(count)]
    back = [sorted(random.sample(range(count), 2), reverse=True) for _ in range(random.choice(_EXTRA_LINKS))]
    pairs = sorted({(a, b) for a, b in [*forward, *back]}, key=lambda pair: pair[0])
    return tuple(Link(f"entity{a}", f"entity{b}", random.choice(STYLES)) for a, b in pairs)


def _labels(count: int, random: Random) -> list[str]:
    labels: dict[str, None] = {}
    while len(labels) < count:
        words = " ".join(_word(random) for _ in range(random.choice((1, 1, 2, 2, 3))))
        labels[words[:_LABEL_CHARACTERS].strip()] = None
    return list(labels)


def _word(random: Random) -> str:
    syllables = (random.choice(_ONSETS) + random.choice(_VOWELS) for _ in range(random.randint(2, 4)))
    return "".join(syllables) + random.choice(_ENDS)


def _stated(kind: str, chart: Chart, random: Random) -> tuple[str, str] | None:
    """Two labels of which the statement of a kind is true, or false, by construction."""
    pairs, labels = chart.pairs, chart.labels
    apart = [(a, b) for a in labels for b in labels if a != b and not chart.joined(a, b)]
    reversed_only = [(b, a) for a, b in pairs if (b, a) not in pairs]
    match kind:
        case "is-true-a-to-b":
            return random.choice(pairs)
        case "is-true-between":
            a, b = random.choice(pairs)
            return (a, b) if random.random() < 0.5 else (b, a)
        case "is-false-a-to-b":
            choices = [found for found in (reversed_only, apart) if found]
            return random.choice(random.choice(choices)) if choices else None
    return random.choice(apart) if apart else None
