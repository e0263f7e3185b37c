"""Nyströmformer (Xiong et al. 2021, 2102.03902, equations 13 to 15 and algorithm 1).

Landmarks Q~, K~ are means of m equal segments.  F = softmax(Q K~^T / sqrt d), A = softmax(Q~ K~^T / sqrt d),
B = softmax(Q~ K^T / sqrt d);  out = F A^+ B V + depthwise convolution of V over 33 places.
The pseudo-inverse by six iterations: Z <- Z / 4 (13 I - A Z (15 I - A Z (7 I - A Z))), from A^T / (|A|_1 |A|_inf).
The published code divides by the greatest norms of the whole batch, which lets a sequence see its batch-mates; here
each head has its own. Segments follow the padded length, so padding is not left out. Linear in n.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.sequence.slots import Mask, Shape

_LANDMARKS = 32
_KERNEL = 33
_ITERATIONS = 6


class Nystromformer(nn.Module):
    """Softmax attention by way of landmarks."""

    takes_mask = can_be_causal = False

    def __init__(self, shape: Shape, landmarks: int = _LANDMARKS) -> None:
        super().__init__()
        self.landmarks = landmarks
        self.near = nn.Conv2d(
            shape.heads, shape.heads, (_KERNEL, 1), padding=(_KERNEL // 2, 0), groups=shape.heads, bias=False
        )

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask = None) -> torch.Tensor:
        scale = q.shape[-1] ** -0.25
        q, k = q * scale, k * scale
        q_marks, k_marks = (segment_means(x, self.landmarks) for x in (q, k))
        from_marks = (q @ k_marks.transpose(-1, -2)).softmax(-1)
        between = (q_marks @ k_marks.transpose(-1, -2)).softmax(-1)
        to_marks = nn.functional.scaled_dot_product_attention(q_marks, k, v, scale=1.0)
        near: torch.Tensor = self.near(v)
        return from_marks @ (pseudo_inverse(between) @ to_marks) + near


def segment_means(x: torch.Tensor, segments: int) -> torch.Tensor:
    """[..., n, d] -> means of at most so many segments, whose sizes differ by at most one: [..., segments, d]."""
    n = x.shape[-2]
    count = min(segments, n)
    segment = torch.arange(n, device=x.device) * count // n
    within = (segment == torch.arange(count, device=x.device)[:, None]).to(x.dtype)
    return within / within.sum(-1, keepdim=True) @ x


def pseudo_inverse(a: torch.Tensor) -> torch.Tensor:
    """The Moore-Penrose inverse of [..., m, m], nearly."""
    identity = torch.eye(a.shape[-1], device=a.device, dtype=a.dtype)
    norms = a.abs().sum(-2).amax(-1) * a.abs().sum(-1).amax(-1)
    z = a.transpose(-1, -2) / norms[..., None, None]
    for _ in range(_ITERATIONS):
        az = a @ z
        z = 0.25 * z @ (13 * identity - az @ (15 * identity - az @ (7 * identity - az)))
    return z
