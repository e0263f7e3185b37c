"""Learners over rows of features: trees, forests, boosting and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Resources, Usage
from harness.efficiency.ledger import Memory, Operation, Phase
from harness.efficiency.work import Stage, Work
from harness.flows import learners, table
from harness.flows.detector import Reader
from harness.flows.preprocessing import Categories, Numbers, Preprocessor
from harness.flows.windows import sliding

if TYPE_CHECKING:
    from harness.contract import FloatArray

_BATCH_SIZE = 4096
_STAGE = "classify"
_UNCOUNTED = "fitting, which the library does not describe"
_NODE_BYTES = 16
"""Of a visited node: its feature, its threshold and where its children are, packed; libraries keep more."""


class TabularConfig(ModelConfig):
    """A learner, and how rows are made into features for it."""

    learner: learners.Name
    """`xgboost` and `lightgbm` need the extra `flows`."""
    numbers: Numbers | None = None
    """`raw`, the default of trees; `standard` for mean 0 and deviation 1, the default of logistic regression; `log`
    between the least and the greatest of training, clipped."""
    categories: Categories = "one_hot"
    """`one_hot`: a feature a level; `ordinal`: one feature, the level's rank by frequency."""
    levels: int = Field(default=32, ge=1, le=10_000)
    """Of each category, the most common so many; the others are one level, which new ones are as well."""
    trees: int | None = Field(default=None, ge=1, le=100_000)
    """Of a forest or of boosting; the library's default, mostly 100."""
    depth: int | None = Field(default=None, ge=1, le=64)
    """Of a tree, at most. With a single tree, 1 is one comparison on one feature: a floor."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Of boosting."""
    inverse_regularisation: float | None = Field(default=None, gt=0)
    """Of logistic regression; 1 by default."""
    iterations: int | None = Field(default=None, ge=1)
    """Of logistic regression; 100 by default."""

    @model_validator(mode="after")
    def _settings_of_the_learner(self) -> TabularConfig:
        has = learners.SETTINGS[self.learner]
        for name in sorted(set().union(*learners.SETTINGS.values()) - has):
            if getattr(self, name) is not None:
                raise ValueError(f"`{self.learner}` has no `{name}`; it has {', '.join(sorted(has))}")
        return self


class Tabular:
    """Fits one learner on training and validation together, for it chooses nothing by validation."""

    kind: ClassVar[str] = "tabular"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = TabularConfig
    offers = frozenset({"classes", "rows"})

    reader: Reader

    def __init__(self, config: TabularConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._seed = seed
        self._model: Any = None
        self._places: list[int] = []

    def prepare(self, resources: Resources) -> Prepared:
        """Fit the preprocessing and the learner."""
        config, request = self._config, resources.request
        sets = [one for one in (resources.inputs.train, resources.inputs.validation) if one is not None]
        rows, labels = table.read(sets, request.columns)
        numbers = config.numbers or ("standard" if config.learner in learners.NEEDS_NUMBERS else "raw")
        fitted = Preprocessor.fit(rows, numbers=numbers, categories=config.categories, levels=config.levels)
        self.reader = Reader(request.columns, request.labels, request.window, request.window, fitted)
        self._places = [place for place, label in enumerate(request.labels) if label in set(labels)]
        known = {request.labels[place]: code for code, place in enumerate(self._places)}
        x = self._flat(sliding(fitted.features(rows), request.window))
        settings = {name: getattr(config, name) for name in learners.SETTINGS[config.learner]}
        self._model = learners.make(config.learner, settings, self._seed)
        _fit(self._model, x, np.array([known[label] for label in labels]))
        self._visited = learners.visited_nodes(config.learner, self._model, x)
        self._nodes = learners.node_count(config.learner, self._model)
        trees = {"nodes": self._nodes, "nodes_of_a_row": round(self._visited, 1)} if self._nodes else {}
        return Prepared(facts={"rows": len(labels), "features": x.shape[1], **trees})

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most probable label of each example, with the probabilities of all."""
        usage = Usage(stage=_STAGE, nodes=round(self._visited))
        return self.reader.answers(examples, self.probabilities(self.reader.windows(examples)), usage)

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """[rows, window, features] -> [rows, labels]; 0 for a label that training does not have."""
        found = np.zeros((len(windows), len(self.reader.labels)))
        found[:, self._places] = self._model.predict_proba(self._flat(windows))
        return found

    def phases(self) -> Work:
        """Each visited node of a tree is read and compared; without trees each feature has a weight for each class."""
        if self._nodes:
            visit = Operation("node", "gather", "float32", 1.0, 1.0, float(_NODE_BYTES), 0.0)
            memory = Memory(weights_bytes=_NODE_BYTES * self._nodes)
            each = {"nodes": Phase("nodes", (visit,))}
            return Work(
                (Stage(_STAGE, device="host", dtype="float32", each=each, memory=memory),), uncounted=_UNCOUNTED
            )
        weights = self._model.coef_.size
        product = Operation("weights", "scan", "float64", 1.0, 2.0 * weights, 8.0 * weights, 8.0, 8.0 * weights)
        once = Phase(_STAGE, (product,))
        memory = Memory(weights_bytes=8 * weights)
        return Work((Stage(_STAGE, device="host", dtype="float64", once=once, memory=memory),), uncounted=_UNCOUNTED)

    def _flat(self, windows: FloatArray) -> FloatArray:
        flat = windows.reshape(len(windows), -1)
        return np.nan_to_num(flat) if self._config.learner in learners.NEEDS_NUMBERS else flat


def _fit(model: Any, x: FloatArray, y: Any) -> None:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is a choice: `iterations`
        model.fit(x, y)
