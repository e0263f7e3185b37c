"""A sequence model that is trained on the task: a backbone with slots for what mixes, normalises and feeds forward."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from harness.config import ModelConfig
from harness.contract import Classes, Example, Input, LabelledSet, Prediction, Prepared, Resources, Usage
from harness.efficiency.work import Tally, Work
from harness.errors import DataError, RunFailed
from harness.training.settings import Budget, OptimizerSettings

if TYPE_CHECKING:
    import torch

    from harness.sequence.backbone import Architecture, Backbone
    from harness.sequence.inputs import Sequences

Mixer = Literal[
    "cosformer",
    "diagonal",
    "diff_qkv",
    "fft",
    "flow",
    "hstu",
    "hyper",
    "lightning",
    "linear",
    "linformer",
    "local",
    "nystromformer",
    "performer",
    "softmax",
    "transnormer",
]
NEVER_CAUSAL: tuple[Mixer, ...] = ("fft", "linformer", "nystromformer")
"""Mixers that let every place see all others."""
_BATCH_SIZE = 256
_FORWARD = 64
"""Sequences of one forward pass at inference, sorted by length."""
_PROBED = 8
_VALIDATIONS = 10


class SequenceConfig(ModelConfig):
    """What stands in the slots, how large the model is, and how it is trained."""

    mixer: Mixer = "softmax"
    """How the places of a sequence see each other."""
    norm: Literal["batch_norm", "layer_norm", "power_norm", "rms_norm", "unified"] = "layer_norm"
    """What normalises, before each part."""
    feed_forward: Literal["dense", "experts", "pattention"] = "dense"
    """What works at each place."""
    width: int = Field(default=64, ge=1, le=8192)
    """Of the residual stream."""
    depth: int = Field(default=2, ge=1, le=100)
    """Blocks of a mixer and a feed-forward part."""
    heads: int = Field(default=4, ge=1)
    """Of the mixer; they divide the width."""
    hidden: int = Field(default=128, ge=1)
    """Width inside the feed-forward part; parameters of `pattention`."""
    share_layers: bool = False
    """Whether all blocks have the same weights, with norms of their own, as in WideNet."""
    causal: bool = False
    """Whether no place sees a later one, for mixers that can."""
    pooling: Literal["mean", "cls", "last"] = "mean"
    """What the classifier reads: the mean of all places, that of a symbol put in front, or the last."""
    pair: bool = False
    """Whether a sequence is two with a zero byte between, for one encoder and a classifier of both."""
    max_length: int | None = Field(default=None, ge=1, le=1 << 20)
    """Symbols that are read, of each side of a pair; the rest is cut and counted. Null: as training has."""
    padding: Literal["auto", "masked", "visible"] = "auto"
    """`masked` leaves it out; `visible` lets the mixer read it, always up to `max_length`; `auto` masks if it can."""
    budget: Budget = Field(default_factory=lambda: Budget(steps=1000))
    """What training may take."""
    optimizer: OptimizerSettings = Field(default_factory=lambda: OptimizerSettings(learning_rate=2e-3))
    """How a step is taken."""
    train_batch_size: int = Field(default=32, ge=1)
    """Sequences of a step."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """After the embedding and each part."""
    norm_warmup: int = Field(default=100, ge=1)
    """Steps for which `power_norm` and `unified` take the statistics of the batch; their papers have 4,000."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU if there is one."""
    amp: bool = False
    """Whether to train in bfloat16 on a GPU, where that keeps precision."""

    @model_validator(mode="after")
    def _fits_together(self) -> SequenceConfig:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        if self.mixer == "lightning" and self.width // self.heads % 2:
            raise ValueError("lightning turns pairs of features: width / heads has to be even")
        if self.causal and self.mixer in NEVER_CAUSAL:
            raise ValueError(f"the mixer {self.mixer} cannot be causal")
        if self.padding == "masked" and self.mixer in ("fft", "nystromformer"):
            raise ValueError(f"the mixer {self.mixer} takes no mask; set padding: visible")
        return self


