"""How the documents of a kind that embeds them are found: by scoring all, or through an approximate index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from harness.config import ModelConfig

if TYPE_CHECKING:
    from typing import Self

    from harness.contract import Resources
    from harness.retrieval.vector_index import FlatIndex, VectorIndex

_PREFIXES = {"hnsw": ("hnsw_",), "ivf_pq": ("ivf_", "pq_"), "exact": ()}


class VectorSearchConfig(ModelConfig):
    """The search of a kind that embeds documents."""

    search: Literal["exact", "hnsw", "ivf_pq"] = "exact"
    """`exact` scores all; `hnsw` (a graph) and `ivf_pq` (clusters of compressed vectors) use faiss and miss some."""
    hnsw_neighbours: int = Field(default=32, ge=2, le=512)
    """Links of a node (M); twice as many in the lowest layer."""
    hnsw_ef_construction: int = Field(default=200, ge=1, le=10_000)
    """Candidates kept while a document's links are chosen."""
    hnsw_ef_search: int = Field(default=64, ge=1, le=100_000)
    """Candidates kept while a query is answered; at least as many as the task asks for (1001 for BEIR)."""
    ivf_lists: int = Field(default=0, ge=0, le=1_000_000)
    """Clusters; 0 for four times the root of the number of documents."""
    ivf_probes: int = Field(default=32, ge=1, le=1_000_000)
    """Clusters that a query visits."""
    pq_bytes: int = Field(default=64, ge=1, le=4096)
    """Bytes that a vector is compressed to; divides its dimensions."""

    @model_validator(mode="after")
    def _settings_are_of_the_search(self) -> Self:
        others = [prefix for name, prefixes in _PREFIXES.items() if name != self.search for prefix in prefixes]
        for name, field in type(self).model_fields.items():
            if name.startswith(tuple(others)) and getattr(self, name) != field.default:
                raise ValueError(f"{name} has no part in `search: {self.search}`")
        return self

    def index_of(self, vectors: FlatIndex, resources: Resources) -> VectorIndex:
        """The vectors themselves, or an approximate index of them: from the cache at its first cost, or built."""
        if self.search == "exact":
            return vectors
        from harness.retrieval.ann_index import AnnIndex, Hnsw, IvfPq

        method = (
            Hnsw(self.hnsw_neighbours, self.hnsw_ef_construction, self.hnsw_ef_search)
            if self.search == "hnsw"
            else IvfPq(self.ivf_lists, self.ivf_probes, self.pq_bytes)
        )
        return AnnIndex.open(resources.cache, method, vectors, resources.charge)

    def require_library(self) -> None:
        """Raises `SubmissionError` if what searches is not installed: to be told before hours of encoding."""
        if self.search != "exact":
            from harness.retrieval.ann_index import require_faiss

            require_faiss()
