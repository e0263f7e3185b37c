"""Files of strangers: read as they should be, and refused in words, with file and line, where they are broken."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contract import Places
from harness.errors import DataError
from tasks.lra import FAMILY, images, imdb, pairs, pathfinder
from tasks.lra.images import gray
from tasks.lra.listops_files import read as read_listops
from tasks.lra.splits import cut

RELEASED = "Source\tTarget\n( ( ( [MAX 2 ) 9 ) ] )\t9\n( ( ( [SM 5 ) 8 ) ] )\t3\n"
ORIGINAL = "9\t( ( ( ( [MAX 2 ) ( ( ( [FIRST 9 ) 6 ) ] ) ) 1 ) ] )\n"


def task(name: str):  # type: ignore[no-untyped-def]
    return next(task for task in FAMILY.tasks() if task.card.name == name)


# --- ListOps --------------------------------------------------------------------------------------------------------


def test_both_layouts_of_listops_are_read(tmp_path: Path) -> None:
    (tmp_path / "released.tsv").write_text(RELEASED)
    assert list(read_listops(tmp_path / "released.tsv")) == [(b"M29]", "9"), (b"s58]", "3")]
    with lzma.open(tmp_path / "original.tsv.xz", "wt") as file:
        file.write(ORIGINAL)
    assert list(read_listops(tmp_path / "original.tsv.xz")) == [(b"M2f96]1]", "9")]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("( [MAX 2 ] )", "1 cells"),
        ("( [MAX 2 9 ] )\t8", "stated as '8', and the expression comes to 9"),
        ("( [MAX 2 9 ] )\tnine", "stated as 'nine'"),
        ("( [MOX 2 9 ] )\t9", "'\\[MOX' is no symbol"),
        ("( [MAX 2 9 )\t9", "1 operations are not closed"),
        ("[MAX ]\t9", "no arguments"),
        ("( [MAX 2 \udc80 ] )\t9", "is no symbol"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "basic_test.tsv"
    path.write_bytes((RELEASED + row + "\n").encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=f"line 4: .*{complaint}"):
        list(read_listops(path))


def test_a_folder_of_released_files_is_a_task(tmp_path: Path, places: Places) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(DataError, match=r"no basic_train.tsv and no basic_val.tsv and no basic_test.tsv"):
        FAMILY.open(folder)
    for name in ("basic_train.tsv", "basic_val.tsv", "basic_test.tsv"):
        (folder / name).write_text(RELEASED)
    opened = FAMILY.open(folder)
    workload = opened.load(places)
    assert opened.card.name == "lra:mine"
    assert len(workload.examples) == 2
    (shared,) = [
        row
        for row in workload.audit["Sequences that are there twice"]
        if row["sequences"]
        and "test" in str(row["the same sequence in"])
        and "validation" not in str(row["the same sequence in"])
    ]
    assert shared == {"the same sequence in": "train and test", "sequences": 2, "with another label": 0}


@pytest.mark.data
@pytest.mark.parametrize("name", ["test_d20s", "test_d20a", "test_d8"])
def test_the_evaluator_is_right_on_all_of_the_original_data(data_root: Path, name: str) -> None:
    """Reading checks every value against its expression; d8 has FIRST and LAST as well."""
    rows = list(read_listops(data_root / "lra" / "listops-spinn" / f"{name}.tsv.xz"))
    assert len(rows) == 10_000
    assert any(symbol in b"fl" for expression, _ in rows for symbol in expression) == (name == "test_d8")


# --- Texts ----------------------------------------------------------------------------------------------------------


def small_reviews(monkeypatch: pytest.MonkeyPatch, count: int = 2) -> None:
    monkeypatch.setattr(imdb, "_REVIEWS", count)
    monkeypatch.setattr(imdb, "_VALIDATION", 1)


def review(split: str, label: str, number: int) -> str:
    return f"{split} {label} {number} " + "long " * 1000


def archive(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


REVIEWS = [
    (f"aclImdb/{split}/{label}/{number}_{8 if label == 'pos' else 2}.txt", review(split, label, number).encode())
    for split in ("train", "test")
    for label in ("neg", "pos")
    for number in range(2)
]


def test_reviews_come_from_the_archive_or_from_lines(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_reviews(monkeypatch)
    archive(tmp_path / "aclImdb_v1.tar.gz", [*REVIEWS, ("aclImdb/train/unsup/0_0.txt", b"no label")])
    of_archive = imdb.read(tmp_path, places)
    (tmp_path / "aclImdb_v1.tar.gz").unlink()
    for split in ("train", "test"):
        with lzma.open(tmp_path / f"{split}.jsonl.xz", "wt") as file:
            for name, content in REVIEWS:
                if f"/{split}/" in name:
                    file.write(json.dumps({"label": int("pos" in name), "text": content.decode()}) + "\n")
    of_lines = imdb.read(tmp_path, places)
    assert list(of_archive.train) == list(of_lines.train)
    assert sorted(of_archive.test) == sorted(of_lines.test)
    assert len(list(of_lines.validation)) == 1
    assert {len(text) for text, _ in of_lines.test} == {4000}


def test_an_archive_that_is_cut_short_or_incomplete_is_refused(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_reviews(monkeypatch)
    path = tmp_path / "aclImdb_v1.tar.gz"
    archive(path, REVIEWS[:-1])
    with pytest.raises(DataError, match="the split test has 2 negative, 1 positive reviews, not 2 of each"):
        imdb.read(tmp_path, places)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="not an archive that can be read"):
        imdb.read(tmp_path, places)
    path.write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"archive that can be read|cannot read"):
        imdb.read(tmp_path, places)


@pytest.mark.parametrize("line", ['{"label": 2, "text": "x"}', '{"label": 1}', "{", '{"label": 1, "text": 3}'])
def test_a_broken_review_is_named_by_its_line(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    small_reviews(monkeypatch)
    with lzma.open(tmp_path / "train.jsonl.xz", "wt") as file:
        file.write('{"label": 1, "text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"train\.jsonl\.xz, line 2: "):
        imdb.read(tmp_path, places)


def test_a_file_that_cannot_be_unpacked_is_refused(tmp_path: Path, places: Places) -> None:
    (tmp_path / "train.jsonl.xz").write_bytes(b"no xz")
    with pytest.raises(DataError, match="cannot be unpacked"):
        imdb.read(tmp_path, places)


def test_passages_match_or_not_and_neither_tells_by_itself(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_reviews(monkeypatch, 40)
    monkeypatch.setattr(pairs, "_VALIDATION", 10)
    members = [
        (f"aclImdb/{split}/{label}/{number}_1.txt", (f"{split}{label}{number:03} " * 120).encode())
        for split in ("train", "test")
        for label in ("neg", "pos")
        for number in range(40)
    ]
    archive(tmp_path / "aclImdb_v1.tar.gz", members)
    splits = pairs.passages(tmp_path, places)
    train, test = list(splits.train), list(splits.test)
    assert (len(train), len(list(splits.validation)), len(test)) == (140, 20, 160)
    for text, label in test:
        first, second = text.split(b"\0")
        assert (len(first), len(second)) == (512, 512)
        assert (second[-300:].split()[1] == first.split()[0]) == (label == "yes")
    for half in (0, 1):
        of_label = [sorted(t.split(b"\0")[half] for t, label in test if label == name) for name in pairs.LABELS]
        assert of_label[0] == of_label[1], "each passage is in a pair of either label"
    assert not {t for t, _ in train} & {t for t, _ in test}


def test_papers_are_read_and_a_broken_row_is_named(tmp_path: Path, places: Places) -> None:
    rows = [f"{label}.0\tA1\tB2\tone {'x' * 5000}\ttwo\n" for label in (0, 1)]
    for name in pairs.AAN:
        (tmp_path / name).write_text("".join(rows))
    test = list(pairs.papers(tmp_path, places).test)
    assert [(len(text), label) for text, label in test] == [(4004, "no"), (4004, "yes")]
    for broken, complaint in (("1\tA\tB\ttext\n", "4 cells"), ("maybe\tA\tB\tx\ty\n", "neither 0 nor 1")):
        (tmp_path / pairs.AAN[2]).write_text(rows[0] + broken)
        with pytest.raises(DataError, match=f"line 2: .*{complaint}"):
            list(pairs.papers(tmp_path, places).test)


# --- Pictures -------------------------------------------------------------------------------------------------------


def test_grey_levels_are_those_of_tensorflow() -> None:
    """rgb_to_grayscale of white, black and the primary colours; the float32 sum of the weights is .9999."""
    colours = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)
    assert gray(colours[None])[0].tolist() == [255, 0, 76, 149, 29]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 200 pictures, not of 10,000."""
    monkeypatch.setattr(images, "_BATCH", 200)
    monkeypatch.setattr(images, "_VALIDATION", 100)


