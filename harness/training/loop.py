"""One training loop for any torch module: a budget, a learning curve, the best weights, and no step lost to a crash."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from harness.contract import Charge, Cost, Progress
from harness.contract.given import _free, _silent
from harness.digest import combined_digest
from harness.errors import RunFailed
from harness.meter import cpu_seconds, peak_rss_bytes
from harness.training.checkpoints import Checkpoint, Curves, Progressed, copied
from harness.training.settings import OptimizerSettings

if TYPE_CHECKING:
    import torch

Batch: TypeAlias = "Sequence[torch.Tensor]"
Batches: TypeAlias = "Callable[[int], Batch]"
"""The batch of a step, counted from 0: the same whenever it is asked for."""
Loss: TypeAlias = "Callable[[torch.nn.Module, Batch], torch.Tensor]"
"""A module and a batch on its device -> a scalar."""
Validate: TypeAlias = "Callable[[torch.nn.Module], float]"
"""A module in evaluation mode, without gradients -> how good it is."""
Device = Literal["auto", "cpu", "cuda"]

CHECKPOINT = "training.safetensors"
_LOST_SECONDS = 10.0


@dataclass(frozen=True)
class Trained:
    """What came of a training, whose module now has its best weights."""

    steps: int
    parameters: int
    curves: Curves
    """`loss`: its mean since the point before; and the validation's name: points of (step, value)."""
    best_step: int
    """The last one if there was no validation."""
    best_value: float | None
    flops: float | None
    """Of all steps, where what one takes was given."""
    resumed_at: int
    """Steps that an earlier attempt had done."""
    facts: dict[str, str | int | float] = field(default_factory=dict)
    """The same as facts of a run."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about a training apart from its module and its data."""

    steps: int
    scratch: Path
    """Where its checkpoint is kept, one training to a folder."""
    identity: Mapping[str, object]
    """What the result depends on beside the shapes of the weights: model settings, digests of the data."""
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    seed: int = 0
    """Of dropout and the like; batches and initial weights are the caller's."""
    every: int = 100
    """Steps from one point of the curves to the next, and from one validation to the next."""
    metric: str = "validation"
    """What the validation's curve is called."""
    higher_is_better: bool = True
    device: Device = "auto"
    amp: bool = False
    """Compute in bfloat16 where that keeps its precision, on CUDA only."""
    flops_per_step: float | None = None
    checkpoint_seconds: float = _LOST_SECONDS
    """The most wall seconds of work that a crash loses, apart from the steps up to the next point of the curves."""


