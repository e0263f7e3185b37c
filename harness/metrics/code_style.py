"""Code style similarity (CSSim): how alike two functions are in their variables, the calls they make, and their trees.

Li, Zhou and Shen (2024), "Rewriting the Code" (arXiv:2401.04514), equations 9 to 11. With ED an edit distance over the
longer name's length, and lambda the normalised inverse document frequencies of one side's names:

    Dis_1 = sum_i lambda_i min_j ED(name_i, name_j)      over one side's names, and Dis_2 over the other's
    CSDis = (Dis_variables + Dis_calls + TED) / 3        each Dis the mean of both sides; CSSim = 1 - CSDis

TED is the tree edit distance over the larger number of nodes, of concrete syntax trees that know types of nodes only.
The published code computes something else, so there are two definitions, and a result has to say which it is:

- `paper`: as above, idf = ln(N / df) over the functions compared. Two sides without names are alike, one is not.
- `repo`: the *smaller* similarity of both directions instead of their mean; "idf" = ln(all names / times of this name),
  a name per function; a part where a side has no names is left out of the mean.

Names are read by bytes and decoded, where the published code cuts characters at byte offsets and finds wrong names in
code that is not ASCII. Where all weights are 0, by which the published code divides, names weigh the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from harness.source_code.style import StyleNames, TypeTree, names_and_tree

Definition = Literal["paper", "repo"]
Weights = Mapping[str, float]


@dataclass(frozen=True)
class Style:
    """The parts of one comparison, 1 for the same; a part that `repo` leaves out is None."""

    variables: float | None
    calls: float | None
    tree: float

    @property
    def similarity(self) -> float:
        """CSSim: the mean of the parts."""
        parts = [part for part in (self.variables, self.calls, self.tree) if part is not None]
        return sum(parts) / len(parts)


class CodeStyle:
    """Compares functions of one language (python, java); what is rare is seen over all pairs.

    Raises `KeyError` for another language.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], language: str, definition: Definition) -> None:
        self._pairs, self._language, self._definition = pairs, language, definition

    @cached_property
    def _read(self) -> list[tuple[tuple[StyleNames, TypeTree], tuple[StyleNames, TypeTree]]]:
        return [(self._side(one), self._side(other)) for one, other in self._pairs]

    def _side(self, code: str) -> tuple[StyleNames, TypeTree]:
        """`repo` looks for calls inside of calls in Python only, and keeps the empty part of a name like `_x`."""
        if self._definition == "repo":
            return names_and_tree(code, self._language, nested=self._language == "python")
        names, tree = names_and_tree(code, self._language)
        return replace(names, variables=names.variables - {""}), tree

    def styles(self) -> list[Style]:
        """The comparison of each pair, in their order."""
        names = [side for pair in self._read for side, _ in pair]
        variables = _weights([each.variables for each in names], self._definition)
        calls = _weights([each.calls for each in names], self._definition)
        return [
            Style(
                variables=self._alike(one.variables, other.variables, variables),
                calls=self._alike(one.calls, other.calls, calls),
                tree=1 - tree_distance(one_tree, other_tree),
            )
            for (one, one_tree), (other, other_tree) in self._read
        ]

    def _alike(self, one: frozenset[str], other: frozenset[str], weights: Weights) -> float | None:
        if not one or not other:
            if self._definition == "repo":
                return None
            return float(not one and not other)
        both = directed(one, other, weights), directed(other, one, weights)
        return min(both) if self._definition == "repo" else sum(both) / 2


def directed(one: Iterable[str], other: Iterable[str], weights: Weights) -> float:
    """How like each name of one side its nearest of the other is, 0 to 1, weighted."""
    from rapidfuzz.distance import Levenshtein

    names = sorted(one)
    nearest = [max(Levenshtein.normalized_similarity(name, its) for its in other) for name in names]
    shares = [weights.get(name, 0.0) for name in names]
    total = sum(shares)
    if not total:
        return sum(nearest) / len(nearest)
    return sum(share * value for share, value in zip(shares, nearest, strict=True)) / total


def tree_distance(one: TypeTree, other: TypeTree) -> float:
    """Insertions, deletions and renamings of nodes from one tree to the other, over the nodes of the larger."""
    from edist.ted import standard_ted

    distance = standard_ted(one.types, one.children, other.types, other.children)
    return float(distance) / max(len(one.types), len(other.types))


def _weights(sides: Sequence[frozenset[str]], definition: Definition) -> Weights:
    times = Counter(name for names in sides for name in names)
    total = len(sides) if definition == "paper" else sum(times.values())
    return {name: math.log(total / count) for name, count in times.items()}