def batch(labels: int = 10) -> bytes:
    records = np.zeros((200, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(200) % labels
    records[:, 1:1025] = np.arange(200)[:, None]
    return records.tobytes()


def cifar_archive(path: Path, **replaced: bytes) -> None:
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    content = {name: batch() for name in names} | replaced
    archive(path, [(f"cifar-10-batches-bin/{name}.bin", data) for name, data in content.items()])


@pytest.mark.usefixtures("small_batches")
def test_the_binary_archive_of_cifar_is_read(tmp_path: Path, places: Places) -> None:
    cifar_archive(tmp_path / images.CIFAR)
    splits = images.cifar(tmp_path, places)
    assert [len(list(part)) for part in (splits.train, splits.validation, splits.test)] == [900, 100, 200]
    pixels, label = list(splits.test)[17]
    assert (len(pixels), label) == (1024, images.CLASSES[7])
    assert set(pixels) == {int(gray(np.array([[[17, 0, 0]]], dtype=np.uint8))[0, 0])}


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("replaced", "complaint"),
    [
        ({"data_batch_3": b"short"}, r"data_batch_3\.bin: 5 bytes, not 200 records"),
        ({"test_batch": batch(labels=12)}, "a label is 11"),
    ],
)
def test_a_broken_batch_is_named(tmp_path: Path, places: Places, replaced: dict[str, bytes], complaint: str) -> None:
    cifar_archive(tmp_path / images.CIFAR, **replaced)
    with pytest.raises(DataError, match=complaint):
        images.cifar(tmp_path, places)


@pytest.mark.usefixtures("small_batches")
def test_a_corrupt_archive_and_one_without_a_batch_are_refused(tmp_path: Path, places: Places) -> None:
    archive(tmp_path / images.CIFAR, [("cifar-10-batches-bin/test_batch.bin", batch())])
    with pytest.raises(DataError, match="has no data_batch_1 and no data_batch_2"):
        images.cifar(tmp_path, places)
    (tmp_path / images.CIFAR).write_bytes((tmp_path / images.CIFAR).read_bytes()[:1000])
    with pytest.raises(DataError, match="not an archive that can be read"):
        images.cifar(tmp_path, places)


def encoded(side: int | tuple[int, int], form: str, level: int = 100) -> bytes:
    size = (side, side) if isinstance(side, int) else side
    buffer = io.BytesIO()
    Image.new("L" if form == "PNG" else "RGB", size, level if form == "PNG" else (level,) * 3).save(buffer, form)
    return buffer.getvalue()


def jpeg_zip(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


def test_jpegs_are_read(tmp_path: Path, places: Places) -> None:
    many = {f"train/{name}/{i:04}.jpg": encoded(32, "JPEG", 10 * i) for name in images.CLASSES for i in range(20)}
    jpeg_zip(tmp_path / images.JPEGS[0], many)
    jpeg_zip(tmp_path / images.JPEGS[1], {"test/cat/0000.jpg": encoded(32, "JPEG")})
    splits = images.jpegs(tmp_path, places)
    assert [len(list(part)) for part in (splits.train, splits.validation)] == [180, 20]
    assert list(splits.test) == [(bytes([100] * 1024), "cat")]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("test/cat/0001.jpg", encoded((33, 32), "JPEG"), "0001.jpg': 33 by 32 pixels, not 32 by 32"),
        ("test/cat/0001.jpg", encoded(32, "PNG"), "not a JPEG that can be read"),
        ("test/cat/0001.jpg", encoded(32, "JPEG")[:300], "not a JPEG that can be read"),
        ("test/unicorn/0001.jpg", b"", "not the name of a picture of a class"),
        ("../cat/0001.jpg", b"", "not the name of a picture of a class"),
    ],
)
def test_a_picture_that_is_none_is_named(
    tmp_path: Path, places: Places, name: str, content: bytes, complaint: str
) -> None:
    jpeg_zip(tmp_path / images.JPEGS[0], {name: content})
    with pytest.raises(DataError, match=complaint):
        images.jpegs(tmp_path, places)
    (tmp_path / images.JPEGS[0]).write_bytes(b"no zip")
    with pytest.raises(DataError, match="not a zip file"):
        images.jpegs(tmp_path, places)


