"""What a ListOps expression comes to: exactly, and as far as one sees who looks only so deep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

FIRST, LAST = "f", "l"
"""Two operations of the original data that Long Range Arena's law lacks."""


def _median(arguments: Sequence[int]) -> int:
    """The middle one; of two in the middle their mean, whose half is cut off."""
    ordered = sorted(arguments)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) // 2


OPERATIONS: Mapping[str, Callable[[Sequence[int]], int]] = {
    "m": min,
    "M": max,
    "d": _median,
    "s": lambda arguments: sum(arguments) % 10,
    FIRST: lambda arguments: arguments[0],
    LAST: lambda arguments: arguments[-1],
}

_DIGITS = {str(digit): digit for digit in range(10)}


class Operation(NamedTuple):
    """An operation and its arguments."""

    operator: str
    arguments: Sequence[Tree]


Tree: TypeAlias = int | Operation


def parse(expression: bytes) -> Tree:
    """The tree of an expression. Raises `ValueError` that says what is wrong with it, and at which symbol."""
    top: list[Tree] = []
    arguments, open_ones = top, list[tuple[str, list[Tree]]]()
    for place, symbol in enumerate(expression.decode("ascii", "replace"), start=1):
        if top and arguments is top:
            raise ValueError(f"symbol {place} stands behind the end of the expression")
        if symbol in _DIGITS:
            arguments.append(_DIGITS[symbol])
        elif symbol in OPERATIONS:
            open_ones.append((symbol, arguments))
            arguments = []
        elif symbol == "]" and open_ones:
            if not arguments:
                raise ValueError(f"the operation that symbol {place} closes has no arguments")
            operator, around = open_ones.pop()
            around.append(Operation(operator, arguments))
            arguments = around
        else:
            raise ValueError(f"symbol {place}, {symbol!r}, does not belong there")
    if not top:
        raise ValueError(f"{len(open_ones)} operations are not closed")
    return top[0]


def value(tree: Tree, depth: int = 1 << 30, guess: Mapping[str, int] | None = None) -> int:
    """What a tree comes to: exact in its first `depth` levels of operations, `guess` by operator below."""
    if isinstance(tree, int):
        return tree
    if depth == 0:
        assert guess is not None
        return guess[tree.operator]
    return OPERATIONS[tree.operator]([value(argument, depth - 1, guess) for argument in tree.arguments])
