"""Files of vectors from strangers: what is read of good ones, in pieces, and what is said of bad ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import SubmissionError
from harness.retrieval import vector_file
from harness.retrieval.vector_file import VectorFile, open_vectors, read_ids

ROWS = np.array([[3.0, 4.0], [0.0, 0.0], [-1.0, 0.0]], np.float32)
IDS = ["a", "b", "c"]


def written(folder: Path, array: Any, suffix: str, **others: Any) -> Path:
    path = folder / f"vectors{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        save_file({"documents": np.ascontiguousarray(array), **others}, path)
    return path


def opened(path: Path, ids: list[str] = IDS, unit: bool = False) -> VectorFile:
    return open_vectors(path, "documents", ids, Path("ids.txt"), unit=unit)


def complaint(path: Path, ids: list[str] = IDS) -> str:
    with pytest.raises(SubmissionError) as refusal:
        list(opened(path, ids).chunks())
    return f"{refusal.value.message} {refusal.value.hint}"


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_both_formats_and_three_precisions_are_read(tmp_path: Path, suffix: str, dtype: str) -> None:
    found = opened(written(tmp_path, ROWS.astype(dtype), suffix))
    (chunk,) = found.chunks()
    assert chunk.dtype == np.float32
    assert (chunk == ROWS).all()
    assert found.dimensions == 2


@pytest.mark.parametrize("array", [np.asfortranarray(ROWS), ROWS.astype(">f4")])
def test_layout_and_byte_order_do_not_matter(tmp_path: Path, array: Any) -> None:
    assert (np.concatenate(list(opened(written(tmp_path, array, ".npy")).chunks())) == ROWS).all()


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_pieces_of_any_size_make_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rows: int
) -> None:
    monkeypatch.setattr(vector_file, "ROWS", rows)
    chunks = list(opened(written(tmp_path, ROWS, suffix), unit=True).chunks())
    assert max(map(len, chunks)) <= rows
    assert np.concatenate(chunks).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0], [-1, 0]]


def test_lengths_whose_squares_vanish_or_overflow_are_scaled_all_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, np.array([[1e-30, 0], [1e18, 0], [5e-324, 0]]), ".npy")
    (chunk,) = opened(path, unit=True).chunks()
    assert chunk.tolist() == [[1, 0], [1, 0], [0, 0]]


def test_the_only_tensor_is_taken_else_the_one_of_the_name(tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    save_file({"whatever": ROWS}, alone)
    assert opened(alone).dimensions == 2
    both = written(tmp_path, ROWS, ".safetensors", queries=np.ones((5, 7), np.float32))
    assert opened(both).dimensions == 2
    save_file({"x": ROWS, "y": ROWS}, alone)
    assert "holds 'x', 'y', and no 'documents'" in complaint(alone)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 2e19])
def test_a_vector_that_cannot_be_searched_is_named(tmp_path: Path, bad: float) -> None:
    array = ROWS.astype(np.float64)
    array[1, 1] = bad
    assert "vectors.npy, row 2: the vector of 'b' holds NaN" in complaint(written(tmp_path, array, ".npy"))


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (ROWS.astype(np.int32), "numbers of type"),
        (ROWS.astype(bool), "numbers of type"),
        (ROWS[0], "has the shape [2]; expected [rows, dimensions]"),
        (ROWS[None], "has the shape [1, 3, 2]"),
        (np.empty((3, 0), np.float32), "has the shape [3, 0]"),
        (ROWS[:2], "has 2 rows, and ids.txt 3 ids"),
    ],
)
def test_what_is_no_matrix_of_vectors_is_refused(tmp_path: Path, suffix: str, array: Any, expected: str) -> None:
    assert expected in complaint(written(tmp_path, array, suffix))


def test_bfloat16_is_refused_with_what_to_do(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save_tensors

    path = tmp_path / "half.safetensors"
    save_tensors({"documents": torch.ones(3, 2, dtype=torch.bfloat16)}, path)
    assert "numbers of type BF16; expected float16, float32, float64 Save it as float32." in complaint(path)


class Bomb:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_no_pickle_is_ever_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([[Bomb(mark)]], dtype=object), allow_pickle=True)
    assert "objects.npy is no .npy file of numbers" in complaint(objects)
    for name in ("vectors.npy", "vectors.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(mark)))
        assert name in complaint(tmp_path / name)
    zipped = tmp_path / "vectors.npy"
    np.savez(zipped.with_suffix(".npz"), a=ROWS)
    zipped.with_suffix(".npz").rename(zipped)
    assert "no .npy file" in complaint(zipped)
    assert "neither .npy nor .safetensors" in complaint(tmp_path / "vectors.pkl")
    assert not mark.exists()


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"


@pytest.mark.parametrize(
    "shape", [b"(-3, 2)", b"(3, 2)", b"(9" + b"9" * 30 + b", 2)", b"(" * 60, b"__import__('os')", b"(3, 2"]
)
def test_a_header_that_lies_or_attacks_is_refused(tmp_path: Path, shape: bytes) -> None:
    header = (HEADER % shape).ljust(180) + b"\n"
    path = tmp_path / "vectors.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert "vectors.npy is no .npy file of numbers" in complaint(path)


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_missing_empty_and_cut_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, ROWS, suffix)
    whole = path.read_bytes()
    for content in (b"", whole[:-5], whole[:20], b"junk" * 50):
        path.write_bytes(content)
        assert path.name in complaint(path)
    path.unlink()
    assert "cannot read" in complaint(path)
    path.mkdir()
    assert path.name in complaint(path)


def test_ids_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes("a\r\nü 1\nlast".encode())
    assert read_ids(path) == ["a", "ü 1", "last"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\n\nb\n", "ids.txt, line 2: empty"),
        (b"a\nb\na\n", "ids.txt, line 3: 'a' stands on line 1 already"),
        (b"a\n\xff\n", "ids.txt is not UTF-8 text"),
    ],
)
def test_ids_that_name_no_row_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(content)
    with pytest.raises(SubmissionError) as refusal:
        read_ids(path)
    assert expected in refusal.value.message
    with pytest.raises(SubmissionError, match="cannot read"):
        read_ids(tmp_path / "none.txt")