def idx(path: Path, array: np.ndarray, *, kind: int = 8, count: int | None = None) -> None:
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, count or len(array), *array.shape[1:])
    path.write_bytes(gzip.compress(head + array.tobytes()))


def mnist_files(folder: Path, side: int = 28, labels: int = 10, **more: int) -> None:
    for name, count in (("train", 15_000), ("t10k", 2_500)):
        pictures = np.random.default_rng(count).integers(0, 256, (count, side, side), np.uint8)
        idx(folder / f"{name}-images-idx3-ubyte.gz", pictures, **more)
        idx(folder / f"{name}-labels-idx1-ubyte.gz", (np.arange(count) % labels).astype(np.uint8))


def test_mnist_is_read_whole_and_halved(tmp_path: Path, places: Places) -> None:
    mnist_files(tmp_path)
    whole, half = images.mnist(tmp_path, places), images.mnist_halved(tmp_path, places)
    assert [len(list(part)) for part in (whole.train, whole.validation, whole.test)] == [10_000, 5_000, 2_500]
    assert [len(list(part)) for part in (half.train, half.validation, half.test)] == [10_000, 2_000, 2_000]
    by_label = {pixels[:2]: (pixels, label) for pixels, label in whole.test}
    assert len(by_label) > 2_000
    means = {
        np.frombuffer(pixels, np.uint8).reshape(14, 2, 14, 2).mean(axis=(1, 3)).astype(np.uint8).tobytes()
        for pixels, _ in whole.test
    }
    assert {pixels for pixels, _ in half.test} <= means