class SequenceModel:
    """A sequence model, trained on the train split, its best weights chosen on validation."""

    kind: ClassVar[str] = "sequence"
    version: ClassVar[str] = "1"
    runs_code: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SequenceConfig
    offers = frozenset({"classes", "sequences"})

    def __init__(self, config: SequenceConfig, seed: int) -> None:
        self.batch_size = config.batch_size or _BATCH_SIZE
        self._config, self._seed = config, seed
        self._cut = 0

    def prepare(self, resources: Resources) -> Prepared:
        """Train within the budget; a training that was killed goes on from its checkpoint."""
        import torch

        from harness.sequence.backbone import Backbone
        from harness.training import Plan, Shuffled, train

        config = self._config
        self._labels = list(resources.request.labels)
        rows, labels = self._read(resources.train)
        held_rows, held_labels = self._read(resources.validation)
        self._length = config.max_length or max(1, *map(len, rows))
        self._made = self._architecture()
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self._model = Backbone(self._made)
        self._masked = self._model.takes_mask and config.padding != "visible"
        trained, held = self._sequences(rows), self._sequences(held_rows)
        self._probes = held
        self._steps = self._in_steps()
        sampler = Shuffled(len(trained), config.train_batch_size, self._seed)

        def batch(step: int) -> list[torch.Tensor]:
            places = sampler(step).tolist()
            return [*self._batch(trained, places), labels[places]]

        plan = Plan(
            steps=self._steps,
            scratch=resources.scratch,
            identity={
                "config": config.model_dump(mode="json"),
                "train": resources.train.digest,
                "validation": resources.validation.digest,
            },
            optimizer=config.optimizer,
            seed=self._seed,
            every=max(1, self._steps // _VALIDATIONS),
            metric="validation accuracy",
            device=config.device,
            amp=config.amp,
        )
        result = train(
            self._model,
            batch,
            _loss,
            plan,
            lambda model: self._accuracy(held, held_labels),
            progress=resources.progress,
            charge=resources.charge,
        )
        facts: dict[str, str | int | float] = {
            **result.facts,
            "max_length": self._length,
            "padding": "masked" if self._masked else "visible",
            "truncated_train": trained.truncated,
        }
        return Prepared(facts=facts, curves=result.curves)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A label for each example, with the log-probability of each."""
        from harness.sequence.inputs import read

        given = self._sequences(read((example.input for example in examples), pair=self._config.pair))
        self._cut += given.truncated
        scores, batches = self._scores(given)
        return [
            Prediction(
                example.id,
                Classes(self._labels[int(row.argmax())], dict(zip(self._labels, row.tolist(), strict=True))),
                (Usage("classify", given.tokens(place), batch_rows=batches[place][0], batch_tokens=batches[place][1]),),
            )
            for place, (example, row) in enumerate(zip(examples, scores, strict=True))
        ]

    def phases(self) -> Work:
        """Classifying a sequence, a training step of a batch of the greatest length, and both at further lengths."""
        from harness.efficiency.work import Stage
        from harness.sequence.work import TRAIN, classify_stage, stages_at_lengths, train_step

        model = self._on_cpu()
        step = train_step(model, self._made, self._config.train_batch_size)
        stages = classify_stage(model, self._made), Stage(TRAIN, once=step), *stages_at_lengths(self._made)
        return Work(stages, (Tally(TRAIN, examples=self._steps),))

    def findings(self) -> Mapping[str, str | int | float]:
        """Badges by trying, size beside the base (softmax, layer norm, dense), and how the mixer's work grows."""
        from dataclasses import replace

        from harness.sequence.badges import badges, is_size_matched, size_of
        from harness.sequence.work import growth

        base = replace(self._made, mixer="softmax", norm="layer_norm", feed_forward="dense", share_layers=False)
        parameters, expected = size_of(self._made), size_of(base)
        places = list(range(min(_PROBED, len(self._probes))))
        shortest = min(self._probes.tokens(place) for place in places) // (2 if self._config.pair else 1)
        width = max(2, shortest)
        ids = self._probes.batch(places, width=self._length)[0][..., : min(width, self._length)]
        return {
            **badges(self._on_cpu(), ids),
            "size_matched": "yes" if is_size_matched(parameters, expected) else "no",
            "size_of_base": round(parameters / expected, 4),
            **growth(self._made),
            "truncated_test": self._cut,
        }

    def again(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same answers: there is no cache."""
        return self.predict(examples)

    def _on_cpu(self) -> Backbone:
        """A copy, where counts and badges do not depend on the device; the model itself stays where it answers."""
        return copy.deepcopy(self._model).to("cpu")

    def _architecture(self) -> Architecture:
        from harness.sequence.backbone import Architecture

        config = self._config
        return Architecture(
            mixer=config.mixer,
            norm=config.norm,
            feed_forward=config.feed_forward,
            width=config.width,
            depth=config.depth,
            heads=config.heads,
            hidden=config.hidden,
            length=self._length,
            classes=len(self._labels),
            pooling=config.pooling,
            pair=config.pair,
            causal=config.causal,
            share_layers=config.share_layers,
            dropout=config.dropout,
            norm_warmup=config.norm_warmup,
        )

    def _in_steps(self) -> int:
        budget = self._config.budget
        if budget.steps is not None:
            return budget.steps
        from harness.sequence.work import train_step

        return budget.in_steps(train_step(self._model, self._made, self._config.train_batch_size))

    def _read(self, split: LabelledSet) -> tuple[list[bytes], torch.Tensor]:
        import torch

        from harness.sequence.inputs import read

        places = {label: place for place, label in enumerate(self._labels)}
        labels: list[int] = []

        def inputs() -> Iterator[Input]:
            for row in split:
                if row.label not in places:
                    raise DataError(
                        f"training example {row.id!r} has the label {row.label!r}, which the task does not list"
                    )
                labels.append(places[row.label])
                yield row.input

        rows = read(inputs(), pair=self._config.pair)
        if not rows:
            raise RunFailed("a split of this task that a model trains or validates on is empty")
        return rows, torch.tensor(labels)

    def _sequences(self, rows: list[bytes]) -> Sequences:
        from harness.sequence.inputs import Sequences

        return Sequences(rows, self._length, self._config.pair)

    def _batch(self, given: Sequences, places: Sequence[int]) -> list[torch.Tensor]:
        """Ids and, where there is padding to leave out, a mask."""
        ids, mask = given.batch(places, width=None if self._masked else self._length)
        return [ids, mask] if self._masked and not bool(mask.all()) else [ids]

    def _scores(self, given: Sequences) -> tuple[torch.Tensor, list[tuple[int, int]]]:
        """Log-probabilities [examples, classes], and rows and width of the batch that each was in."""
        import torch

        self._model.eval()
        device = next(self._model.parameters()).device
        scores = torch.zeros(len(given), len(self._labels))
        batches = [(0, 0)] * len(given)
        order = sorted(range(len(given)), key=given.tokens)
        with torch.no_grad():
            for first in range(0, len(order), _FORWARD):
                places = order[first : first + _FORWARD]
                batch = [tensor.to(device) for tensor in self._batch(given, places)]
                scores[places] = self._model(*batch).log_softmax(-1).float().cpu()
                for place in places:
                    batches[place] = len(places), batch[0].shape[-1] * (2 if given.pair else 1)
        return scores, batches

    def _accuracy(self, given: Sequences, labels: torch.Tensor) -> float:
        return float((self._scores(given)[0].argmax(-1) == labels).double().mean())


def _loss(model: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    from harness.sequence.backbone import Backbone

    assert isinstance(model, Backbone)
    *inputs, labels = batch
    loss: torch.Tensor = torch.nn.functional.cross_entropy(model(*inputs), labels)
    return loss + _BALANCE * model.imbalance()


_BALANCE = 0.01
"""Weight of the experts' balance: WideNet's."""
