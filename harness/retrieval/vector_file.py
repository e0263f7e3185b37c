"""Matrices of embeddings that were made elsewhere: `.npy` or safetensors, memory-mapped, checked, never unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.errors import SubmissionError
from harness.retrieval.order import Float32

ROWS = 4096
"""Rows that are read at once."""
_MOST_DIMENSIONS = 65_536
_LONGEST = 1e19  # its square still is a float32
_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}


class _Matrix(Protocol):
    """What can be sliced by rows."""

    def __getitem__(self, rows: slice) -> Any: ...


@dataclass(frozen=True)
class VectorFile:
    """A matrix [rows, dimensions] on disk, with the id of each row."""

    path: Path
    ids: Sequence[str]
    dimensions: int
    unit: bool
    """Rows are scaled to length 1 as they are read; rows of zeros stay."""
    matrix: _Matrix

    def chunks(self) -> Iterator[Float32]:
        """The rows in order, as [at most `ROWS`, dimensions] float32."""
        for first in range(0, len(self.ids), ROWS):
            yield self.rows(first, first + ROWS)

    def rows(self, first: int, end: int) -> Float32:
        """Rows from `first` to before `end`, where there are so many.

        Raises `SubmissionError`, with id and line, for one that search could not use.
        """
        end = min(end, len(self.ids))
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(self.matrix[first:end], dtype=np.float32)
        # In float64, where the square of no float32 is too large or too small to be told from zero.
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
        usable = np.isfinite(lengths) & (lengths < _LONGEST)
        if not usable.all():
            row = first + int(np.flatnonzero(~usable)[0])
            raise SubmissionError(
                f"{self.path}, row {row + 1}: the vector of {self.ids[row]!r} holds NaN or infinity, or its length is "
                f"above {_LONGEST:g}",
                hint="Half precision overflows in some models: encode in float32 or bfloat16.",
            )
        return (block / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32) if self.unit else block


def open_vectors(path: Path, tensor: str, ids: Sequence[str], ids_path: Path, *, unit: bool) -> VectorFile:
    """Map a matrix whose rows are named by `ids`; `tensor` is its name in a safetensors file that holds several.

    Raises `SubmissionError` for a file that is neither format, a matrix that is not two-dimensional or not of
    floating-point numbers, and another number of rows than ids.
    """
    opened = _open_npy if path.suffix == ".npy" else _open_safetensors
    if path.suffix not in (".npy", ".safetensors"):
        raise SubmissionError(
            f"{path} is neither .npy nor .safetensors",
            hint="numpy.save(path, array.astype('float32')) writes the first.",
        )
    matrix, shape, dtype = opened(path, tensor)
    if dtype not in _DTYPES.values():
        raise SubmissionError(
            f"{path} holds numbers of type {dtype}; expected {', '.join(_DTYPES.values())}", hint="Save it as float32."
        )
    if len(shape) != 2 or not 1 <= shape[1] <= _MOST_DIMENSIONS:
        raise SubmissionError(
            f"{path} has the shape {list(shape)}; expected [rows, dimensions], of 1 to {_MOST_DIMENSIONS:,} dimensions"
        )
    if shape[0] != len(ids):
        raise SubmissionError(
            f"{path} has {shape[0]:,} rows, and {ids_path} {len(ids):,} ids",
            hint="The n-th line of the id file names the n-th row.",
        )
    return VectorFile(path, ids, shape[1], unit, matrix)


def read_ids(path: Path, most_bytes: int = 4 << 30) -> list[str]:
    """The ids of a text file, one a line. Raises `SubmissionError` with the line for an empty or repeated one."""
    try:
        if path.stat().st_size > most_bytes:
            raise SubmissionError(f"{path} is above {most_bytes:,} bytes, which no list of ids is")
        with path.open(encoding="utf-8", newline="\n") as lines:
            ids = [line.rstrip("\r\n") for line in lines]
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{path} is not UTF-8 text", hint="It should hold an id on each line.") from error
    except OSError as error:
        raise SubmissionError(f"cannot read {path}: {error.strerror}") from error
    first: dict[str, int] = {}
    for number, id in enumerate(ids, start=1):
        if not id:
            raise SubmissionError(f"{path}, line {number}: empty", hint="It should hold an id on each line.")
        if first.setdefault(id, number) != number:
            raise SubmissionError(
                f"{path}, line {number}: {id!r} stands on line {first[id]} already", hint="Keep one vector for an id."
            )
    return ids


def _open_npy(path: Path, tensor: str) -> tuple[_Matrix, tuple[int, ...], str]:
    try:
        # It reads the header and maps the rest: an array of Python objects, which is a pickle, it refuses.
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise SubmissionError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # numpy parses the header as Python text, and a broken one raises anything
        raise SubmissionError(
            f"{path} is no .npy file of numbers: {error}",
            hint="numpy.save(path, array.astype('float32')) writes one.",
        ) from error
    return array, array.shape, array.dtype.newbyteorder("=").name


def _open_safetensors(path: Path, tensor: str) -> tuple[_Matrix, tuple[int, ...], str]:
    from safetensors import SafetensorError, safe_open

    try:
        with ExitStack() as files:
            file = files.enter_context(safe_open(path, framework="numpy"))
            names = list(file.keys())
            if tensor not in names and len(names) != 1:
                raise SubmissionError(
                    f"{path} holds {', '.join(map(repr, sorted(names)[:10])) or 'nothing'}, and no {tensor!r}",
                    hint=f"Name the matrix {tensor!r}, or leave it alone in its file.",
                )
            matrix = file.get_slice(tensor if tensor in names else names[0])
            return matrix, tuple(matrix.get_shape()), _DTYPES.get(matrix.get_dtype(), matrix.get_dtype())
    except SafetensorError as error:
        raise SubmissionError(f"{path} is no safetensors file: {error}") from error
    except OSError as error:
        raise SubmissionError(f"cannot read {path}: {error.strerror or error}") from error
