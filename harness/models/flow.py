"""FlowTransformer: input encoding, transformer and head over windows of flows, each to be swapped for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.config import ModelConfig
from harness.contract import Example, Prediction, Prepared, Resources, Usage
from harness.efficiency.ledger import Memory, Phase
from harness.efficiency.work import Stage, Tally, Work
from harness.flows import table
from harness.flows.detector import Reader
from harness.flows.parts import SHAPES, Encoding, Head, Shape, Transformer
from harness.flows.preprocessing import Preprocessor
from harness.flows.windows import sliding
from harness.models.sequence import NEVER_CAUSAL, Mixer
from harness.training.settings import Budget, OptimizerSettings

if TYPE_CHECKING:
    import torch

    from harness.contract import FloatArray
    from harness.flows.network import Network

_BATCH_SIZE = 4096
_ROWS_AT_ONCE = 1024
_STAGE, _TRAINING = "classify", "train step"
_PUBLISHED = OptimizerSettings(schedule="constant", warmup=0.0, weight_decay=0.0, beta2=0.999, clip_norm=None)


class FlowConfig(ModelConfig):
    """Which parts the pipeline is made of, and how it is trained. Defaults are those of FlowTransformer."""

    numbers: Literal["log", "standard"] = "log"
    """`log` between the least and the greatest of training, clipped; `standard` for mean 0 and deviation 1."""
    levels: int = Field(default=32, ge=1, le=10_000)
    """Of each category, the most common so many; the others are one level, which new ones are as well."""
    encoding: Encoding = "none"
    """From a flow to its token: its features as they are, a map of the `record`, or of each `category`; `dense` has a
    bias and a `projection` none."""
    encoding_width: int | None = Field(default=None, ge=1, le=4096)
    """Of an embedded record (64 by default) or of each embedded category (16)."""
    window: int | None = Field(default=None, ge=1, le=512)
    """Flows that are looked at, the one that is asked for last; all that the task gives, by default."""
    positions: bool = False
    """Whether tokens know where in the window they stand; those of FlowTransformer do not."""
    transformer: Transformer = "basic_encoder"
    """`basic` has 2 layers of width 128 inside and 2 heads, the others 12 of 768 and 12; a decoder, as GPT's, is
    causal."""
    mixer: Mixer = "softmax"
    """How the tokens of a window see each other: attention, or another mixer of the kind `sequence` in its place."""
    layers: int | None = Field(default=None, ge=1, le=64)
    """In place of the transformer's own."""
    inner_width: int | None = Field(default=None, ge=1, le=8192)
    """Inside attention, all heads together, and feed-forward; in place of the transformer's own."""
    heads: int | None = Field(default=None, ge=1, le=64)
    """Of attention, in place of the transformer's own."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Of the transformer, in place of its own."""
    head: Head = "last_token"
    """From the tokens of a window to one vector; `feature` makes one number of each token."""
    hidden: list[int] = Field(default=[128], max_length=8)
    """Widths of the perceptron after the head."""
    hidden_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of the perceptron."""
    balanced: bool = True
    """Whether a batch has as many flows of each label, drawn with replacement; else all flows come once an epoch."""
    train_batch_size: int = Field(default=128, ge=2, le=65_536)
    """Windows in a step of training."""
    budget: Budget = Budget(steps=320)
    """Of training."""
    optimizer: OptimizerSettings = _PUBLISHED
    """Adam with a step of 1e-3 by default."""
    select: bool = False
    """Whether the weights that are best on the validation split are kept, in place of training on it as well."""

    @model_validator(mode="after")
    def _fits(self) -> FlowConfig:
        shape = self.shape
        if self.transformer == "none" and (self.layers or self.inner_width or self.heads or self.mixer != "softmax"):
            raise ValueError("`transformer: none` has no layers, inner_width, heads or mixer")
        if shape.heads and shape.inner % shape.heads:
            raise ValueError(f"expected an inner_width ({shape.inner}) that heads ({shape.heads}) divide")
        if shape.causal and self.mixer in NEVER_CAUSAL:
            raise ValueError(f"`{self.transformer}` is causal, and the mixer `{self.mixer}` cannot be")
        if self.mixer == "lightning" and shape.inner // shape.heads % 2:
            raise ValueError("`lightning` turns pairs of features: inner_width / heads has to be even")
        if any(width < 1 or width > 65_536 for width in self.hidden):
            raise ValueError("expected widths of `hidden` from 1 to 65536")
        return self

    @property
    def shape(self) -> Shape:
        """How large the transformer is."""
        given: dict[str, Any] = {
            "layers": self.layers,
            "inner": self.inner_width,
            "heads": self.heads,
            "dropout": self.dropout,
            "mixer": self.mixer,
        }
        return replace(SHAPES[self.transformer], **{name: value for name, value in given.items() if value is not None})


class FlowNetwork:
    """Trains the pipeline on windows of training rows, with the loop that all kinds train with."""

    kind: ClassVar[str] = "flow"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = FlowConfig
    offers = frozenset({"classes", "rows"})

    reader: Reader

    def __init__(self, config: FlowConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config = config
        self._seed = seed
        self._network: Network
        self._steps = 0

    def prepare(self, resources: Resources) -> Prepared:
        """Fit the preprocessing and train."""
        import torch

        from harness.training import Plan, train

        config, inputs, request = self._config, resources.inputs, resources.request
        sets = [resources.train] if config.select else [s for s in (inputs.train, inputs.validation) if s is not None]
        rows, labels = table.read(sets, request.columns)
        fitted = Preprocessor.fit(rows, numbers=config.numbers, categories="ordinal", levels=config.levels)
        window = min(config.window or request.window, request.window)
        self.reader = Reader(request.columns, request.labels, request.window, window, fitted)
        self._network = self._made()
        codes = torch.tensor([request.labels.index(label) for label in labels])
        plan = Plan(
            steps=self._affordable(),
            scratch=resources.scratch,
            identity={"config": config.model_dump(mode="json"), "data": [s.digest for s in sets], "window": window},
            optimizer=config.optimizer,
            seed=self._seed,
            every=20,
            metric="validation balanced accuracy",
        )
        batches = self._batches(self.reader.preprocessor.features(rows), codes)
        validate = self._validation(resources) if config.select else None
        done = train(
            self._network, batches, _loss, plan, validate, progress=resources.progress, charge=resources.charge
        )
        self._steps = done.steps
        self._network.eval()
        return Prepared(facts={"rows": len(labels), "window": window, **done.facts}, curves=done.curves)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most probable label of each example, with the probabilities of all."""
        usage = Usage(stage=_STAGE)
        return self.reader.answers(examples, self.probabilities(self.reader.windows(examples)), usage)

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """[rows, window, features] -> [rows, labels]."""
        import torch

        device = next(self._network.parameters()).device
        found = []
        with torch.no_grad():
            for start in range(0, len(windows), _ROWS_AT_ONCE):
                part = np.ascontiguousarray(windows[start : start + _ROWS_AT_ONCE], dtype=np.float32)
                logits = self._network(torch.from_numpy(part).to(device))
                found.append(logits.double().softmax(dim=-1).cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, len(self.reader.labels)))

    def phases(self) -> Work:
        """The forward pass of one window, and before that the steps of training, traced."""
        from harness.efficiency.trace import trace_growing

        once = trace_growing(self._network, lambda batch: {"windows": self._window(batch)}, phase=_STAGE)
        weights = sum(p.numel() * p.element_size() for p in self._network.parameters())
        memory = Memory(weights_bytes=weights)
        stage = Stage(_STAGE, dtype="float32", once=once, memory=memory)
        training = Stage(_TRAINING, dtype="float32", once=self._step(), memory=memory)
        return Work((stage, training), (Tally(_TRAINING, self._steps),))

    # --- Parts ----------------------------------------------------------------------------------------------------

    def _made(self) -> Network:
        import torch

        from harness.flows import encodings
        from harness.flows.network import Network

        config, fitted = self._config, self.reader.preprocessor
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            return Network(
                encodings.make(config.encoding, len(fitted.low), fitted.sizes, config.encoding_width),
                config.shape,
                config.head,
                window=self.reader.window,
                positions=config.positions,
                hidden=config.hidden,
                dropout=config.hidden_dropout,
                labels=len(self.reader.labels),
            )

    def _batches(self, features: FloatArray, codes: torch.Tensor) -> Callable[[int], list[torch.Tensor]]:
        import torch

        from harness.flows.balanced import Balanced
        from harness.training import Shuffled

        size, window = self._config.train_batch_size, self.reader.window
        before = np.zeros((window - 1, features.shape[1]))
        rows = torch.from_numpy(np.concatenate([before, features]).astype(np.float32))
        places = torch.arange(window)
        chosen = Balanced(codes, size, self._seed) if self._config.balanced else Shuffled(len(codes), size, self._seed)

        def batch(step: int) -> list[torch.Tensor]:
            asked = chosen(step)
            return [rows[asked[:, None] + places], codes[asked]]

        return batch

    def _validation(self, resources: Resources) -> Callable[[torch.nn.Module], float]:
        rows, labels = table.read([resources.validation], resources.request.columns)
        windows = sliding(self.reader.preprocessor.features(rows), self.reader.window)
        gold = np.array([self.reader.labels.index(label) for label in labels])

        def balanced_accuracy(module: torch.nn.Module) -> float:
            said = self.probabilities(windows).argmax(axis=1)
            return float(np.mean([(said[gold == code] == code).mean() for code in np.unique(gold)]))

        return balanced_accuracy

    def _affordable(self) -> int:
        budget = self._config.budget
        return budget.steps if budget.steps is not None else budget.in_steps(self._step())

    def _step(self) -> Phase:
        """One step of training, traced."""
        import torch

        from harness.efficiency.training import trace_training

        size = self._config.train_batch_size
        codes = torch.zeros(size, dtype=torch.long)
        return trace_training(
            self._network,
            {"windows": self._window(size)},
            lambda logits: torch.nn.functional.cross_entropy(logits, codes),
            lambda parameters: torch.optim.AdamW(parameters, fused=True),
            phase=_TRAINING,
        )

    def _window(self, batch: int) -> torch.Tensor:
        import torch

        return torch.zeros(batch, self.reader.window, self.reader.preprocessor.width)


def _loss(module: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    windows, codes = batch
    return torch.nn.functional.cross_entropy(module(windows), codes)
