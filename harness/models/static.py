"""Static token embeddings (wordllama): a text is the mean of its tokens' vectors, no network is run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.config import ModelConfig
from harness.efficiency.ledger import Memory
from harness.efficiency.search_work import embedding_bag
from harness.efficiency.work import Stage
from harness.errors import SubmissionError
from harness.models.dense import EmbedAndSearch
from harness.models.vector_search import VectorSearchConfig

if TYPE_CHECKING:
    from harness.retrieval.embedding_cache import Embedded, Float32
    from harness.retrieval.encoded_corpus import Encode


class StaticConfig(VectorSearchConfig):
    """Which of the tables that ship in the wordllama package."""

    config: str = Field(default="l2_supercat", pattern=r"^\w+$")
    """Name of the table."""
    dim: int = Field(default=256, ge=1)
    """Dimensions of the table."""
    query_prefix: str = ""
    """Put before every query."""
    document_prefix: str = ""
    """Put before every document."""

    def artifacts(self) -> dict[str, str]:
        """sha256 of the table and of the tokenizer."""
        digests = {}
        for path in self.files():
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    def files(self) -> tuple[Path, Path]:
        """The table (safetensors) and the tokenizer, found without importing the package.

        Its own loader looks for the tokenizer in a folder that the package lacks, and sets up logging.
        Raises `SubmissionError` if the package or the table is missing.
        """
        spec = find_spec("wordllama")
        if spec is None or not spec.submodule_search_locations:
            raise SubmissionError("wordllama is not installed", hint="pip install 'equal-footing[models]'")
        package = Path(spec.submodule_search_locations[0])
        table = package / "weights" / f"{self.config}_{self.dim}.safetensors"
        tokenizer = package / "tokenizers" / f"{self.config}_tokenizer_config.json"
        if not (table.is_file() and tokenizer.is_file()):
            shipped = ", ".join(sorted(path.stem for path in table.parent.glob("*.safetensors")))
            raise SubmissionError(f"wordllama ships no table {table.stem}", hint=f"It ships {shipped} (config_dim).")
        return table, tokenizer


class Static(EmbedAndSearch):
    """Mean of static token embeddings, cosine similarity, exact search."""

    kind: ClassVar[str] = "static"
    version: ClassVar[str] = "1"
    Config: ClassVar[type[ModelConfig]] = StaticConfig

    def __init__(self, config: StaticConfig, seed: int) -> None:
        super().__init__(config)
        self._config = config
        self.query_prefix = config.query_prefix
        self.document_prefix = config.document_prefix

    def identity(self) -> dict[str, object]:
        return {"files": self._config.artifacts(), "tokenizers": metadata.version("tokenizers")}

    def weights(self) -> list[Path]:
        return [self._config.files()[0]]

    def encode_stage(self, cache: Path) -> Stage:
        """Rows of the table are gathered and added up: linear in the tokens."""
        return Stage(
            "encode",
            prompt=tuple((tokens, embedding_bag(tokens, self._config.dim)) for tokens in (1, 2)),
            memory=Memory(weights_bytes=self._config.files()[0].stat().st_size),
        )

    def load(self) -> Encode:
        table, tokenizer = read_files(self._config)
        return lambda texts, done: mean_vectors(texts, table, tokenizer)


def read_files(config: StaticConfig) -> tuple[Float32, Any]:
    """The table [vocabulary, d] and its tokenizer, which neither pads nor cuts."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table_file, tokenizer_file = config.files()
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return load_file(table_file)["embedding.weight"].astype("float32"), tokenizer


def mean_vectors(texts: Sequence[str], table: Float32, tokenizer: Any) -> Embedded:
    """Unit vectors [n, d]: the mean of the rows of `table` [vocabulary, d] for a text's tokens; zero for none."""
    import numpy as np

    from harness.retrieval.embedding_cache import Embedded, Work

    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    vectors = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    for vector, encoding in zip(vectors, encodings, strict=True):
        if encoding.ids:
            mean = table[encoding.ids].mean(axis=0)
            vector[:] = mean / np.linalg.norm(mean)
    nothing_padded = [0] * len(texts)
    work = Work([len(encoding.ids) for encoding in encodings], 0, nothing_padded, nothing_padded)
    return Embedded(vectors, work)
