"""Training: what it learns, what it keeps, and that no crash changes a bit of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from harness.contract import Cost
from harness.efficiency.ledger import Operation, Phase
from harness.errors import RunFailed
from harness.training import Budget, OptimizerSettings, Plan, Shuffled, Trained, train
from harness.training.loop import CHECKPOINT

STEPS = 60


def module() -> torch.nn.Sequential:
    """With dropout, so that the result depends on the state of the random numbers, and buffers that are no weights."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    )


def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(7))
    chosen = x[Shuffled(64, 16, seed=3)(step)]
    return chosen, chosen.sum(1, keepdim=True)


def loss(net: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.mse_loss(net(batch[0]), batch[1])


def error(net: torch.nn.Module) -> float:
    return loss(net, batches(0)).item()


def plan(scratch: Path, **changed: object) -> Plan:
    given = Plan(
        steps=STEPS,
        scratch=scratch,
        identity={"data": "seven"},
        optimizer=OptimizerSettings(learning_rate=0.02),
        every=10,
        metric="error",
        higher_is_better=False,
        checkpoint_seconds=0.0,
    )
    return replace(given, **changed)  # type: ignore[arg-type]


def trained(scratch: Path, **changed: object) -> tuple[torch.nn.Module, Trained]:
    net = module()
    return net, train(net, batches, loss, plan(scratch, **changed), error)


def test_the_module_learns_and_has_the_weights_that_validated_best(tmp_path: Path) -> None:
    net, result = trained(tmp_path)
    assert error(net) < 0.5 * error(module().eval())
    assert error(net) == min(value for _, value in result.curves["error"]) == result.best_value
    assert not net.training


def test_the_curves_have_a_point_every_so_many_steps(tmp_path: Path) -> None:
    result = trained(tmp_path, every=25)[1]
    assert [step for step, _ in result.curves["loss"]] == [25, 50, 60]
    assert [step for step, _ in result.curves["error"]] == [25, 50, 60]


def test_an_earlier_step_that_validated_better_is_kept(tmp_path: Path) -> None:
    values = iter([1.0, 3.0, 2.0])
    net = module()
    seen: list[torch.Tensor] = []

    def validate(given: torch.nn.Module) -> float:
        seen.append(given.get_parameter("0.weight").clone())
        return next(values)

    result = train(net, batches, loss, plan(tmp_path, every=20, higher_is_better=True), validate)
    assert (result.best_step, result.best_value) == (40, 3.0)
    assert torch.equal(net.get_parameter("0.weight"), seen[1])


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    result = train(module(), batches, loss, plan(tmp_path))
    assert (result.best_step, result.best_value, list(result.curves)) == (STEPS, None, ["loss"])


def test_training_leaves_the_random_numbers_of_others_alone(tmp_path: Path) -> None:
    net = module()
    before = torch.get_rng_state()
    train(net, batches, loss, plan(tmp_path))
    assert torch.equal(before, torch.get_rng_state())


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_training import batches, error, loss, module, plan
from harness.training import train

def slow(step):
    print(step, flush=True)
    time.sleep(0.02)
    return batches(step)

train(module(), slow, loss, plan(Path({scratch!r})), error)
"""


def test_killed_in_mid_training_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    code = KILLED.format(folder=str(Path(__file__).parent), scratch=str(tmp_path / "killed"))
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 34:
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL

    charged: list[Cost] = []
    net = module()
    result = train(net, batches, loss, plan(tmp_path / "killed"), error, charge=charged.append)
    whole, expected = trained(tmp_path / "whole")
    assert result.resumed_at == 30
    assert result.curves == expected.curves
    assert (result.best_step, result.best_value) == (expected.best_step, expected.best_value)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name
    assert len(charged) == 1 and charged[0].wall_seconds > 0.5 and charged[0].cpu_seconds > 0


def test_a_training_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    net, result = trained(tmp_path)
    again = module()
    repeated = train(again, batches, _forbidden, plan(tmp_path), error)
    assert repeated.resumed_at == STEPS and repeated.curves == result.curves
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


def _forbidden(net: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    raise AssertionError("a step was taken")


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": {"data": "eight"}},
        {"steps": STEPS + 1},
        {"seed": 1},
        {"optimizer": OptimizerSettings(learning_rate=0.03)},
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    trained(tmp_path)
    with pytest.raises(RunFailed, match=f"{CHECKPOINT} is a checkpoint of another configuration, at step {STEPS}"):
        trained(tmp_path, **changed)


def test_a_checkpoint_of_another_module_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(RunFailed, match="another configuration"):
        train(torch.nn.Linear(4, 1), batches, loss, plan(tmp_path), error)


@pytest.mark.parametrize("content", [b"", b"\x08" + bytes(7) + b"{}      ", b"nonsense" * 100])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(RunFailed, match=f"{CHECKPOINT} is no checkpoint") as caught:
        trained(tmp_path)
    assert "Remove the file" in caught.value.hint


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    def explode(net: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        explode.calls += 1  # type: ignore[attr-defined]
        value = loss(net, batch)
        return value * torch.nan if explode.calls == 25 else value  # type: ignore[attr-defined]

    explode.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(RunFailed) as caught:
        train(module(), batches, explode, plan(tmp_path), error)
    assert "the loss is nan at step 25 of 60; the last good checkpoint is of step 20" in caught.value.message
    assert str(tmp_path / CHECKPOINT) in caught.value.message
    resumed = train(module(), batches, loss, plan(tmp_path), error)
    assert resumed.resumed_at == 20 and resumed.curves == trained(tmp_path / "whole")[1].curves


def test_a_gradient_that_is_no_number_stops_before_it_spoils_the_weights(tmp_path: Path) -> None:
    def steep(net: torch.nn.Module, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        return (net(batch[0]) * 0).sqrt().sum()

    with pytest.raises(RunFailed, match=r"gradient's length is (nan|inf) at step 1 of 60; no checkpoint was written"):
        train(module(), batches, steep, plan(tmp_path), error)


def test_every_epoch_has_every_example_once_in_another_order() -> None:
    sampler = Shuffled(12, 4, seed=1)
    epochs = [torch.cat([sampler(step) for step in range(first, first + 3)]).tolist() for first in (0, 3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]
    assert Shuffled(12, 4, seed=2)(0).tolist() != sampler(0).tolist()


def test_a_batch_is_no_larger_than_the_examples() -> None:
    assert sorted(Shuffled(3, 32, seed=0)(5).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "rsqrt"])
def test_the_learning_rate_rises_to_its_highest_and_never_again(schedule: str) -> None:
    settings = OptimizerSettings.model_validate({"learning_rate": 2.0, "schedule": schedule, "warmup": 0.1})
    rates = [settings.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0)
    assert all(a >= b > 0 for a, b in pairwise(rates[9:]))
    if schedule in ("linear", "cosine"):
        assert rates[-1] < 0.03


def test_a_budget_of_operations_or_seconds_is_so_many_steps() -> None:
    product = Operation("mm", "matmul", "float32", 1.0, flops=1e12, bytes_read=1e6, bytes_written=1e6)
    step = Phase("train step", (product,))
    assert Budget(steps=7).in_steps(step) == 7
    assert Budget(flops=5.5e12).in_steps(step) == 5
    assert Budget(flops=1.0).in_steps(step) == 1
    v100 = Budget(seconds=10.0, hardware="V100-SXM2-32GB").in_steps(step)
    assert v100 == int(10.0 / (1e12 / 1.57e13))


@pytest.mark.parametrize("given", [{}, {"steps": 5, "flops": 1e9}])
def test_a_budget_is_one_amount(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="a budget is one of steps, flops and seconds"):
        Budget.model_validate(given)


def test_costs_of_three_attempts_add_up(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def until(last: int):  # type: ignore[no-untyped-def]
        def give(step: int) -> tuple[torch.Tensor, torch.Tensor]:
            if step == last:
                raise Interrupted
            time.sleep(0.005)
            return batches(step)

        return give

    charged: list[Cost] = []
    for last in (15, 35):
        with pytest.raises(Interrupted):
            train(module(), until(last), loss, plan(tmp_path), error, charge=charged.append)
    train(module(), batches, loss, plan(tmp_path), error, charge=charged.append)
    assert 0.05 <= charged[0].wall_seconds < 0.15 + charged[0].wall_seconds <= charged[1].wall_seconds + 0.1
