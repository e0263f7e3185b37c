"""A flowchart as a graph: labelled nodes, and links of three styles between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Style = Literal["solid", "thick", "dotted"]
Direction = Literal["TB", "TD", "BT", "LR", "RL"]
STYLES: tuple[Style, ...] = ("solid", "thick", "dotted")
DIRECTIONS: tuple[Direction, ...] = ("TB", "TD", "BT", "LR", "RL")

Pair = tuple[str, str]
"""Labels at the start and the end of a link."""


@dataclass(frozen=True)
class Node:
    """A box: its name in the code, and the text in it."""

    id: str
    label: str


@dataclass(frozen=True)
class Link:
    """An arrow between two nodes, by their ids."""

    source: str
    target: str
    style: Style = "solid"


@dataclass(frozen=True)
class Chart:
    """Nodes and links in the order in which they were written."""

    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    direction: Direction = "TB"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(node.label for node in self.nodes)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Each link as the labels that it joins."""
        labels = {node.id: node.label for node in self.nodes}
        return tuple((labels[link.source], labels[link.target]) for link in self.links)

    @cached_property
    def styled_pairs(self) -> tuple[tuple[str, str, str], ...]:
        return tuple((*pair, link.style) for pair, link in zip(self.pairs, self.links, strict=True))

    def joined(self, a: str, b: str) -> bool:
        """True if an arrow leads from one label to the other, in whichever direction."""
        return (a, b) in self.pairs or (b, a) in self.pairs
