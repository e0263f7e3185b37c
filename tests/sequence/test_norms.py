"""The norms: against slow references, and what each promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from harness.sequence.norms import NORMS
from harness.sequence.norms.power_norm import PowerNorm
from harness.sequence.norms.unified import UnifiedNorm, folded

WIDTH = 6


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def trained(name: str, steps: int = 12, warmup: int = 4) -> nn.Module:
    norm = NORMS[name](WIDTH, warmup)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    for _ in range(steps):
        norm(2 + 3 * torch.randn(4, 5, WIDTH)).square().sum().backward()
    return norm


@pytest.mark.parametrize("name", NORMS)
def test_padding_changes_no_norm(name: str) -> None:
    x, more = torch.randn(2, 5, WIDTH), 100 * torch.randn(2, 3, WIDTH)
    mask = torch.arange(8)[None, :].expand(2, -1) < 5
    for train in (True, False):
        plain, padded = trained(name).train(train), trained(name).train(train)
        padded.load_state_dict(plain.state_dict())
        torch.testing.assert_close(padded(torch.cat([x, more], dim=1), mask)[:, :5], plain(x))
        torch.testing.assert_close(dict(padded.named_buffers()), dict(plain.named_buffers()))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_norms_of_a_place_do_not_see_the_others(name: str) -> None:
    norm, x = trained(name), torch.randn(2, 5, WIDTH)
    torch.testing.assert_close(norm(x)[1, 3], norm(x[1:, 3:4])[0, 0])


@pytest.mark.parametrize("name", ["batch_norm", "power_norm", "unified"])
def test_norms_of_a_batch_do_not_see_it_at_inference(name: str) -> None:
    norm, x = trained(name).eval(), torch.randn(2, 5, WIDTH)
    torch.testing.assert_close(norm(x)[1, 3], norm(x[1:, 3:4])[0, 0])


@pytest.mark.parametrize("name", ["power_norm", "unified"])
def test_in_warm_up_the_gradient_is_that_of_the_batch(name: str) -> None:
    norm = NORMS[name](WIDTH, 10)
    x = torch.randn(2, 4, WIDTH, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: NORMS[name](WIDTH, 10)(given), (x,))
    square = norm(x).square().mean((0, 1))
    torch.testing.assert_close(square, torch.ones(WIDTH), atol=1e-3, rtol=0)


def test_power_norm_follows_its_algorithm() -> None:
    norm = PowerNorm(WIDTH, warmup=0)
    psi, nu = torch.ones(WIDTH), torch.zeros(WIDTH)
    for _ in range(5):
        x = torch.randn(7, 1, WIDTH, requires_grad=True)
        gradient = torch.randn(7, 1, WIDTH)
        y = norm(x)
        y.backward(gradient)
        scaled = x.detach() / (x.detach().square().mean(-1, keepdim=True) + 1e-5).sqrt()
        z = scaled / (psi + 1e-5).sqrt()
        left = gradient - 0.1 * nu * z
        torch.testing.assert_close(y, z)
        expected = torch.autograd.grad(
            x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt(), x, left / (psi + 1e-5).sqrt()
        )[0]
        torch.testing.assert_close(x.grad, expected)
        nu = nu + (left * z).mean((0, 1))
        psi = 0.9 * psi + 0.1 * scaled.square().mean((0, 1))
    torch.testing.assert_close(norm.mean_square, psi)
    torch.testing.assert_close(norm.nu, nu)


def test_unified_norm_takes_the_geometric_mean_of_four_batches() -> None:
    norm = UnifiedNorm(WIDTH, warmup=4)
    squares, running = [], torch.ones(WIDTH)
    for step in range(1, 10):
        x = (1 + step / 10) * torch.randn(9, 1, WIDTH)
        y = norm(x)
        squares.append(x.square().mean((0, 1)))
        if step <= 4:
            running = running + max(0.1, 1 / step) * (squares[-1] - running)
            expected = x / (squares[-1] + 1e-5).sqrt()
        else:
            variance = torch.stack(squares[-4:]).log().mean(0).exp()
            share = (variance / running).sqrt().clamp(0.2, 5)
            running = 0.9 * running + 0.1 * variance
            expected = share * x / (variance + 1e-5).sqrt()
        torch.testing.assert_close(y, expected)
    torch.testing.assert_close(norm.running, running)
    torch.testing.assert_close(norm.eval()(x), x / (running + 1e-5).sqrt())


def test_unified_norm_averages_the_correction_of_its_gradient_over_four_steps() -> None:
    norm = UnifiedNorm(WIDTH, warmup=1)
    corrections: list[torch.Tensor] = []
    for step in range(1, 12):
        x = torch.randn(9, 1, WIDTH, requires_grad=True)
        running, gradient = norm.running.clone(), torch.randn(9, 1, WIDTH)
        norm(x).backward(gradient)
        if step <= 4:
            continue
        variance = norm.squares.log().mean(0).exp()
        scaled = gradient * (variance / running).sqrt().clamp(0.2, 5)
        z = x.detach() / (variance + 1e-5).sqrt()
        corrections.append((scaled * z).mean((0, 1)))
        if len(corrections) >= 4:
            expected = (scaled - z * torch.stack(corrections[-4:]).mean(0)) / (variance + 1e-5).sqrt()
            torch.testing.assert_close(x.grad, expected)
    assert len(corrections) == 7


def test_unified_norm_folds_into_the_next_linear_layer() -> None:
    norm = trained("unified").eval()
    linear, x = nn.Linear(WIDTH, 9), torch.randn(3, 5, WIDTH)
    assert isinstance(norm, UnifiedNorm)
    torch.testing.assert_close(folded(norm, linear)(x), linear(norm(x)), atol=1e-6, rtol=0)
