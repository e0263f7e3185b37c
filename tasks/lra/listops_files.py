"""Files of ListOps: the TSVs that Long Range Arena released, and those of the original data.

Released: a head `Source`, `Target`, then the expression and its value. Original (nyu-mll/spinn): no head, the value
first. Both write the parentheses of a binary tree, which say nothing that the brackets do not; they are left out, as
Long Range Arena's own loader does. Each value is checked against the expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.contract import Places
from harness.errors import DataError
from tasks.lra.evaluator import parse, value
from tasks.lra.lines import numbered
from tasks.lra.splits import Pair, Splits

_SYMBOLS = {
    b"[MIN": b"m",
    b"[MAX": b"M",
    b"[MED": b"d",
    b"[SM": b"s",
    b"[FIRST": b"f",
    b"[LAST": b"l",
    b"]": b"]",
    b"(": b"",
    b")": b"",
    **{str(digit).encode(): str(digit).encode() for digit in range(10)},
}
RELEASED = ("basic_train.tsv", "basic_val.tsv", "basic_test.tsv")


def released(folder: Path, places: Places) -> Splits:
    """The three files that Long Range Arena released."""
    return Splits(*(read(folder / name) for name in RELEASED))


def read(path: Path) -> Iterator[Pair]:
    """The expressions of a file, one symbol a byte, and their values.

    Raises `DataError` with the line for a row that is neither layout's, holds an unknown symbol, or states a value that
    its expression does not have.
    """
    for number, line in numbered(path):
        cells = line.split(b"\t")
        if number == 1 and cells == [b"Source", b"Target"]:
            continue
        if len(cells) != 2:
            raise _fault(path, number, f"{len(cells)} cells, where an expression and its value were expected")
        source, target = cells if len(cells[0]) > len(cells[1]) else reversed(cells)
        expression = _read(path, number, source)
        try:
            found = str(value(parse(expression)))
        except ValueError as error:
            raise _fault(path, number, str(error)) from error
        if target.strip().decode("ascii", "replace") != found:
            stated = target.strip()[:20].decode("ascii", "replace")
            raise _fault(path, number, f"the value is stated as {stated!r}, and the expression comes to {found}")
        yield expression, found


def _read(path: Path, number: int, source: bytes) -> bytes:
    words = source.split()
    try:
        return b"".join([_SYMBOLS[word] for word in words])
    except KeyError as error:
        word = next(word for word in words if word not in _SYMBOLS)[:20].decode("ascii", "replace")
        raise _fault(path, number, f"{word!r} is no symbol of ListOps") from error


def _fault(path: Path, number: int, what: str) -> DataError:
    return DataError(
        f"{path}, line {number}: {what}",
        hint="A row is `( ( [MAX 2 ) 9 ) ]`, a tab and the value, or the value first.",
    )
