"""Pathfinder and Path-X as they were released: are two marked points on one dashed path?

A folder `curv_contour_length_14` (the hard split) with `metadata/*.npy`, which are texts: a picture a line, with
folder, file and label in the columns 0, 1 and 3. Upstream takes the first 80 % to train and a tenth each to validate
and test, and leaves out files without content; so does this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from harness.contract import Places
from harness.errors import DataError
from tasks.lra.images import decoded
from tasks.lra.lines import AGAIN, numbered
from tasks.lra.splits import Pair, Splits

LABELS = ("apart", "connected")
FOLDER = "curv_contour_length_14"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class _Picture:
    path: Path
    label: str


def read(folder: Path, places: Places, side: int) -> Splits:
    """The pictures of `side` by `side` pixels, split in the order of the metadata, decoded as they are asked for.

    Raises `DataError` for a line, a file or a size that is not as expected.
    """
    pictures = list(_listed(folder / FOLDER))
    if not pictures:
        raise DataError(f"{folder / FOLDER / 'metadata'} lists no picture that is there", hint=AGAIN)
    test = validation = len(pictures) // 10
    train = len(pictures) - validation - test
    read_all = partial(_pixels, side=side, places=places)
    return Splits(
        read_all(pictures[:train]),
        read_all(pictures[train : train + validation]),
        read_all(pictures[train + validation :]),
    )


def _listed(folder: Path) -> Iterator[_Picture]:
    lists = sorted((folder / "metadata").glob("*.npy"), key=_number)
    for path in lists:
        for number, line in numbered(path):
            cells = line.split()
            place = f"{path}, line {number}"
            if len(cells) < 4 or cells[3] not in (b"0", b"1"):
                raise DataError(f"{place}: not a picture with its label", hint="Such as: imgs/0 sample_0.png 0 1 …")
            inside = PurePosixPath(cells[0].decode("utf-8", "replace")) / cells[1].decode("utf-8", "replace")
            if inside.is_absolute() or ".." in inside.parts:
                raise DataError(f"{place}: {str(inside)!r} leads out of the folder")
            picture = folder / inside
            if not picture.is_file():
                raise DataError(f"{place}: there is no {picture}", hint=AGAIN)
            if picture.stat().st_size:
                yield _Picture(picture, LABELS[cells[3] == b"1"])


def _number(path: Path) -> tuple[int, str]:
    match = re.fullmatch(r"(\d+)\.npy", path.name)
    return (int(match[1]) if match else 1 << 30, path.name)


def _pixels(pictures: list[_Picture], side: int, places: Places) -> Iterator[Pair]:
    for done, picture in enumerate(pictures, start=1):
        if picture.path.stat().st_size > _LARGEST:
            raise DataError(f"{picture.path}: more than {_LARGEST:,} bytes long")
        yield decoded(picture.path.read_bytes(), str(picture.path), "PNG", side, "L").tobytes(), picture.label
        places.progress(done, len(pictures), "pictures")