def train(
    module: torch.nn.Module,
    batches: Batches,
    loss: Loss,
    plan: Plan,
    validate: Validate | None = None,
    *,
    progress: Progress = _silent,
    charge: Charge = _free,
) -> Trained:
    """Train the module and load the weights that validated best; go on from the checkpoint in the plan's folder.

    On a CPU, with as many threads, a training that was killed and goes on ends with the same bits as one that was not.
    `charge` gets the cost of the attempts before. Raises `RunFailed` if the checkpoint is of another
    configuration, and if loss or gradient is not finite: then with the step and the checkpoint before it.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        training = _Training(module, plan, validate is not None)
        resumed_at = training.resume(charge)
        for step in range(resumed_at, plan.steps):
            training.step(step, batches(step), loss)
            if (step + 1) % plan.every == 0 or step + 1 == plan.steps:
                training.point(step + 1, validate)
            progress(step + 1, plan.steps, "steps")
        return training.finish(resumed_at)


class _Training:
    def __init__(self, module: torch.nn.Module, plan: Plan, validated: bool) -> None:
        import torch

        cuda = plan.device == "cuda" or (plan.device == "auto" and torch.cuda.is_available())
        self._device = torch.device("cuda" if cuda else "cpu")
        self._module = module.to(self._device)
        self._plan, self._validated = plan, validated
        self._optimizer = torch.optim.AdamW(
            _groups(module, plan.optimizer),
            betas=(plan.optimizer.beta1, plan.optimizer.beta2),
            fused=True,
        )
        self._configuration = _configuration(module, plan)
        self._path = plan.scratch / CHECKPOINT
        self._curves: Curves = {"loss": []}
        self._losses: list[float] = []
        self._best: dict[str, torch.Tensor] = {}
        self._best_step: int | None = None
        self._best_value: float | None = None
        self._saved_step: int | None = None
        self._earlier = Cost()
        self._began = self._saved = time.monotonic(), cpu_seconds()

    def resume(self, charge: Charge) -> int:
        """Go on from the checkpoint, if there is one; how many steps are done."""
        if not self._path.is_file():
            return 0
        checkpoint = Checkpoint.load(self._path, self._configuration)
        done = checkpoint.progressed
        self._module.load_state_dict(checkpoint.weights)
        fresh = self._optimizer.state_dict()
        self._optimizer.load_state_dict({**fresh, "state": checkpoint.optimizer})
        _set_random(checkpoint.random)
        self._curves, self._best = done.curves, checkpoint.best
        self._best_step, self._best_value = done.best_step, done.best_value
        self._earlier, self._saved_step = done.cost, done.step
        charge(done.cost)
        return done.step

    def step(self, step: int, batch: Batch, loss: Loss) -> None:
        """One update of the weights."""
        import torch

        self._module.train()
        rate = self._plan.optimizer.rate(step, self._plan.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cuda", torch.bfloat16, enabled=self._plan.amp and self._device.type == "cuda"):
            value = loss(self._module, [tensor.to(self._device, non_blocking=True) for tensor in batch])
        value.backward()  # type: ignore[no-untyped-call]
        longest = self._plan.optimizer.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self._module.parameters(), longest)
        self._check(step, value.item(), norm.item())
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def _check(self, step: int, value: float, norm: float) -> None:
        if math.isfinite(value) and math.isfinite(norm):
            self._losses.append(value)
            return
        what = f"the loss is {value}" if not math.isfinite(value) else f"the gradient's length is {norm}"
        kept = "no checkpoint was written before"
        if self._saved_step is not None:
            kept = f"the last good checkpoint is of step {self._saved_step}: {self._path}"
        raise RunFailed(
            f"training stopped: {what} at step {step + 1} of {self._plan.steps}; {kept}",
            hint="Lower the learning rate, lengthen the warm-up, or set clip_norm; it is a new submission then.",
        )

    def point(self, step: int, validate: Validate | None) -> None:
        """A point of the curves, the best weights if these are, and a checkpoint if the last one is old."""
        import torch

        self._curves["loss"].append((step, sum(self._losses) / len(self._losses)))
        self._losses = []
        if validate is not None:
            self._module.eval()
            with torch.no_grad():
                value = float(validate(self._module))
            self._curves.setdefault(self._plan.metric, []).append((step, value))
            if self._is_better(value):
                self._best_step, self._best_value = step, value
                self._best = copied(self._module.state_dict())
        wall = time.monotonic()
        if wall - self._saved[0] >= self._plan.checkpoint_seconds or step == self._plan.steps:
            self._save(step)
            self._saved = wall, cpu_seconds()

    def _is_better(self, value: float) -> bool:
        if self._best_value is None:
            return not math.isnan(value)
        return value > self._best_value if self._plan.higher_is_better else value < self._best_value

    def _save(self, step: int) -> None:
        wall, cpu = self._began
        cost = Cost(
            cpu_seconds=self._earlier.cpu_seconds + cpu_seconds() - cpu,
            wall_seconds=self._earlier.wall_seconds + time.monotonic() - wall,
            peak_rss_bytes=max(self._earlier.peak_rss_bytes, peak_rss_bytes()),
        )
        progressed = Progressed(self._configuration, step, self._curves, self._best_step, self._best_value, cost)
        states = self._optimizer.state_dict()["state"].items()
        optimizer = {place: copied(state) for place, state in states}
        weights = copied(self._module.state_dict())
        self._plan.scratch.mkdir(parents=True, exist_ok=True)
        Checkpoint(progressed, weights, optimizer, _random(), self._best).save(self._path)
        self._saved_step = step

    def finish(self, resumed_at: int) -> Trained:
        """The best weights are loaded."""
        if self._best:
            self._module.load_state_dict(self._best)
        self._module.eval()
        plan = self._plan
        flops = None if plan.flops_per_step is None else plan.flops_per_step * plan.steps
        best_step = plan.steps if self._best_step is None else self._best_step
        parameters = sum(parameter.numel() for parameter in self._module.parameters())
        facts: dict[str, str | int | float] = {
            "parameters": parameters,
            "training_steps": plan.steps,
            "best_step": best_step,
        }
        if self._best_value is not None:
            facts[f"best_{plan.metric.replace(' ', '_')}"] = self._best_value
        if flops is not None:
            facts["training_flops"] = flops
        return Trained(plan.steps, parameters, self._curves, best_step, self._best_value, flops, resumed_at, facts)


def _groups(module: torch.nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    others = [parameter for parameter in parameters if parameter.dim() < 2]
    groups = (matrices, settings.weight_decay), (others, 0.0)
    return [{"params": group, "weight_decay": decay} for group, decay in groups if group]


def _configuration(module: torch.nn.Module, plan: Plan) -> str:
    import msgspec

    shapes = {name: [str(tensor.dtype), *tensor.shape] for name, tensor in module.state_dict().items()}
    settings = plan.optimizer.model_dump()
    how = [plan.steps, plan.seed, plan.every, plan.metric, plan.higher_is_better, plan.amp]
    described = {"identity": dict(plan.identity), "shapes": shapes, "optimizer": settings, "plan": how}
    return combined_digest(training=msgspec.json.encode(described, order="sorted").decode())


def _random() -> dict[str, torch.Tensor]:
    import torch

    devices = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        devices["cuda"] = torch.cuda.get_rng_state()
    return devices


def _set_random(states: Mapping[str, torch.Tensor]) -> None:
    import torch

    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
