"""Logistic regression over counts of symbols or their values: what a task gives away without order or depth."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from harness.config import ModelConfig
from harness.contract import ByteSequence, Classes, Example, LabelledSet, Prediction, Prepared, Resources, Usage
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.work import Stage, Work
from harness.errors import RunFailed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Float64: TypeAlias = npt.NDArray[np.float64]

_BATCH_SIZE = 256
_STAGE = "classify"
_BUCKETS = 1 << 18
_MULTIPLIER = 0x9E3779B97F4A7C15
_FEWEST = 3
"""Sequences of training that hold an n-gram that is counted."""
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)
_WEIGHT_BYTES = 8


class LinearConfig(ModelConfig):
    """Which features of a sequence are weighed."""

    features: Literal["counts", "values"]
    """`counts` of n-grams of symbols, wherever they stand; `values` of the symbols at each place, as of pixels."""
    n: int = Field(default=1, ge=1, le=8)
    """Symbols of the longest n-gram that is counted; shorter ones are as well."""
    length: int = Field(default=0, ge=0)
    """The first so many symbols are looked at; 0 for all."""
    iterations: int = Field(default=200, ge=1)
    """Of L-BFGS."""


class Linear:
    """Logistic regression over n-gram counts or over the values at each place; its strength chosen on validation."""

    kind: ClassVar[str] = "linear"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = LinearConfig
    offers = frozenset({"classes", "sequences"})

    def __init__(self, config: LinearConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._features: _Counts | _Values
        self._model: Any = None

    def prepare(self, resources: Resources) -> Prepared:
        """Fit one model for each strength of regularisation on training, and keep the best on validation."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        config = self._config
        self._features = _Counts(config.n, config.length) if config.features == "counts" else _Values(config.length)
        x, y = self._read(resources.train, fit=True)
        if len(set(y)) < 2 or not x.shape[1]:
            lacking = "more than one label" if x.shape[1] else f"an n-gram that {_FEWEST} sequences share"
            raise RunFailed(f"the training split of {len(y):,} sequences has not {lacking}, so there is nothing to fit")
        x_validation, y_validation = self._read(resources.validation)
        best, strength = -1.0, 0.0
        for place, c in enumerate(_STRENGTHS):
            resources.progress(place, len(_STRENGTHS), "models")
            model = LogisticRegression(C=c, max_iter=config.iterations)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is a choice: `iterations`
                model.fit(x, y)
            if (accuracy := float(model.score(x_validation, y_validation))) > best:
                best, strength, self._model = accuracy, c, model
        return Prepared(
            facts={"features": x.shape[1], "inverse_regularisation": strength, "validation_accuracy": round(best, 4)}
        )

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most probable label of each example, with the log-odds of all (of the second, if there are two)."""
        x = self._features.of(_symbols(example) for example in examples)
        odds = self._model.decision_function(x)
        names = [str(name) for name in self._model.classes_]
        if odds.ndim == 1:
            names, odds = names[1:], odds[:, None]
        chosen = self._model.predict(x)
        return [
            Prediction(
                example.id,
                Classes(str(label), dict(zip(names, row, strict=True))),
                (Usage(stage=_STAGE, prompt_tokens=min(len(_symbols(example)), self._features.longest)),),
            )
            for example, label, row in zip(examples, chosen, odds.tolist(), strict=True)
        ]

    def phases(self) -> Work:
        """A weight for each class is read and added for every n-gram of a symbol, or for every place."""
        classes = self._model.coef_.shape[0]
        counted = self._config.n if self._config.features == "counts" else 1
        return Work(
            (
                Stage(
                    _STAGE,
                    device="host",
                    dtype="float64",
                    prompt=tuple((tokens, _weighed(tokens, classes, counted)) for tokens in (1, 2)),
                    memory=Memory(weights_bytes=_WEIGHT_BYTES * self._model.coef_.size),
                ),
            ),
            uncounted="fitting by L-BFGS, whose searches along a line scikit-learn does not count",
        )

    def _read(self, rows: LabelledSet, fit: bool = False) -> tuple[Any, list[str]]:
        labels: list[str] = []

        def symbols() -> Iterator[bytes]:
            for row in rows:
                labels.append(row.label)
                yield _symbols(row)

        return self._features.of(symbols(), fit=fit), labels


class _Counts:
    """Logarithms of counts of n-grams, hashed if longer than one; of those that several sequences of training hold."""

    def __init__(self, n: int, length: int) -> None:
        self._n, self._length = n, length
        self.longest = length or sys.maxsize
        self._kept: Any = None

    def of(self, sequences: Iterable[bytes], fit: bool = False) -> Any:
        """Features [sequences, n-grams], sparse; `fit` on the sequences of training."""
        import numpy as np
        from scipy import sparse

        columns, values, ends = [np.zeros(0, np.int32)], [np.zeros(0)], [0]
        for sequence in sequences:
            found, counts = np.unique(self._hashes(sequence), return_counts=True)
            columns.append(found)
            values.append(np.log1p(counts))
            ends.append(ends[-1] + found.size)
        shape = (len(ends) - 1, 256 if self._n == 1 else _BUCKETS)
        x = sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=shape)
        if fit:
            self._kept = np.flatnonzero(np.bincount(x.indices, minlength=shape[1]) >= _FEWEST)
        return x[:, self._kept]

    def _hashes(self, sequence: bytes) -> Any:
        import numpy as np

        symbols = np.frombuffer(sequence[: self._length or None], dtype=np.uint8).astype(np.uint64)
        if self._n == 1:
            return symbols.astype(np.int32)
        codes = [np.zeros(0, np.uint64)]
        code = np.zeros(symbols.size, dtype=np.uint64)
        for size in range(1, self._n + 1):
            code = code[: symbols.size - size + 1] * np.uint64(257) + symbols[size - 1 :] + np.uint64(1)
            codes.append(code)
        mixed = np.concatenate(codes) * np.uint64(_MULTIPLIER)
        return (mixed >> np.uint64(64 - (_BUCKETS - 1).bit_length())).astype(np.int32)


class _Values:
    """The values of the symbols at each place, less their mean there, over the spread of all."""

    def __init__(self, length: int) -> None:
        self.longest = length or sys.maxsize

    def of(self, sequences: Iterable[bytes], fit: bool = False) -> Float64:
        """Features [sequences, places]; `fit` on the sequences of training, the longest of which decides on places."""
        import numpy as np

        rows = [np.frombuffer(sequence, dtype=np.uint8) for sequence in sequences]
        if fit:
            self.longest = min(self.longest, max((row.size for row in rows), default=0))
        x = np.zeros((len(rows), self.longest))
        for filled, row in zip(x, rows, strict=True):
            kept = row[: self.longest]
            filled[: kept.size] = kept
        if fit:
            self._mean, self._spread = x.mean(axis=0), max(float(x.std()), 1e-9)
        scaled: Float64 = (x - self._mean) / self._spread
        return scaled


def _symbols(row: Any) -> bytes:
    match row.input:
        case ByteSequence(data):
            return data
        case str(text):
            return text.encode()
    raise RunFailed("the kind `linear` reads sequences of symbols and texts, and this task has neither")


def _weighed(tokens: int, classes: int, counted: int) -> Phase:
    size = float(_WEIGHT_BYTES * tokens * counted * classes)
    added = Operation("weights", "gather", "float64", 1.0, 2.0 * tokens * counted * classes, size, 0.0, size)
    return Phase(_STAGE, (added,))
