"""Pictures as sequences of grey pixels, row by row: CIFAR-10 from its binary archive or from JPEGs, and MNIST."""

from __future__ import annotations

import io
import math
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.contract import Places
from harness.errors import DataError
from tasks.lra.lines import AGAIN, opened
from tasks.lra.splits import Pair, Splits, cut

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR = "cifar-10-binary.tar.gz"
JPEGS = ("train_20000.zip", "test_10000.zip")
MNIST = tuple(f"{split}-{what}-ubyte.gz" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE
_BATCH = 10_000
_VALIDATION = 5_000
_MEMBER = re.compile(r"cifar-10-batches-bin/(data_batch_[1-5]|test_batch)\.bin")
_ENTRY = re.compile(r"(?:train|test)/(\w+)/\d+\.jpe?g")
_LARGEST_JPEG = 1 << 20
_MOST_ENTRIES = 60_000
_IDX_TYPE = 8
"""Unsigned bytes."""

Bytes = npt.NDArray[np.uint8]


def gray(pixels: Bytes) -> Bytes:
    """Grey levels [..., h, w] of colours [..., h, w, 3], as TensorFlow's rgb_to_grayscale makes them of whole numbers.

    In float32: the levels over 255, weighed .2989, .587 and .114, times 255.5, cut to a whole number.
    """
    weights = np.array([0.2989, 0.587, 0.114], dtype=np.float32)
    levels = (pixels.astype(np.float32) / np.float32(255)) @ weights
    grey: Bytes = np.minimum(levels * np.float32(255.5), 255).astype(np.uint8)
    return grey


# --- CIFAR-10 -------------------------------------------------------------------------------------------------------


def cifar(folder: Path, places: Places) -> Splits:
    """The exact pictures. The archive with pickles in it is never read.

    Raises `DataError` if the archive is broken, or a batch in it is missing or of the wrong size.
    """
    path = folder / CIFAR
    batches: dict[str, list[Pair]] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                match = _MEMBER.fullmatch(member.name)
                if match and member.isreg():
                    file = archive.extractfile(member)
                    assert file is not None
                    batches[match[1]] = _batch(f"{path}, {member.name}", file.read(_BATCH * _RECORD + 1))
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not an archive that can be read: {error}", hint=AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", hint=AGAIN) from error
    expected = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    if missing := [name for name in expected if name not in batches]:
        raise DataError(f"{path} has no {' and no '.join(missing)}", hint=AGAIN)
    train = [pair for name in expected[:-1] for pair in batches[name]]
    parts = cut(train, _VALIDATION)
    return Splits(parts.train, parts.validation, batches["test_batch"])


