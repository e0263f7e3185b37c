"""Two documents in one sequence, with a zero byte between them: do they belong together?

`retrieval` reads the pairs of papers of the ACL Anthology Network that Long Range Arena released, whose texts cannot be
had any more from their origin. `byte-match` is no substitute in name: two passages of film reviews, of the same or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.contract import Places
from harness.errors import DataError
from tasks.lra import imdb
from tasks.lra.lines import numbered
from tasks.lra.splits import Pair, Splits, cut

LABELS = ("no", "yes")
SEPARATOR = b"\0"
AAN = ("new_aan_pairs.train.tsv", "new_aan_pairs.eval.tsv", "new_aan_pairs.test.tsv")
DOCUMENT = 4000
"""Bytes of each paper that are kept, as in Long Range Arena."""
PASSAGE = 512
"""Bytes of each passage of a review."""
_VALIDATION = 2000


def papers(folder: Path, places: Places) -> Splits:
    """The three files of pairs of papers."""
    return Splits(*(_papers(folder / name) for name in AAN))


def _papers(path: Path) -> Iterator[Pair]:
    """Rows of label, two ids and two texts. Raises `DataError` with the line for one that is none."""
    for number, line in numbered(path):
        cells = line.split(b"\t")
        if len(cells) != 5:
            raise DataError(
                f"{path}, line {number}: {len(cells)} cells, not 5",
                hint="A row is label, id, id, text and text, with tabs between them.",
            )
        if cells[0] not in (b"0", b"1", b"0.0", b"1.0"):
            shown = cells[0][:20].decode("ascii", "replace")
            raise DataError(f"{path}, line {number}: the label is {shown!r}, neither 0 nor 1")
        first, second = (text.replace(SEPARATOR, b" ")[:DOCUMENT] for text in cells[3:])
        yield first + SEPARATOR + second, LABELS[cells[0].startswith(b"1")]


def passages(folder: Path, places: Places) -> Splits:
    """The first and the last bytes of a review, or the first of one and the last of another.

    Each first and each last passage is in as many pairs of either label, once, so neither tells anything by itself.
    """
    whole = imdb.read(folder, places)
    train = cut([*whole.train, *whole.validation], _VALIDATION)
    return Splits(*(list(_matched(list(pairs))) for pairs in (train.train, train.validation, whole.test)))


def _matched(reviews: Sequence[Pair]) -> Iterator[Pair]:
    texts = sorted({text.replace(SEPARATOR, b" ") for text, _ in reviews if len(text) >= 2 * PASSAGE})
    ordered = [text for text, _ in cut([(text, "") for text in texts], 0).train]
    for text, other in zip(ordered, [*ordered[1:], ordered[0]], strict=True):
        yield text[:PASSAGE] + SEPARATOR + text[-PASSAGE:], "yes"
        yield text[:PASSAGE] + SEPARATOR + other[-PASSAGE:], "no"
