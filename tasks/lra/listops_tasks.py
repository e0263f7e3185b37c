"""The ListOps tasks: drawn afresh by the law of Long Range Arena, a small one, and files in either of two layouts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.contract import Labelled, Line
from tasks.lra.evaluator import parse, value
from tasks.lra.listops import DIGITS, LRA, Law, draw
from tasks.lra.listops_files import RELEASED, released
from tasks.lra.splits import Made, Read, Splits, divided, symbols
from tasks.lra.task import LRA_URL, SequenceTask

_SEED = 20211104
_NAMES = {"m": "MIN", "M": "MAX", "d": "MED", "s": "SM", "f": "FIRST", "l": "LAST"}
_RUNGS = (1, 2, 3, 4)
"""Levels of operations that are seen."""
SMALL = Law(max_depth=3, max_arguments=5, longer_than=5, shorter_than=40)


def _splits(law: Law, train: int, validation: int, test: int) -> Splits:
    """Different expressions in every split."""
    drawn = draw(law, train + validation + test, _SEED)
    return divided(((expression, str(number)) for expression, number in drawn), train, validation)


def rungs(by_first: Mapping[str, str], test: Sequence[Labelled]) -> list[Line]:
    """What is exact in so many levels of operations, from the root on, and guesses below.

    An operation that is out of sight is taken for the value that expressions under it have most often in training. A
    rung that reaches every expression is none.
    """
    guess = {symbol: int(label) for symbol, label in by_first.items()}
    trees = [(parse(symbols(row)), int(row.label)) for row in test]
    lines: list[Line] = []
    for depth in _RUNGS:
        score = sum(value(tree, depth, guess) == right for tree, right in trees) / len(trees)
        if score < 1:
            lines.append(Line(f"exact to depth {depth}", score, "rung", "operations below are guessed"))
    return lines


@dataclass(frozen=True)
class Groups:
    """Subgroups of expressions: by operator of the root, by levels of operations, by length."""

    width: int
    """Of a bin of lengths."""

    def __call__(self, data: bytes) -> Mapping[str, str]:
        start = len(data) // self.width * self.width
        return {
            "root": _NAMES[chr(data[0])],
            "levels": str(_levels(data)),
            "length": f"{start}-{start + self.width - 1}",
        }


def _levels(expression: bytes) -> int:
    steps = ((symbol > ord("A")) - 2 * (symbol == ord("]")) for symbol in expression)
    return max(itertools.accumulate(steps))


LISTOPS = SequenceTask(
    name="lra/listops",
    description=(
        "What does a nested expression of MIN, MAX, MED and SM over digits come to? 501 to 1,999 symbols, drawn by the "
        "law of Long Range Arena's generator."
    ),
    labels=DIGITS,
    source=Made(
        lambda: _splits(LRA, 96_000, 2_000, 2_000),
        (
            "0984b720ff063ecb5470789d715f9e0c7803efe3c6262e94e17a832bdef01f44",
            "cfc971f99d8aeb7a3b59fe1d25d48588cc7cf53d7091380548bbbbd540df025c",
            "fd45c5160b78ce6cea72e4f660b7694783ecb712465f4c4187af23bc2dc6f17a",
        ),
    ),
    generated=True,
    licence="Apache-2.0",
    url=LRA_URL,
    groups=Groups(500),
    lines=rungs,
)

LISTOPS_SMALL = SequenceTask(
    name="lra/listops-small",
    description="ListOps of at most two levels, five arguments and 33 symbols, which a processor learns in a minute.",
    labels=DIGITS,
    source=Made(
        lambda: _splits(SMALL, 20_000, 2_000, 2_000),
        (
            "2a1d1caa6cd3f400629bb3af5f619fc754baeb6a2aa98ae7e3b6b500c9e51fe1",
            "a9bee26340c6329da6a99cc13872f52ed2e613b5afaaca403cf6406e2ccb8741",
            "608ea13c6e76418bf029e336a4daa7810312038d25df15eece3d081cd0ec6bed",
        ),
    ),
    generated=True,
    licence="Apache-2.0",
    groups=Groups(10),
    lines=rungs,
)


def of_files(name: str, folder: str) -> SequenceTask:
    """ListOps from the three files that Long Range Arena released, in a folder below the data root."""
    return SequenceTask(
        name=name,
        description="ListOps as it was released: 501 to 1,999 symbols, in three TSV files.",
        labels=DIGITS,
        source=Read(folder, (RELEASED,), released, "The folder listops-1000 of Long Range Arena's lra_release.gz."),
        generated=True,
        licence="Apache-2.0",
        url=LRA_URL,
        groups=Groups(500),
        lines=rungs,
    )


LISTOPS_RELEASED = of_files("lra/listops-released", "lra/listops-1000")
