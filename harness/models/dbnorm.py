"""Dual-bank normalisation (DBNorm): a dense stage's search, with hubs held back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Ranking, Resources, Usage
from harness.efficiency.search_work import flat_scan
from harness.efficiency.work import Stage, Work
from harness.models.dense import EmbedAndSearch
from harness.models.vector_search import VectorSearchConfig

if TYPE_CHECKING:
    from harness.models.pipeline import StageSpec
    from harness.retrieval.dbnorm import Bank
    from harness.retrieval.order import Float32, Int64


class DbNormConfig(ModelConfig):
    """Banks and temperatures; the defaults are those of QB-Norm and of the paper."""

    dynamic: bool = True
    """Leave queries alone whose first document is nearest to no text of a bank; off, correct them all."""
    query_beta: float = Field(default=20, ge=0, le=1000)
    """Inverse temperature of the bank of queries; 0 leaves it out."""
    document_beta: float = Field(default=3, ge=0, le=1000)
    """Inverse temperature of the bank of documents; 0 leaves it out."""
    bank_size: int = Field(default=1000, ge=2)
    """Texts of a bank, at most."""

    @model_validator(mode="after")
    def _one_bank_at_least(self) -> DbNormConfig:
        if not self.query_beta and not self.document_beta:
            raise ValueError("`query_beta` and `document_beta` are both 0, so nothing would be normalised")
        return self


class DbNorm:
    """Searches the dense stage above again, hubs held back by banks of queries and documents. Only in `stages:`."""

    kind: ClassVar[str] = "dbnorm"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = DbNormConfig
    takes: ClassVar[Literal["one", "all"]] = "one"

    def __init__(self, config: DbNormConfig, seed: int) -> None:
        self.batch_size = config.batch_size or 1024
        self._config = config

    @staticmethod
    def complaint(config: DbNormConfig, above: Sequence[StageSpec]) -> str | None:
        """Why it cannot follow the stages above."""
        (stage,) = above
        if not (isinstance(stage.kind, type) and issubclass(stage.kind, EmbedAndSearch)):
            return "it corrects similarities of vectors, so it must stand right below `dense` or `static`"
        if isinstance(stage.config, VectorSearchConfig) and stage.config.search != "exact":
            return "it compares queries with all documents, so the stage above must have `search: exact`"
        return None

    def prepare(self, resources: Resources, above: Sequence[Any]) -> Prepared:
        """Fill the banks, from the train split if it has texts and from the corpus, and compare documents with them."""
        from harness.retrieval.dbnorm import Bank, Correction

        (self._dense,) = above
        dense, config = self._dense, self._config
        self._depth = resources.request.depth
        self._places = {id: place for place, id in enumerate(dense.ids)}
        places = _spread(len(dense.ids), config.bank_size)
        queries, origin = self._query_bank(resources, places)
        documents = Bank(self._vectors(places), config.document_beta, places)
        banks = [bank for bank in (queries, documents) if bank.beta > 0 and len(dense.ids) > 1]
        self._corrections = [Correction.of(bank, dense.vectors.chunks, dense.vectors.order) for bank in banks]
        return Prepared(
            index_ram_bytes=sum(correction.popularity.nbytes for correction in self._corrections),
            index_disk_bytes=0,
            facts={"query_bank": f"{len(queries.vectors)} {origin}", "document_bank": f"{len(places)} documents"},
        )

    def refine(self, examples: Sequence[Example], rankings: Sequence[Sequence[Ranking]]) -> list[Prediction]:
        """Rank all documents by the normalised similarity."""
        from harness.retrieval.dbnorm import normalised_documents, normalised_queries
        from harness.retrieval.exact_search import search

        dense = self._dense
        firsts = self._first_documents(rankings[0]) if self._config.dynamic else None
        queries = normalised_queries(dense.queries, self._corrections, firsts)
        rows = normalised_documents(dense.vectors.chunks(), self._corrections)
        hits = search(queries, rows, self._depth, dense.vectors.order)
        usage = Usage(stage="dbnorm", documents=len(dense.ids))
        found = zip(examples, hits.documents.tolist(), hits.scores.tolist(), strict=True)
        return [
            Prediction(example.id, Ranking([dense.ids[place] for place in places], scores), (usage,))
            for example, places, scores in found
        ]

    again = refine

    def phases(self) -> Work:
        """A second scan of the vectors, with a dimension more for each bank."""
        documents, dimensions = len(self._dense.ids), self._dense.vectors.dimensions + len(self._corrections)
        scan = flat_scan(documents, dimensions, depth=self._depth)
        return Work((Stage("dbnorm", once=scan, index_bytes=4 * documents * dimensions),))

    # ------------------------------------------------------------------------------------------------------------

    def _query_bank(self, resources: Resources, places: Int64) -> tuple[Bank, str]:
        """Texts in the role of queries, and what they are. Test queries are never among them."""
        from harness.retrieval.dbnorm import Bank

        beta, train = self._config.query_beta, resources.inputs.train
        texts = [record.input for record in islice(train or (), self._config.bank_size)]
        texts = [text for text in texts if isinstance(text, str)]
        if texts:
            return Bank(self._dense.embed(texts), beta), "train queries"
        return Bank(self._as_queries(resources, places), beta, places), "documents in place of queries"

    def _as_queries(self, resources: Resources, places: Int64) -> Float32:
        from harness.retrieval.encoded_corpus import document_text

        if self._dense.query_prefix == self._dense.document_prefix:
            return self._vectors(places)
        chosen = set(places.tolist())
        texts = [document_text(document) for place, document in enumerate(resources.corpus) if place in chosen]
        vectors: Float32 = self._dense.embed(texts)
        return vectors

    def _vectors(self, places: Int64) -> Float32:
        """Vectors of a few documents; `places` ascend."""
        import numpy as np

        first, rows = 0, []
        for chunk in self._dense.vectors.chunks():
            rows.append(np.asarray(chunk[places[(places >= first) & (places < first + len(chunk))] - first]))
            first += len(chunk)
        vectors: Float32 = np.concatenate(rows)
        return vectors

    def _first_documents(self, rankings: Sequence[Ranking]) -> Int64:
        import numpy as np

        firsts = [self._places[ranking.ids[0]] if ranking.ids else -1 for ranking in rankings]
        return np.array(firsts, dtype=np.int64)


def _spread(documents: int, size: int) -> Int64:
    """Positions of at most `size` documents, evenly over the corpus: the same for the same corpus."""
    import numpy as np

    return np.unique(np.linspace(0, documents - 1, min(size, documents)).round().astype(np.int64))