def _batch(where: str, content: bytes) -> list[Pair]:
    if len(content) != _BATCH * _RECORD:
        raise DataError(f"{where}: {len(content):,} bytes, not {_BATCH:,} records of {_RECORD:,}", hint=AGAIN)
    records = np.frombuffer(content, dtype=np.uint8).reshape(_BATCH, _RECORD)
    if (most := int(records[:, 0].max())) >= len(CLASSES):
        raise DataError(f"{where}: a label is {most}, and there are {len(CLASSES)} classes", hint=AGAIN)
    grey = gray(records[:, 1:].reshape(_BATCH, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
    return [(one.tobytes(), CLASSES[label]) for one, label in zip(grey, records[:, 0].tolist(), strict=True)]


def jpegs(folder: Path, places: Places) -> Splits:
    """Pictures that went through JPEG, in zips of `split/class/number.jpg`."""
    train, test = (list(_jpegs(folder / name, places)) for name in JPEGS)
    parts = cut(train, len(train) // 10)
    return Splits(parts.train, parts.validation, test)


def _jpegs(path: Path, places: Places) -> Iterator[Pair]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > _MOST_ENTRIES:
                raise DataError(f"{path} has {len(entries):,} entries, more than the {_MOST_ENTRIES:,} allowed")
            for done, entry in enumerate(entries, start=1):
                where = f"{path}, entry {entry.filename!r}"
                match = _ENTRY.fullmatch(entry.filename)
                if match is None or match[1] not in CLASSES:
                    raise DataError(f"{where}: not the name of a picture of a class", hint="Such as test/cat/0001.jpg.")
                if entry.file_size > _LARGEST_JPEG:
                    raise DataError(f"{where}: more than {_LARGEST_JPEG:,} bytes long")
                yield gray(decoded(archive.read(entry), where, "JPEG", _SIDE, "RGB")).tobytes(), match[1]
                places.progress(done, len(entries), f"pictures of {path.name}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is not a zip file that can be read: {error}", hint=AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def decoded(content: bytes, where: str, form: str, side: int, mode: str) -> Bytes:
    """The pixels of a square picture of `side` pixels.

    Raises `DataError` if it is no picture of the form (JPEG, PNG) or of another size, which is known before a pixel
    is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=[form]) as picture:
            if picture.size != (side, side):
                width, height = picture.size
                raise DataError(f"{where}: {width} by {height} pixels, not {side} by {side}")
            return np.asarray(picture.convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{where}: not a {form} that can be read ({error})", hint=AGAIN) from error


# --- MNIST ----------------------------------------------------------------------------------------------------------


def mnist(folder: Path, places: Places) -> Splits:
    """Handwritten digits of 28 by 28 pixels."""
    train, test = (_idx_pairs(folder, images, labels) for images, labels in (MNIST[:2], MNIST[2:]))
    parts = cut(_sequences(*train), _VALIDATION)
    return Splits(parts.train, parts.validation, _sequences(*test))


def mnist_halved(folder: Path, places: Places) -> Splits:
    """The same at 14 by 14 pixels, each the mean of four: 10,000 to train, 2,000 to validate and 2,000 to test."""
    (train, train_labels), (test, test_labels) = (
        _idx_pairs(folder, images, labels) for images, labels in (MNIST[:2], MNIST[2:])
    )
    first = cut(_sequences(_halved(train), train_labels), 2_000, 10_000)
    tested = cut(_sequences(_halved(test), test_labels), 0, 2_000)
    return Splits(first.test, first.validation, tested.test)


def _halved(pictures: Bytes) -> Bytes:
    n, height, width = pictures.shape
    sums = pictures.reshape(n, height // 2, 2, width // 2, 2).sum(axis=(2, 4), dtype=np.int64)
    halved: Bytes = (sums // 4).astype(np.uint8)
    return halved


def _sequences(pictures: Bytes, labels: Bytes) -> list[Pair]:
    return [(one.tobytes(), str(label)) for one, label in zip(pictures, labels.tolist(), strict=True)]


def _idx_pairs(folder: Path, images: str, labels: str) -> tuple[Bytes, Bytes]:
    pictures, classes = _idx(folder / images, (28, 28)), _idx(folder / labels, ())
    if len(pictures) != len(classes):
        raise DataError(f"{folder / images} has {len(pictures):,} pictures, and {labels} {len(classes):,} labels")
    if classes.size and classes.max() > 9:
        raise DataError(f"{folder / labels}: a label is {classes.max()}, not a digit")
    return pictures, classes


def _idx(path: Path, shape: tuple[int, ...]) -> Bytes:
    """An array of bytes [n, *shape] in IDX format. Raises `DataError` if the file holds anything else."""
    head = struct.Struct(f">HBB{1 + len(shape)}I")
    item = math.prod(shape)
    try:
        with opened(path) as file:
            content = file.read(head.size + 100_000 * item + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}", hint=AGAIN) from error
    if len(content) < head.size:
        raise DataError(f"{path}: {len(content)} bytes, too short for an IDX file", hint=AGAIN)
    zero, kind, axes, count, *found = head.unpack_from(content)
    if (zero, kind, axes) != (0, _IDX_TYPE, 1 + len(shape)):
        raise DataError(f"{path} does not begin like an IDX file of bytes with {1 + len(shape)} axes", hint=AGAIN)
    if tuple(found) != shape:
        raise DataError(f"{path}: pictures of {_by(found)} pixels, not {_by(shape)}")
    if len(content) != head.size + count * item:
        raise DataError(f"{path}: {len(content):,} bytes, where {count:,} items were announced", hint=AGAIN)
    return np.frombuffer(content, dtype=np.uint8, offset=head.size).reshape(count, *shape)


def _by(shape: Sequence[int]) -> str:
    return " by ".join(map(str, shape))
