"""Embeddings on disk: computed once, kept with what they cost, read back memory-mapped.

A shard is a block of vectors (`.npy`), one for each text or several, and its record (`.json`). The record names the
vectors' file by its content and is renamed into place last, so it is the commit: whoever reads it finds the vectors it
means, even when two processes compute the same shard at once or one is killed in the middle.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

from harness.contract import Cost
from harness.durable import written_whole
from harness.errors import RunFailed
from harness.meter import Stopwatch

if TYPE_CHECKING:
    import numpy.typing as npt

    Float32: TypeAlias = npt.NDArray[np.float32]

SHARD_TEXTS = 1024
"""Texts of a shard at most: what a crash can lose."""
_MEAN_TEXTS = 512


class Work(msgspec.Struct, frozen=True):
    """What encoding took, counted: lists are aligned with the texts."""

    tokens: list[int]
    """Tokens read, special ones included."""
    truncated: int
    """Texts that were cut."""
    batch_rows: list[int]
    """Rows of the padded batch of each text; 0 where nothing is padded."""
    batch_tokens: list[int]


@dataclass(frozen=True)
class Embedded:
    """Vectors of texts, [n, d], and the work they took."""

    vectors: Float32
    """Float16 where an encoder gives that (late interaction)."""
    work: Work
    rows: list[int] | None = None
    """Vectors of each text; None for one each."""


class _Record(msgspec.Struct, frozen=True):
    file: str
    sha256: str
    shape: tuple[int, int]
    work: Work
    cost: Cost
    rows: list[int] | None = None


@dataclass(frozen=True)
class Shard:
    """A block of embeddings on disk."""

    path: Path
    work: Work
    cost: Cost
    """Of the first computation."""
    reused: bool
    """Whether it was found, not computed now."""
    rows: list[int] | None = None
    """Vectors of each text; None for one each."""

    @property
    def disk_bytes(self) -> int:
        return self.path.stat().st_size

    def vectors(self) -> Float32:
        """[n, d] float32, or float16 where the encoder gave that, memory-mapped and read-only."""
        vectors: Float32 = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return vectors


class EmbeddingCache:
    """The embeddings of one encoder, in a folder named by everything that can change their bits.

    `identity` is that everything: digests of the weights, settings, versions of the libraries. Prefixes, and the
    rule that joins title and text, are part of the texts, and shards are named by those.
    """

    def __init__(self, root: Path, identity: Mapping[str, object]) -> None:
        self.folder = root / "embeddings" / digest(identity)
        self.folder.mkdir(parents=True, exist_ok=True)

    def shard(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Embedded]) -> Shard:
        """The embeddings of these texts in this order, at most `SHARD_TEXTS` by convention.

        Found under a digest of the texts if they are there and whole (size, shape and checksum), else computed
        and written. Raises `RunFailed` if the encoder gives NaN or infinity, or if they cannot be written.
        """
        name = digest(texts)
        return self._find(name, len(texts)) or self._compute(name, texts, encode)

    def _find(self, name: str, count: int) -> Shard | None:
        try:
            record = msgspec.json.decode((self.folder / f"{name}.json").read_bytes(), type=_Record)
            path = self.folder / Path(record.file).name
            texts = record.shape[0] if record.rows is None else len(record.rows)
            if texts != count or _file_sha256(path) != record.sha256:
                return None
        except (OSError, msgspec.DecodeError):
            return None
        return Shard(path, record.work, record.cost, reused=True, rows=record.rows)

    def _compute(self, name: str, texts: Sequence[str], encode: Callable[[Sequence[str]], Embedded]) -> Shard:
        with Stopwatch() as watch:
            embedded = encode(texts)
            _require_finite(embedded.vectors)
        kept = np.float16 if embedded.vectors.dtype == np.float16 else np.float32
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(embedded.vectors, dtype=kept), allow_pickle=False)
        content = buffer.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{name}-{sha256[:16]}.npy"
        rows, dimensions = embedded.vectors.shape
        record = _Record(path.name, sha256, (rows, dimensions), embedded.work, watch.cost, embedded.rows)
        _write(path, content)
        _write(self.folder / f"{name}.json", msgspec.json.encode(record))
        return Shard(path, record.work, record.cost, reused=False, rows=record.rows)


def blocks(documents: Iterable[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    """Ids and texts of (id, text) pairs, in the blocks that become shards.

    A block ends with a text whose checksum says so (one in 512), or at `SHARD_TEXTS`. So its ends are where its own
    texts put them, and two corpora with a run of documents in common share the shards of that run, wherever it lies in
    either (content-defined chunking: Muthitacharoen, Chen and Mazières 2001, "A Low-bandwidth Network File System").
    """
    ids: list[str] = []
    texts: list[str] = []
    for id, text in documents:
        ids.append(id)
        texts.append(text)
        if len(texts) == SHARD_TEXTS or zlib.crc32(text.encode()) % _MEAN_TEXTS == 0:
            yield ids, texts
            ids, texts = [], []
    if texts:
        yield ids, texts


def digest(value: object) -> str:
    """sha256 over a value's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def total_cost(shards: Sequence[Shard]) -> Cost | None:
    """First cost of the shards that were found: seconds add up, the peak is the highest; None if none was."""
    costs = [shard.cost for shard in shards if shard.reused]
    if not costs:
        return None
    return Cost(
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        wall_seconds=sum(cost.wall_seconds for cost in costs),
        peak_rss_bytes=max(cost.peak_rss_bytes for cost in costs),
    )


def _require_finite(vectors: Float32) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise RunFailed(
            f"the encoder gave NaN or infinity for {len(bad)} of {len(vectors)} texts",
            hint="Half precision overflows in some models: try dtype: float32 or bfloat16.",
        )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    hint = "Shards that were finished are kept; the same command continues after them."
    with written_whole(path, hint=hint) as file:
        file.write_bytes(content)
