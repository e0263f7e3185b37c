"""Approximate search over embeddings through faiss: a graph, or clusters of compressed vectors.

HNSW: Malkov and Yashunin 2018 (arXiv:1603.09320). IVF-PQ: Jégou, Douze and Schmid 2011, "Product Quantization for
Nearest Neighbor Search". Seeds are fixed and one thread builds and searches, so the same vectors in the same order
give the same index and the same answers. An index is kept in the cache under a digest of its vectors, its settings
and faiss's version, with what building it took; its record is written last, so it is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from harness.contract import Charge, Cost, Usage
from harness.digest import file_digest
from harness.durable import written_whole
from harness.efficiency.ledger import Phase
from harness.efficiency.pricing import OF_THE_HOST
from harness.efficiency.search_work import code, flat_scan, graph_node, tables, vector
from harness.efficiency.work import Stage
from harness.errors import DataError, RunFailed, SubmissionError
from harness.meter import Stopwatch
from harness.retrieval.embedding_cache import digest
from harness.retrieval.order import Float32, pack, scores_of
from harness.retrieval.vector_index import FlatIndex, Found

_SEED = 1234
_ADDED_AT_ONCE = 1 << 16
"""Vectors added to a graph in one call, whatever shards they come in: the graph depends on it."""
_LEAST_PER_LIST = 39
"""Vectors for each cluster below which faiss finds too few to train on."""
_TRAINED_PER_LIST = 64
_CODE_BITS = 8
"""Of the code of a part of a vector."""
_SAMPLED_QUERIES = 100
"""Queries of which recall is taken: the first that are asked."""
_RECALL_AT = (10, 100, 1000)


@dataclass(frozen=True)
class Hnsw:
    """A graph of neighbours, in layers."""

    neighbours: int
    ef_construction: int
    ef_search: int


@dataclass(frozen=True)
class IvfPq:
    """Clusters, of which a search visits a few, and vectors compressed to a few bytes each."""

    lists: int
    """0 for as many as suit the corpus: four times the root of its size."""
    probes: int
    code_bytes: int


Method: TypeAlias = Hnsw | IvfPq


class _Record(msgspec.Struct, frozen=True):
    sha256: str
    cost: Cost


class AnnIndex:
    """A faiss index in memory. Use one at a time: faiss counts work for the whole process."""

    def __init__(self, index: Any, method: Method, exact: FlatIndex, disk_bytes: int) -> None:
        self._index, self._method, self._exact = index, method, exact
        self.disk_bytes = self.ram_bytes = disk_bytes  # its file is read whole
        self._asked: list[Float32] = []
        self._depth = 0

    @classmethod
    def open(cls, cache: Path, method: Method, exact: FlatIndex, charge: Charge) -> AnnIndex:
        """The index of the vectors of `exact`: from the cache, at the cost of building it, else built and kept there.

        Raises `SubmissionError` if faiss is not installed, if a setting does not fit the vectors, or if they are too
        few to train on.
        """
        require_faiss()
        vectors = [shard.path.name for shard in exact.shards]
        key = {"vectors": vectors, "faiss": _faiss().__version__, "built": _built_by(method)}
        path = cache / "ann" / f"{digest(key)}.faiss"
        path.parent.mkdir(parents=True, exist_ok=True)
        if record := _whole(path):
            charge(record.cost)
        else:
            with Stopwatch() as watch:
                _write(_build(method, exact), path)
            record = _Record(file_digest(path), watch.cost)
            with written_whole(path.with_suffix(".json")) as file:
                file.write_bytes(msgspec.json.encode(record))
        return cls(_faiss().read_index(str(path)), method, exact, path.stat().st_size)

    @property
    def uncounted(self) -> str:
        """faiss does not say how many vectors it compared when it built the index."""
        return "the graph of the index" if isinstance(self._method, Hnsw) else "the clusters of the index"

    @property
    def description(self) -> str:
        if isinstance(self._method, Hnsw):
            return f"HNSW (faiss), {self._method.neighbours} neighbours, in memory"
        lists, probes, size = self._index.nlist, self._method.probes, self._method.code_bytes
        return f"IVF-PQ (faiss), {size} bytes a vector, {min(probes, lists)} of {lists} lists, in memory"

    def search(self, queries: Float32, depth: int) -> Iterator[Found]:
        """What the index leads to, one query at a time; equal scores rank by id, descending."""
        self._asked.extend(queries[: _SAMPLED_QUERIES - len(self._asked)].copy())
        self._depth = depth
        return (self._find(query, depth) for query in queries)

    def _find(self, query: Float32, depth: int) -> Found:
        faiss, order = _faiss(), self._exact.order
        hnsw = isinstance(self._method, Hnsw)
        stats = faiss.cvar.hnsw_stats if hnsw else faiss.cvar.indexIVF_stats
        stats.reset()
        scores, documents = self._index.search(query[None], min(depth, len(order.rank)), params=self._parameters(depth))
        kept = documents[0] >= 0
        keys = np.sort(pack(scores[0, kept] + np.float32(0), order.rank[documents[0, kept]]))[::-1]
        scored = int(stats.ndis)
        if hnsw:
            usage = Usage(stage="search", nodes=int(stats.nhops), documents=scored)
        else:
            usage = Usage(stage="search", nodes=int(stats.nlist), postings=scored, documents=scored)
        return Found(order.documents(keys).tolist(), scores_of(keys).tolist(), usage)

    def _parameters(self, depth: int) -> Any:
        if isinstance(self._method, Hnsw):
            return _faiss().SearchParametersHNSW(efSearch=max(depth, self._method.ef_search))
        return _faiss().SearchParametersIVF(nprobe=self._method.probes)

    def stage(self, depth: int) -> Stage:
        """A node's links and a vector for each document; or a scan of the clusters, and a code for each posting."""
        dimensions = self._index.d
        if isinstance(self._method, Hnsw):
            each = {"nodes": graph_node(2 * self._method.neighbours), "documents": vector(dimensions)}
            return Stage("search", device="host", each=each, index_bytes=self.disk_bytes)
        clusters, quantiser = flat_scan(self._index.nlist, dimensions), tables(dimensions)
        fused = [o for o in clusters.operations if o.kind not in OF_THE_HOST]  # faiss is not NumPy
        once = Phase("clusters", (*fused, *quantiser.operations))
        each = {"postings": code(self._method.code_bytes)}
        return Stage("search", device="host", once=once, each=each, index_bytes=self.disk_bytes)

    def findings(self) -> dict[str, float]:
        """The share of the exact best k that are among the best k found, a mean over the first queries asked."""
        if not self._asked:
            return {}
        queries = np.stack(self._asked)
        pairs = [
            (exact.documents, self._find(query, self._depth).documents)
            for query, exact in zip(queries, self._exact.search(queries, self._depth), strict=True)
        ]
        fewest = min(len(exact) for exact, _ in pairs)
        shares = {
            k: [len({*exact[:k]} & {*found[:k]}) / k for exact, found in pairs] for k in _RECALL_AT if k <= fewest
        }
        recalls = {f"search_recall_at_{k}": float(np.mean(share)) for k, share in shares.items()}
        return {**recalls, "search_recall_queries": len(queries)}


