"""What a ListOps expression comes to: exactly, and as far as one sees who looks only so deep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

FIRST, LAST = "f", "l"
"""Two operations of the original data that Long Range Arena's law lacks."""

OPERATIONS: Mapping[str, Callable[[Sequence[int]], int]] = {
    "m": min,
    "M": max,
    "d": lambda arguments: int(median(arguments)),
    "s": lambda arguments: sum(arguments) % 10,
    FIRST: lambda arguments: arguments[0],
    LAST: lambda arguments: arguments[-1],
}


@dataclass(frozen=True)
class Operation:
    """An operation and its arguments."""

    operator: str
    arguments: tuple[Tree, ...]


Tree: TypeAlias = int | Operation


def parse(expression: bytes) -> Tree:
    """The tree of an expression. Raises `ValueError` that says what is wrong with it, and at which symbol."""
    open_ones: list[tuple[str, list[Tree]]] = []
    done: Tree | None = None
    for place, symbol in enumerate(expression.decode("ascii", "replace"), start=1):
        if done is not None:
            raise ValueError(f"symbol {place} stands behind the end of the expression")
        if symbol in OPERATIONS:
            open_ones.append((symbol, []))
            continue
        if symbol == "]" and open_ones:
            operator, arguments = open_ones.pop()
            if not arguments:
                raise ValueError(f"the operation that symbol {place} closes has no arguments")
            tree: Tree = Operation(operator, tuple(arguments))
        elif "0" <= symbol <= "9":
            tree = int(symbol)
        else:
            raise ValueError(f"symbol {place}, {symbol!r}, does not belong there")
        if open_ones:
            open_ones[-1][1].append(tree)
        else:
            done = tree
    if done is None:
        raise ValueError(f"{len(open_ones)} operations are not closed")
    return done


def value(tree: Tree, depth: int = 1 << 30, guess: Mapping[str, int] | None = None) -> int:
    """What a tree comes to: exact in its first `depth` levels of operations, `guess` by operator below."""
    if isinstance(tree, int):
        return tree
    if depth == 0:
        assert guess is not None
        return guess[tree.operator]
    return OPERATIONS[tree.operator]([value(argument, depth - 1, guess) for argument in tree.arguments])


def most_common_values(trees: Iterable[Tree]) -> dict[str, int]:
    """For each operator, the value that expressions under it have most often."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for tree in trees:
        if isinstance(tree, Operation):
            counts[tree.operator][value(tree)] += 1
    return {operator: counter.most_common(1)[0][0] for operator, counter in counts.items()}