def test_idx_files_that_are_not_as_expected_are_refused(tmp_path: Path, places: Places) -> None:
    mnist_files(tmp_path, side=26)
    with pytest.raises(DataError, match="pictures of 26 by 26 pixels, not 28 by 28"):
        images.mnist(tmp_path, places)
    mnist_files(tmp_path, kind=9)
    with pytest.raises(DataError, match="does not begin like an IDX file"):
        images.mnist(tmp_path, places)
    mnist_files(tmp_path, count=14_999)
    with pytest.raises(DataError, match="where 14,999 items were announced"):
        images.mnist(tmp_path, places)
    mnist_files(tmp_path, labels=11)
    with pytest.raises(DataError, match="a label is 10, not a digit"):
        images.mnist(tmp_path, places)
    (tmp_path / images.MNIST[0]).write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be unpacked"):
        images.mnist(tmp_path, places)


def pathfinder_folder(root: Path, count: int = 20, side: int = 32) -> Path:
    folder = root / pathfinder.FOLDER
    (folder / "metadata").mkdir(parents=True)
    (folder / "imgs" / "0").mkdir(parents=True)
    lines = []
    for number in range(count):
        (folder / "imgs" / "0" / f"sample_{number}.png").write_bytes(encoded(side, "PNG", number))
        lines.append(f"imgs/0 sample_{number}.png 0 {number % 2} 14 4 2 1 1 0\n")
    (folder / "metadata" / "0.npy").write_text("".join(lines))
    return folder


