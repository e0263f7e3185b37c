"""Each mixer against a slow reference that follows its equations, and what holds for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import nn

from harness.sequence.mixers import MIXERS
from harness.sequence.mixers.cosformer import CosFormer
from harness.sequence.mixers.diagonal import Diagonal
from harness.sequence.mixers.diff_qkv import DiffQKV, kv_elements
from harness.sequence.mixers.fft import Fft
from harness.sequence.mixers.flow import Flow
from harness.sequence.mixers.hstu import Hstu
from harness.sequence.mixers.hyper import Hyper
from harness.sequence.mixers.lightning import Lightning
from harness.sequence.mixers.linear import Linear
from harness.sequence.mixers.linformer import Linformer
from harness.sequence.mixers.local import Local
from harness.sequence.mixers.nystromformer import Nystromformer, segment_means
from harness.sequence.mixers.performer import Performer, orthogonal
from harness.sequence.mixers.softmax import Softmax
from harness.sequence.mixers.transnormer import TransNormer
from harness.sequence.slots import MultiHead, Shape, split_heads

N, D = 22, 8
WAYS = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def shape(causal: bool = False, **changed: int) -> Shape:
    return Shape(**{"width": 16, "heads": 2, "length": 32, "layer": 0, "layers": 2, **changed}, causal=causal)


def vectors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(2, 2, N, D) for _ in range(3))  # type: ignore[return-value]


def visible(causal: bool) -> torch.Tensor:
    return torch.ones(N, N).tril() if causal else torch.ones(N, N)


def mean_by(weights: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return weights / weights.sum(-1, keepdim=True) @ v


def scaled(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])


@WAYS
def test_softmax(causal: bool) -> None:
    q, k, v = vectors()
    expected = mean_by(scaled(q, k).exp() * visible(causal), v)
    torch.testing.assert_close(Softmax(shape(causal))(q, k, v), expected)


@WAYS
def test_local_sees_its_block_and_the_ones_beside_it(causal: bool) -> None:
    q, k, v = vectors()
    block = torch.arange(N) // 4
    near = ((block[:, None] - block[None, :]).abs() <= 1) * visible(causal)
    torch.testing.assert_close(Local(shape(causal), block=4)(q, k, v), mean_by(scaled(q, k).exp() * near, v))


@WAYS
def test_linear(causal: bool) -> None:
    q, k, v = vectors()
    scores = torch.einsum("bhid,bhjd->bhij", nn.functional.elu(q) + 1, nn.functional.elu(k) + 1)
    torch.testing.assert_close(Linear(shape(causal))(q, k, v), mean_by(scores * visible(causal), v))


@WAYS
def test_performer_is_the_mean_by_its_features(causal: bool) -> None:
    q, k, v = vectors()
    mixer = Performer(shape(causal), features=12)
    phi = [(x / D**0.25 @ mixer.directions.T - (x / D**0.25).square().sum(-1, keepdim=True) / 2).exp() for x in (q, k)]
    expected = mean_by(phi[0] @ phi[1].transpose(-1, -2) * visible(causal), v)
    torch.testing.assert_close(mixer(q, k, v), expected, atol=2e-3, rtol=1e-3)


def test_performer_comes_near_softmax_with_many_features() -> None:
    q, k, v = (0.5 * x for x in vectors())
    exact = Softmax(shape())(q, k, v)
    few, many = ((Performer(shape(), m)(q, k, v) - exact).square().mean() for m in (16, 4096))
    assert many < 0.1 * few and many < 1e-4


def test_the_directions_of_performer_are_orthogonal_in_blocks() -> None:
    rows = nn.functional.normalize(orthogonal(D, D, seed=3), dim=1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(D))


def test_linformer() -> None:
    q, k, v = vectors()
    mixer = Linformer(shape(), projected=5)
    e = mixer.projection[:, :N]
    expected = torch.einsum("bhik,bhkd->bhid", scaled(q, e @ k).softmax(-1), e @ v)
    torch.testing.assert_close(mixer(q, k, v), expected)


def test_nystromformer() -> None:
    q, _, v = vectors()
    q = k = 2.5 * q  # landmarks that are most like themselves: a matrix that can be inverted
    mixer = Nystromformer(shape(), landmarks=6)
    q_marks, k_marks = segment_means(q, 6), segment_means(k, 6)
    f, a, b = (scaled(x, y).softmax(-1) for x, y in ((q, k_marks), (q_marks, k_marks), (q_marks, k)))
    expected = f @ torch.linalg.pinv(a) @ b @ v
    weight = mixer.near.weight[:, 0, :, 0]
    padded = nn.functional.pad(v, (0, 0, 16, 16))
    for place in range(N):
        expected[:, :, place] += torch.einsum("hw,bhwd->bhd", weight, padded[:, :, place : place + 33])
    torch.testing.assert_close(mixer(q, k, v), expected, atol=1e-3, rtol=1e-3)


def test_segments_differ_by_one_place_at_most_and_are_no_more_than_the_places() -> None:
    x = torch.arange(7.0)[:, None]
    assert segment_means(x, 3).flatten().tolist() == [1.0, 3.5, 5.5]
    assert segment_means(x, 9).shape == (7, 1)


@WAYS
def test_cosformer_fades_with_the_cosine_of_the_distance(causal: bool) -> None:
    q, k, v = vectors()
    places = torch.arange(N)
    fading = torch.cos(math.pi / 2 * (places[:, None] - places[None, :]) / 32)
    scores = torch.einsum("bhid,bhjd->bhij", q.relu(), k.relu()) * fading * visible(causal)
    found = CosFormer(shape(causal))(q, k, v)
    seen = scores.sum(-1) > 1e-3
    torch.testing.assert_close(found[seen], mean_by(scores, v)[seen])


def test_flow() -> None:
    q, k, v = vectors()
    found = Flow(shape())(q, k, v)
    for batch in range(2):
        for head in range(2):
            expected = flow_of_one(q[batch, head].sigmoid(), k[batch, head].sigmoid(), v[batch, head])
            torch.testing.assert_close(found[batch, head], expected, atol=1e-5, rtol=1e-5)


def flow_of_one(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    incoming = torch.stack([sum(q[i] @ k[j] for j in range(N)) for i in range(N)])
    outgoing = torch.stack([sum(k[j] @ q[i] for i in range(N)) for j in range(N)])
    conserved_in = torch.stack([sum(q[i] @ k[j] / outgoing[j] for j in range(N)) for i in range(N)])
    conserved_out = torch.stack([sum(k[j] @ q[i] / incoming[i] for i in range(N)) for j in range(N)]).clamp(-1, 1)
    competition = conserved_out.softmax(0) * N
    rows = [sum((q[i] / incoming[i] @ k[j]) * competition[j] * v[j] for j in range(N)) for i in range(N)]
    return torch.stack(rows) * conserved_in.sigmoid()[:, None]


def test_causal_flow_takes_each_sum_up_to_the_place() -> None:
    q, k, v = vectors()
    found = Flow(shape(causal=True))(q, k, v)[0, 0]
    q, k, v = q[0, 0].sigmoid(), k[0, 0].sigmoid(), v[0, 0]
    incoming = torch.stack([q[i] @ k[: i + 1].sum(0) for i in range(N)])
    outgoing = torch.stack([k[i] @ q[: i + 1].sum(0) for i in range(N)])
    c = torch.arange(1, N + 1).to(q)
    into = torch.stack([q[i] @ (k * (c / outgoing)[:, None])[: i + 1].sum(0) / c[i] for i in range(N)])
    out = torch.stack([k[i] @ (q * (c / incoming)[:, None])[: i + 1].sum(0) / c[i] for i in range(N)]).clamp(-1, 1)
    competition = torch.stack([out[j].exp() / out[: j + 1].exp().sum() * c[j] for j in range(N)])
    rows = [
        into[i].sigmoid() * (q[i] / incoming[i] @ k[: i + 1].T) @ (v * competition[:, None])[: i + 1] for i in range(N)
    ]
    torch.testing.assert_close(found, torch.stack(rows), atol=1e-4, rtol=1e-4)


@WAYS
def test_transnormer(causal: bool) -> None:
    q, k, v = vectors()
    scores = torch.einsum("bhid,bhjd->bhij", nn.functional.elu(q) + 1, nn.functional.elu(k) + 1) * visible(causal)
    mixed = scores @ v
    expected = mixed / mixed.square().mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(TransNormer(shape(causal))(q, k, v), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("block", [4, 5, 64])
def test_lightning_by_blocks_is_the_product_with_the_decay(block: int) -> None:
    q, k, v = vectors()
    mixer = Lightning(shape(layer=1), block=block)
    expected = torch.zeros_like(v)
    for head in range(2):
        decay = math.exp(-8 * (head + 1) / 2 * (1 - 1 / 2))
        for s in range(N):
            for t in range(s + 1):
                expected[:, head, s] += (
                    ((q[:, head, s] * k[:, head, t]).sum(-1, keepdim=True)) * decay ** (s - t) * v[:, head, t]
                )
    torch.testing.assert_close(mixer.by_blocks(q, k, v), expected, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("layer", [0, 1])
def test_the_parallel_form_of_lightning_equals_its_recurrent_form(layer: int) -> None:
    mixer = Lightning(shape(layer=layer), block=4)
    x = torch.randn(2, N, 16)
    state, steps = torch.zeros(2, 2, D, D), []
    for place in range(N):
        out, state = mixer.step(x[:, place : place + 1], state, place)
        steps.append(out)
    torch.testing.assert_close(mixer(x), torch.cat(steps, dim=1), atol=1e-10, rtol=1e-6)


@WAYS
def test_hstu(causal: bool) -> None:
    mixer = Hstu(shape(causal))
    nn.init.normal_(mixer.by_distance)
    x = torch.randn(2, N, 16)
    u, v, q, k = nn.functional.silu(x @ mixer.project.weight.T).split(16, dim=-1)
    mixed = torch.zeros(2, N, 16)
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        for i in range(N):
            for j in range(i + 1 if causal else N):
                score = (q[:, i, part] * k[:, j, part]).sum(-1, keepdim=True) + mixer.by_distance[i - j + 31]
                mixed[:, i, part] += nn.functional.silu(score) / 32 * v[:, j, part]
    torch.testing.assert_close(mixer(x), mixer.out(nn.functional.layer_norm(mixed, (16,)) * u))


@WAYS
def test_diff_qkv_shares_keys_and_values_among_heads(causal: bool) -> None:
    mixer = DiffQKV(shape(causal, heads=8))
    x = torch.randn(2, N, 16)
    assert (mixer.key_heads, mixer.value_heads) == (1, 4)
    q, k, v = split_heads(mixer.query(x), 8), split_heads(mixer.key(x), 1), split_heads(mixer.value(x), 4)
    heads = [mean_by(scaled(q[:, i : i + 1], k).exp() * visible(causal), v[:, i // 2 : i // 2 + 1]) for i in range(8)]
    expected = mixer.out(torch.cat(heads, dim=1).transpose(1, 2).reshape(2, N, 16))
    torch.testing.assert_close(mixer(x), expected)


def test_the_keys_and_values_of_sigma_take_three_eighths_less() -> None:
    """Sigma-1.5B against grouped queries with 16 heads each (2501.13629, equation 2)."""
    assert kv_elements(4, 16, 64) / kv_elements(16, 16, 64) == 1 - 0.375


@WAYS
def test_diagonal_is_a_recurrence_each_way(causal: bool) -> None:
    mixer = Diagonal(shape(causal), states=3)
    u = torch.randn(2, 16, N)
    a = torch.exp(-mixer.log_rate.exp())
    expected = torch.zeros(2, 16, N)
    for way, order in enumerate([range(N), reversed(range(N))][: 1 if causal else 2]):
        state = torch.zeros(2, 16, 3)
        for t in order:
            state = a[way] * state + (1 - a[way]) * u[:, :, t, None]
            expected[:, :, t] += (mixer.read[way] * state).sum(-1)
    torch.testing.assert_close(mixer.convolved(u), expected)


def test_fft_is_the_real_part_of_two_transforms() -> None:
    x = torch.randn(2, N, 16)
    turn = [torch.exp(-2j * math.pi * torch.outer(torch.arange(n), torch.arange(n)) / n) for n in (N, 16)]
    expected = (turn[0] @ x.to(torch.complex128) @ turn[1]).real
    torch.testing.assert_close(Fft(shape())(x), expected)


def hyper(causal: bool = False, **changed: int) -> Hyper:
    return Hyper(shape(causal, length=64), **{"exact_below": 8, "block": 4, "sample": 6, "bits": 3, **changed})


def test_hyper_is_exact_in_blocks_and_estimates_the_rest() -> None:
    q, k, v = vectors()
    mixer = hyper()
    found = mixer(q, k, v)
    drawn = (mixer.draws * N).long().tolist()
    for batch in range(2):
        for head in range(2):
            q_order, k_order = (mixer._buckets(x)[batch, head].argsort(stable=True).tolist() for x in (q, k))
            weights = torch.zeros(N, N)
            for row, i in enumerate(q_order):
                for column, j in enumerate(k_order):
                    near = row // 4 == column // 4
                    weights[i, j] = 1.0 if near else drawn.count(column) * N / 6
            expected = mean_by(scaled(q, k)[batch, head].exp() * weights, v[batch, head])
            torch.testing.assert_close(found[batch, head], expected)


def test_buckets_side_by_side_in_the_gray_order_differ_in_one_direction() -> None:
    mixer = hyper()
    x = torch.randn(1, 1, 4000, D)
    buckets, bits = mixer._buckets(x)[0, 0], (x @ mixer.directions > 0)[0, 0].long()
    codes = [bits[buckets == bucket][0] for bucket in range(8)]
    assert all((one - other).abs().sum() == 1 for one, other in pairwise(codes))


@WAYS
def test_hyper_is_softmax_attention_below_its_length(causal: bool) -> None:
    q, k, v = vectors()
    exact = Softmax(shape(causal))(q, k, v)
    torch.testing.assert_close(hyper(causal, exact_below=4096)(q, k, v), exact)
    assert (hyper(causal)(q, k, v) - exact).abs().max() > 0.01


def test_hyper_with_one_block_for_all_is_softmax_attention_also_where_it_halves() -> None:
    q, k, v = vectors()
    for causal in (False, True):
        torch.testing.assert_close(hyper(causal, block=32)(q, k, v), Softmax(shape(causal))(q, k, v))


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_leaves_padding_out_if_it_says_so(name: str) -> None:
    mixer = MIXERS[name](shape(heads=2)).eval()
    x, more = torch.randn(2, 12, 16), torch.randn(2, 5, 16)
    mask = torch.arange(17)[None, :].expand(2, -1) < 12
    padded = mixer(torch.cat([x, more], dim=1), mask)[:, :12]
    assert torch.allclose(padded, mixer(x), atol=1e-6) == mixer.takes_mask


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_can_be_causal_if_it_says_so(name: str) -> None:
    mixer = MIXERS[name](shape(causal=True)).eval()
    x = torch.randn(2, 12, 16)
    changed = torch.cat([x[:, :7], torch.randn(2, 5, 16)], dim=1)
    assert torch.allclose(mixer(x)[:, :7], mixer(changed)[:, :7], atol=1e-6) == mixer.can_be_causal


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_learns_from_a_batch_with_a_sequence_of_one_symbol(name: str) -> None:
    mixer = MIXERS[name](shape())
    x = torch.randn(2, 12, 16, requires_grad=True)
    mask = torch.tensor([[True] * 12, [True] + [False] * 11])
    out = mixer(x, mask if mixer.takes_mask else None)
    out[mask].square().sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in mixer.parameters())


def test_several_heads_are_projected_and_joined() -> None:
    mixer = MultiHead(Softmax(shape()), shape())
    x = torch.randn(2, N, 16)
    q, k, v = (split_heads(part, 2) for part in mixer.query_key_value(x).chunk(3, dim=-1))
    heads = scaled(q, k).softmax(-1) @ v
    torch.testing.assert_close(mixer(x), mixer.out(torch.cat([heads[:, 0], heads[:, 1]], dim=-1)))