def require_faiss() -> None:
    """Raises `SubmissionError` if faiss is not installed."""
    if find_spec("faiss") is None:
        raise SubmissionError(
            "approximate search needs faiss, which is not installed",
            hint="pip install 'equal-footing[ann]', or `search: exact`.",
        )


def _faiss() -> Any:
    import faiss

    faiss.omp_set_num_threads(1)  # more would add to a graph in another order every time
    return faiss


def _built_by(method: Method) -> dict[str, object]:
    """What of a method decides the index; the rest is how it is searched."""
    searched_by = {"ef_search", "probes"}
    settings = {name: value for name, value in asdict(method).items() if name not in searched_by}
    return {"name": type(method).__name__, "seed": _SEED, **settings}


def _whole(path: Path) -> _Record | None:
    try:
        record = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Record)
        return record if file_digest(path) == record.sha256 else None
    except (OSError, msgspec.DecodeError, DataError):
        return None


def _write(index: Any, path: Path) -> None:
    with written_whole(path) as file:
        try:
            _faiss().write_index(index, str(file))
        except RuntimeError as error:  # what faiss makes of a full disk
            raise RunFailed(f"faiss cannot write the index {path}: {error}") from error


# --- Building -------------------------------------------------------------------------------------------------


def _build(method: Method, exact: FlatIndex) -> Any:
    if not exact.shards:
        raise RunFailed("there are no documents to index")
    index = _graph(method, exact.dimensions) if isinstance(method, Hnsw) else _clusters(method, exact)
    for block in _blocks(exact.chunks()):
        index.add(block)
    return index


def _graph(method: Hnsw, dimensions: int) -> Any:
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(dimensions, method.neighbours, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = method.ef_construction
    index.hnsw.rng = faiss.RandomGenerator(_SEED)
    return index


def _clusters(method: IvfPq, exact: FlatIndex) -> Any:
    """Empty, with clusters and a quantiser trained on a sample."""
    faiss, count, dimensions = _faiss(), len(exact.order.rank), exact.dimensions
    if dimensions % method.code_bytes:
        fitting = [str(size) for size in range(1, dimensions + 1) if dimensions % size == 0]
        raise SubmissionError(
            f"pq_bytes is {method.code_bytes}, which does not divide the {dimensions} dimensions of the vectors",
            hint=f"One of {', '.join(fitting)} does.",
        )
    if count < 2:
        raise SubmissionError("ivf_pq has nothing to train on: there is one document", hint="Use `search: exact`.")
    lists = min(method.lists or round(4 * count**0.5), max(1, count // _LEAST_PER_LIST))
    bits = min(_CODE_BITS, count.bit_length() - 1)  # a pilot has few documents
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(dimensions), dimensions, lists, method.code_bytes, bits, metric)
    index.cp.seed = index.pq.cp.seed = _SEED
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1  # a warning each, and no other training
    index.train(_sample(exact.chunks(), count, _TRAINED_PER_LIST * max(lists, 1 << bits)))
    return index


def _sample(chunks: Iterable[Float32], count: int, size: int) -> Float32:
    """Vectors at random places, in order; all if they are no more than `size`."""
    chosen = np.zeros(count, dtype=bool)
    chosen[np.random.default_rng(_SEED).permutation(count)[:size]] = True
    taken, seen = [], 0
    for chunk in chunks:
        taken.append(chunk[chosen[seen : seen + len(chunk)]])
        seen += len(chunk)
    return np.concatenate(taken)


def _blocks(chunks: Iterable[Float32]) -> Iterator[Float32]:
    """The vectors in blocks of one size, whatever the chunks."""
    held: list[Float32] = []
    room = _ADDED_AT_ONCE
    for chunk in chunks:
        while len(chunk):
            held.append(chunk[:room])
            chunk = chunk[room:]
            room -= len(held[-1])
            if room == 0:
                yield np.concatenate(held)
                held, room = [], _ADDED_AT_ONCE
    if held:
        yield np.concatenate(held)