def test_pathfinder_is_split_in_order_and_empty_files_are_left_out(tmp_path: Path, places: Places) -> None:
    folder = pathfinder_folder(tmp_path, 21)
    (folder / "imgs" / "0" / "sample_3.png").write_bytes(b"")
    splits = pathfinder.read(tmp_path, places, 32)
    train, test = list(splits.train), list(splits.test)
    assert (len(train), len(list(splits.validation)), len(test)) == (16, 2, 2)
    assert [pixels[0] for pixels, _ in train[:5]] == [0, 1, 2, 4, 5]
    assert test[-1] == (bytes([20] * 1024), "apart")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda f: (f / "imgs/0/sample_1.png").write_bytes(encoded(33, "PNG")), "33 by 33 pixels, not 32 by 32"),
        (lambda f: (f / "imgs/0/sample_1.png").unlink(), r"0\.npy, line 2: there is no"),
        (lambda f: (f / "metadata/0.npy").write_text("imgs/0 sample_0.png 0 7\n"), "line 1: not a picture with its"),
        (lambda f: (f / "metadata/0.npy").write_text("../.. passwd 0 1\n"), "line 1: .*leads out of the folder"),
        (lambda f: (f / "metadata/0.npy").write_text(""), "lists no picture"),
        (lambda f: (f / "metadata/0.npy").write_bytes(b"\x93NUMPY\x01"), "line 1: not a picture"),
    ],
)
def test_what_is_broken_in_pathfinder_is_named(
    tmp_path: Path, places: Places, spoil: Callable[[Path], object], complaint: str
) -> None:
    spoil(pathfinder_folder(tmp_path))
    with pytest.raises(DataError, match=complaint):
        list(pathfinder.read(tmp_path, places, 32).train)


def test_path_x_asks_for_larger_pictures(tmp_path: Path, places: Places) -> None:
    root = places.data / "lra" / "pathfinder128"
    pathfinder_folder(root, side=128)
    workload = task("lra/path-x").load(places)
    assert workload.facts["longest"] == 16_384
    assert len(workload.examples) == 2


# --- Data that is not there, and splits -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lra/text", "lra/image", "lra/retrieval", "lra/path-x", "lra/mnist"])
def test_missing_data_says_what_to_put_where(places: Places, name: str) -> None:
    status = task(name).status(places)
    assert (status.state, bool(status.hint)) == ("manual", True)
    with pytest.raises(DataError, match=f"^{name}: .* has no ") as caught:
        task(name).load(places)
    assert caught.value.hint == status.hint


def test_a_cut_is_by_content_and_not_by_order() -> None:
    rows = [(bytes([i]), str(i)) for i in range(100)]
    one, other = cut(rows, 10, 20), cut(rows[::-1], 10, 20)
    assert (one.train, one.validation, one.test) == (other.train, other.validation, other.test)
    assert sorted([*one.train, *one.validation, *one.test]) == rows


@pytest.mark.data
def test_real_reviews_load_and_show_what_is_odd(data_root: Path, places: Places) -> None:
    workload = task("lra/text").load(Places(data_root, places.cache))
    assert workload.facts == {"train": 22_500, "validation": 2_500, "test": 25_000, "longest": 4_000}
    twice = {row["the same sequence in"]: row["sequences"] for row in workload.audit["Sequences that are there twice"]}
    assert twice["test, more than once"] == 199
